"""uvicorn, adapted to the emulator.

It has two lanes. A plain request, as every SDK sends it, is read and answered at once and never becomes an
ASGI message: that is two thirds of the work of answering one. Whatever else comes in (a GET, a chunked body,
an ``Expect``, rubbish) is given to uvicorn's own protocol, which then owns the connection to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..admin.journal import Request
from ..faults.delays import Delays
from ..protocol.messages import Headers
from .delivery import answer_later, deliver, hang_up
from .dispatch import Dispatcher
from .http1 import read_plain

__all__ = ("Server",)

_log = logging.getLogger("meterguard.emulator")


class _Protocol(H11Protocol):
    """uvicorn's protocol with a fast lane in front."""

    def __init__(self, dispatcher: Dispatcher, delays: Delays, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.access_log = False
        self.logger = _log
        self._dispatcher = dispatcher
        self._delays = delays
        self._buffer = b""
        self._is_busy = False
        self._is_plain = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # The ASGI application finds it in its scope, to close the connection as a fault says.
        self.app_state = {"transport": transport}

    def data_received(self, data: bytes) -> None:
        if not self._is_plain:
            super().data_received(data)
            return
        self._buffer = self._buffer + data if self._buffer else data
        self._advance()

    def _advance(self) -> None:
        while self._buffer and not self._is_busy and not self.transport.is_closing():
            found = read_plain(self._buffer)
            if found is None:
                return
            if found == "other":
                self._is_plain = False
                rest, self._buffer = self._buffer, b""
                super().data_received(rest)
                return
            headers, body, length = found
            self._buffer = self._buffer[length:]
            self._take(headers, body)

    def _take(self, headers: Headers, body: bytes) -> None:
        request = self._dispatcher.arrive(headers, body)
        if not request.waits:
            deliver(self._dispatcher.answer(request), self.transport)
            return
        self._is_busy = True
        task = self.loop.create_task(self._take_later(request))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _take_later(self, request: Request) -> None:
        reply = await answer_later(self._dispatcher, self._delays, request)
        if not self.transport.is_closing():
            deliver(reply, self.transport)
        self._is_busy = False
        self._advance()


class Server(uvicorn.Server):
    """uvicorn's server, which tells when it is ready and stops at once instead of at its next tick."""

    def __init__(
        self, dispatcher: Dispatcher, delays: Delays, app: Callable[..., Awaitable[None]], ready: Callable[[], None]
    ) -> None:
        config = uvicorn.Config(
            app,
            http=partial(_Protocol, dispatcher, delays),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=3600,
        )
        super().__init__(config)
        self._delays = delays
        self._ready = ready
        self._told = asyncio.Event()

    def leave(self) -> None:
        """Stop serving."""
        self._delays.end()
        self._told.set()

    async def main_loop(self) -> None:
        """Say that it serves, and wait until it is told to end."""
        self._ready()
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, end those that there are, and close the server."""
        # asyncio loses a connection that is just being accepted when its server is closed. So first accept no
        # more, then end what there is (nobody tells when the last has gone, and it is a matter of two or three
        # rounds of the loop), then close the server.
        for listener in sockets or ():
            asyncio.get_running_loop().remove_reader(listener)
            # a child that was forked a moment ago may have it too, and to close ours alone would not close the port
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        while self.server_state.connections or len(asyncio.all_tasks()) > 1:
            for connection in list(self.server_state.connections):
                hang_up(connection.transport)
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
