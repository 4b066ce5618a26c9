"""The thread, the loop and the port that an emulator serves on.

This module is imported when an emulator starts, for the packages that it needs are optional.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import threading
import weakref
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.util import find_spec

from ..admin.target import Target
from ..faults.delays import Delays
from ..state.clock import elapsed
from .dispatch import Dispatcher

_NEEDS = 'the emulator needs Starlette and uvicorn: pip install "meterguard[emulator]"'
try:
    from .uvicorn_server import Server
except ImportError as missing:
    raise ImportError(_NEEDS) from missing

__all__ = ("HttpServer",)

_HOST = "127.0.0.1"
_STOP_SECONDS = 5.0
_servers: weakref.WeakSet[HttpServer] = weakref.WeakSet()


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose timers go on while a test has frozen the time of its process."""

    def time(self) -> float:
        return elapsed()


class HttpServer:
    """Serves a dispatcher on a port of the loopback interface, and lets requests steer its emulator."""

    def __init__(self, dispatcher: Dispatcher, emulator: Target, port: int = 0) -> None:
        self.port = port
        self._dispatcher = dispatcher
        self._emulator = emulator
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._selector: selectors.BaseSelector | None = None
        self._loop: _Loop | None = None
        self._leave: Callable[[], None] = _nothing
        self._failure: BaseException | None = None
        _servers.add(self)

    @property
    def is_running(self) -> bool:
        """Return whether it serves, in this process."""
        return self._thread is not None

    def start(self) -> None:
        """Serve, and return as soon as requests are answered."""
        if self.is_running:
            return
        if find_spec("starlette") is None:
            raise ImportError(_NEEDS)
        self._socket = _listen(self.port)
        self.port = self._socket.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._socket, ready), name=f"meterguard-emulator-{self.port}", daemon=True
        )
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            failure, self._failure, self._thread = self._failure, None, None
            raise failure

    def stop(self) -> None:
        """Close every connection and the port. Requests under way are dropped."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._leave)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the emulator's server did not stop")
        self._thread = self._loop = None

    def forget(self) -> None:
        """Leave the port to the parent, in a forked child, so that the parent's stop closes it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                os.close(self._socket.detach())
        if self._selector is not None:
            # Both processes share it: the child's garbage collector would take events that the parent misses.
            self._selector.close()
        self._thread = None

    def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        self._selector = selectors.DefaultSelector()
        loop = self._loop = _Loop(self._selector)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve(listener, ready))
        except BaseException as failure:  # noqa: BLE001 - it is raised again where start() was called
            self._failure = failure
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            listener.close()
            ready.set()

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        delays = Delays()
        server = Server(self._dispatcher, delays, _application(self._dispatcher, delays, self._emulator), ready.set)
        self._leave = server.leave
        await server.serve(sockets=[listener])


def _application(dispatcher: Dispatcher, delays: Delays, emulator: Target) -> Callable[..., Awaitable[None]]:
    @cache
    def built() -> Callable[..., Awaitable[None]]:
        # Starlette takes an eighth of the time of a start, and the requests of SDKs never need it.
        from .asgi import application

        return application(dispatcher, delays, emulator)

    # uvicorn takes a function that can be called without arguments for a factory.
    async def delegate(scope: object, receive: object, send: object) -> None:
        await built()(scope, receive, send)

    return delegate


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio sets TCP_NODELAY on new connections; without, an answer can take 40 ms
    # more.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(2048)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _nothing() -> None:
    pass


def _forget_in_child() -> None:
    for server in list(_servers):
        server.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
