"""Responses whose body is sent after the call that made them. They carry their seat to the last byte.

Frameworks are recognised by what is imported already; none is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wrapt

from .streams import Held, drive, relay, source_of

if TYPE_CHECKING:
    ObjectProxy = wrapt.ObjectProxy[Any]
else:
    ObjectProxy = wrapt.ObjectProxy  # older versions of wrapt have no types


def carried(result: object, held: Held) -> object | None:
    """Return ``result`` with its seat, when it is a response that is still to be sent; else None."""
    for (module, name), with_lease in _KINDS.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(result, kind):
            return with_lease(result, held)
    return None


def _werkzeug(response: Any, held: Held) -> Any | None:
    if not response.is_streamed:
        return None
    response.call_on_close(held.release)
    return response


def _django(response: Any, held: Held) -> Any:
    content = response.streaming_content
    response.streaming_content = relay(lambda: source_of(content, held)) if response.is_async else drive(content, held)
    # Where nobody iterates the body, as in the answer to HEAD, only the response is closed.
    close = response.close

    def close_both() -> None:
        try:
            close()
        finally:
            held.release()

    response.close = close_both
    return response


def _starlette(response: Any, held: Held) -> Any | None:
    plain = sys.modules["starlette.responses"].Response.__call__
    if type(response).__call__ is plain and response.background is None:
        return None
    return SentUnderLease(response, held)


class SentUnderLease(ObjectProxy):
    """An ASGI response, which is an application. Its seat goes back once it and its background tasks are done."""

    def __init__(self, response: object, held: Held) -> None:
        super().__init__(response)
        self._self_held = held

    async def __call__(self, *scope_receive_send: object) -> None:
        try:
            await self.__wrapped__(*scope_receive_send)
        except GeneratorExit:  # it is thrown away, and must not await
            self._self_held.drop(failed=False)
            raise
        finally:
            await self._self_held.arelease()


_KINDS: dict[tuple[str, str], Callable[[Any, Held], object | None]] = {
    ("werkzeug.wrappers", "Response"): _werkzeug,
    ("django.http", "StreamingHttpResponse"): _django,
    ("starlette.responses", "Response"): _starlette,
}
