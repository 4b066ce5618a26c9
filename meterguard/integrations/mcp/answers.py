"""Answers: what a client, and the model behind it, is told instead of what it asked for."""

from __future__ import annotations

import logging

from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from ...errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..http import HttpOptions
from ..refusal import Refusal
from . import sessions

REFUSED = -32000
"""The code of JSON-RPC for a refusal where the protocol has no result that is an error: resources and prompts."""
ERRORS = (EntitlementDenied, EntitlementUnavailable, ConfigurationError)

_OPTIONS = HttpOptions()
_log = logging.getLogger("meterguard.integrations")


def refusal(error: MeterGuardError, instance: str) -> Refusal:
    """Return what to tell a client that ran into this error, and log one line of it.

    :param instance: what was asked for, such as ``tools/export``.
    """
    if isinstance(error, EntitlementDenied | EntitlementUnavailable):
        _log.info("%s was refused: %s", instance, getattr(error, "reason", "unavailable"))
    else:
        _log.error("%s is set up wrongly: %s", instance, sessions.explained(error))
    return _OPTIONS.told(error)


def result(error: MeterGuardError, instance: str) -> CallToolResult:
    """Return a call's result that is an error: words to read, and the problem document."""
    told = refusal(error, instance)
    content = [TextContent(type="text", text=told.detail)]
    return CallToolResult(content=[*content], structured_content=told.problem(instance), is_error=True)


def words(error: MeterGuardError) -> str:
    """Return the words of a refusal, and log nothing."""
    return _OPTIONS.told(error).detail


def protocol_error(error: MeterGuardError, instance: str) -> MCPError:
    """Return the error of the protocol, with the problem document as its data."""
    told = refusal(error, instance)
    return MCPError(REFUSED, told.detail, told.problem(instance))


def behind(raised: BaseException | None) -> MeterGuardError | None:
    """Return the refusal that a server wrapped into exceptions of its own; None where there is none."""
    while raised is not None:
        if isinstance(raised, ERRORS):
            return raised
        raised = raised.__cause__
    return None


def is_failed(answer: object) -> bool:
    """Tell whether a call failed, so that what it drew is not charged."""
    return bool(getattr(answer, "is_error", False))
