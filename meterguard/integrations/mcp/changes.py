"""Changes: clients are told that a list is another one than they were given."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from mcp.server.connection import Connection
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourcesListChanged,
    SubscriptionBus,
    ToolsListChanged,
)

_EVENTS = (ToolsListChanged, ResourcesListChanged, PromptsListChanged)


class Changes:
    """The clients of one server that want to be told.

    Those of a handshake are told on their connection; those of the later protocol listen to ``bus``.
    """

    def __init__(self) -> None:
        self.bus: SubscriptionBus = InMemorySubscriptionBus()
        self._connections: WeakKeyDictionary[Connection, asyncio.AbstractEventLoop] = WeakKeyDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling: set[asyncio.Task[Any]] = set()

    def note(self, session: Any) -> None:
        """Note the client that sent a request."""
        loop = self._loop = asyncio.get_running_loop()
        connection: Connection | None = getattr(session, "_connection", None)
        if connection is not None and connection.has_standalone_channel:
            self._connections[connection] = loop

    def tell(self) -> None:
        """Tell all clients, from any thread."""
        loops = {*self._connections.values()} | ({self._loop} if self._loop is not None else set())
        for loop in loops:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._tell(loop))
        self._telling.add(task)  # else nobody holds it
        task.add_done_callback(self._telling.discard)

    async def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        for connection in [one for one, its in self._connections.items() if its is loop]:
            await connection.send_tool_list_changed()
            await connection.send_resource_list_changed()
            await connection.send_prompt_list_changed()
        for event in _EVENTS if loop is self._loop else ():
            await self.bus.publish(event())


