"""Handover of a seat to a result that is made or sent after the call."""

from __future__ import annotations

from typing import Any

from . import responses, streams
from .streams import Held


def outlasting(result: object, held: Held) -> object | None:
    """Return ``result`` with its seat, when it is work still to be done or a body still to be sent; else None."""
    if hasattr(type(result), "add_done_callback"):  # a task, or a future of either kind
        future: Any = result
        future.add_done_callback(lambda done: held.drop(failed=done.cancelled() or done.exception() is not None))
        return result
    if type(result) is tuple and result:  # a view's (body, status, headers)
        body = outlasting(result[0], held)
        return None if body is None else (body, *result[1:])
    carried = streams.carried(result, held)
    return responses.carried(result, held) if carried is None else carried
