"""The last steps of an answer on the server's loop: its wait, and its way into the connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from ..admin.journal import Request
from ..faults.delays import Delays
from ..protocol.messages import Reply
from .dispatch import Dispatcher
from .http1 import render

__all__ = ("answer_later", "deliver", "hang_up")


async def answer_later(dispatcher: Dispatcher, delays: Delays, request: Request) -> Reply:
    """Return the reply to a request once it has waited; no reply at all if the server stops before."""
    fault = request.fault
    if fault is not None and fault.waits:
        if fault.applied:
            dispatcher.apply(request)
        if not await delays.wait(fault):
            return dispatcher.abandon(request)
    return dispatcher.answer(request)


def deliver(reply: Reply, transport: asyncio.Transport) -> None:
    """Send a reply; close the connection if it is cut, or no reply at all."""
    if reply.is_nothing:
        hang_up(transport)
        return
    transport.write(render(reply))
    if not reply.is_whole:
        transport.write_eof()
        transport.close()


def hang_up(transport: asyncio.Transport) -> None:
    """Close a connection at once."""
    if transport.is_closing():
        return
    # A forked child may hold the same connection, which close alone would then leave open.
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    transport.abort()
