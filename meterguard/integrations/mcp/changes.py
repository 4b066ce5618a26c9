"""Changes: clients are told that a list is another one than they were given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from weakref import WeakKeyDictionary

from mcp.server.connection import Connection
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourcesListChanged,
    ServerEvent,
    SubscriptionBus,
    ToolsListChanged,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

_EVENTS: dict[str, ServerEvent] = {
    "tool": ToolsListChanged(),
    "resource": ResourcesListChanged(),
    "prompt": PromptsListChanged(),
}


class Changes:
    """The clients of one server that want to be told.

    Those of a handshake are told on their connection; those of the later protocol listen to ``bus``.
    """

    def __init__(self) -> None:
        self.bus: SubscriptionBus = InMemorySubscriptionBus()
        self.kinds: set[str] = set()
        """The kinds of what was listed."""
        self._connections: WeakKeyDictionary[Connection, asyncio.AbstractEventLoop] = WeakKeyDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Task[object]] = set()

    def note(self, session: object) -> None:
        """Note the client that sent a request."""
        self._loop = asyncio.get_running_loop()
        connection: Connection | None = getattr(session, "_connection", None)
        if connection is None or connection.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return
        if connection.has_standalone_channel and connection not in self._connections:
            self._connections[connection] = self._loop
            connection.exit_stack.callback(self._connections.pop, connection, None)

    def has_listeners(self) -> bool:
        """Tell whether anybody would be told. A bus of somebody else's may always have listeners."""
        return bool(self._connections) or bool(getattr(self.bus, "_listeners", True))

    def tell(self) -> None:
        """Tell all clients, from any thread."""
        loops = {*self._connections.values()} | ({self._loop} if self._loop is not None else set())
        for loop in loops:
            with contextlib.suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(self._begin_telling, loop)

    def begin(self, work: Coroutine[None, None, object]) -> None:
        """Run something on this loop, and wait for nothing."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)  # else nobody holds it
        task.add_done_callback(self._running.discard)

    def _begin_telling(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begin(self._tell(loop))

    async def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        for kind in sorted(self.kinds):
            for connection in [one for one, its in self._connections.items() if its is loop]:
                await connection.notify(f"notifications/{kind}s/list_changed", None)
            if loop is self._loop:
                await self.bus.publish(_EVENTS[kind])
