"""The answers of a guarded route, as OpenAPI has them."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from ..model import shortened
from .http import PROBLEM_JSON, HttpOptions

_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "entitlement": {"type": "string"},
        "requested": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        "unit": {"type": "string"},
        "reason": {"type": "string"},
        "retry_after": {"type": "integer"},
        "ahead": {"type": "integer"},
    },
}


def entitlement_responses(options: HttpOptions | None = None) -> dict[int | str, dict[str, Any]]:
    """Return what a guarded route may answer besides, for ``responses=``.

    :param options: those of the application, where statuses were changed.
    :raises ConfigurationError: ``options`` is something else.
    """
    if not isinstance(options, HttpOptions | None):
        raise ConfigurationError(f"options must be HttpOptions or None; got {shortened(options)}")
    options = options or HttpOptions()
    described = {
        options.denied_status: "The licence does not include it, or the application is not allowed to ask.",
        options.exhausted_status: "All licensed units are in use; `Retry-After` says when to try again.",
        options.unavailable_status: "The licence could not be checked; `Retry-After` says when to try again.",
    }
    content = {PROBLEM_JSON: {"schema": _PROBLEM}}
    return {status: {"description": text, "content": content} for status, text in described.items()}
