"""Sessions: who a client is for as long as it is connected, and what goes back when it leaves.

A connection that begins with a handshake is one; so is a pair of streams (stdio, in memory) of the later protocol,
whose requests bring a connection of their own each. A request over HTTP without a session is nobody's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakSet

import anyio
from mcp.server.connection import Connection
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ...default import CURRENT, get_guard
from ...departures import give_back
from ...errors import ConfigurationError, MeterGuardError
from ...guard import MeterGuard

session_id: ContextVar[str] = ContextVar("session_id")
"""The client's connection, for ``per=``: one seat for each, given back when it ends. Not set where nothing tells one
client from another, as over HTTP in the protocol of 2026-07-28 and on servers that are stateless."""

_KEY = "meterguard.session"

_streams: WeakKeyDictionary[object, str] = WeakKeyDictionary()
_guards: WeakSet[Any] = WeakSet()


def of(session: object) -> str | None:
    """Return the id of the client that sent a request; None where nothing identifies it."""
    connection: Connection | None = getattr(session, "_connection", None)  # which has no public name
    if connection is None:
        return None
    known: str | None = connection.state.get(_KEY) or _streams.get(connection.outbound)
    if known is None and (connection.session_id is not None or connection.has_standalone_channel):
        known = _begin(connection)
    return known


def asks(guards: Iterable[object]) -> None:
    """Note guards whose leases may stand for a session."""
    _guards.update(guards)


def explained(error: MeterGuardError) -> str:
    """Return the text of an error, with what to do where it says that nothing identifies the client."""
    text = str(error)
    if not isinstance(error, ConfigurationError) or f"{session_id.name!r} is a ContextVar" not in text:
        return text
    return (
        "per=session_id: nothing identifies this client. Protocol 2026-07-28 has no sessions over HTTP, and a "
        "stateless server has none at all. Give per= a callable that tells clients apart, such as by their access token"
    )


def _begin(connection: Connection) -> str | None:
    made = uuid4().hex
    if connection.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        connection.state[_KEY] = made
        connection.exit_stack.push_async_callback(asyncio.to_thread, _end, made)
        return made
    reader = _reader()
    if reader is None:
        return None
    _streams[connection.outbound] = made
    # It blocks a loop whose only client has closed its streams. Nothing of the SDK waits for what is not blocking.
    reader.add_done_callback(lambda _: _end(made))
    return made


def _reader() -> asyncio.Task[Any] | None:
    """Return the task that reads a client's requests, of which this one is a child; it ends with the client."""
    parent = anyio.get_current_task().parent_id
    return next((task for task in asyncio.all_tasks() if id(task) == parent), None)


def _end(session: str) -> None:
    for guard in list(_guards):
        with contextlib.suppress(ConfigurationError):
            asked: MeterGuard = get_guard() if guard is CURRENT else guard
            give_back(asked, session)
