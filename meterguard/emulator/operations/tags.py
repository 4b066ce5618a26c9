"""TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

from ..protocol.errors import wrong_value
from ..protocol.messages import Answer, Parameters
from .call import Call

__all__ = ("list_tags_for_resource", "tag_resource", "untag_resource")


def tag_resource(call: Call, parameters: Parameters) -> Answer:
    """Add tags to a resource of the caller's account."""
    call.state.tags.put(_own(call, parameters["ResourceArn"]), parameters["Tags"])
    return {}


def untag_resource(call: Call, parameters: Parameters) -> Answer:
    """Take tags away from a resource of the caller's account."""
    call.state.tags.remove(_own(call, parameters["ResourceArn"]), parameters["TagKeys"])
    return {}


def list_tags_for_resource(call: Call, parameters: Parameters) -> Answer:
    """List the tags of a resource of the caller's account."""
    tags = call.state.tags.of(_own(call, parameters["ResourceArn"]))
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _own(call: Call, arn: str) -> str:
    if call.state.owner_of(arn) != call.caller.account:
        raise wrong_value("The resource was not found.")
    return arn
