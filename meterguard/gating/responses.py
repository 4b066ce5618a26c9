"""Responses whose body is sent after the call that made them. They carry their seat to the last byte.

Frameworks are recognised by what is imported already; none is imported here.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import wrapt

from .streams import Held, drive, is_departure, relay, source_of

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
    if not response.direct_passthrough:  # else servers send a file by themselves, where they know it for one
        response.response = WatchedBody(response.response, held)
    response.call_on_close(held.release)
    return response


class WatchedBody(ObjectProxy):
    """The body of a WSGI response: an error while it is made means that the call failed. Its end is told elsewhere."""

    def __init__(self, body: object, held: Held) -> None:
        super().__init__(body)
        self._self_held = held

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self.__wrapped__
        except GeneratorExit:
            raise
        except BaseException:
            self._self_held.fail()
            raise


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

    async def __call__(self, scope: object, receive: object, send: Callable[[object], Any]) -> None:
        has_begun = False

        async def sending(message: object) -> None:
            nonlocal has_begun
            await send(message)
            has_begun = True

        try:
            await self.__wrapped__(scope, receive, sending)
        except GeneratorExit:  # it is thrown away, and must not await
            self._self_held.drop(failed=False)
            raise
        except BaseException as raised:
            has_left = has_begun and is_departure(raised)
            if has_left:  # first, for the body may settle the charge in a ``finally`` of its own
                await _closed(getattr(self.__wrapped__, "body_iterator", None))
            await (self._self_held.arelease() if has_left else self._self_held.afail())
            raise
        await self._self_held.arelease()


async def _closed(body: object) -> None:
    """Close the body that nobody reads on; what it raises then is its own affair, and logged by nobody else."""
    close = getattr(body, "aclose", None)
    if close is not None:
        with contextlib.suppress(Exception):
            await close()


_KINDS: dict[tuple[str, str], Callable[[Any, Held], object | None]] = {
    ("werkzeug.wrappers", "Response"): _werkzeug,
    ("django.http", "StreamingHttpResponse"): _django,
    ("starlette.responses", "Response"): _starlette,
}
