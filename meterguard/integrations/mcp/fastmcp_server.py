"""FastMCP: a middleware for its calls and lists, and what goes with it on the server."""

from __future__ import annotations

import functools
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from fastmcp import FastMCP
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from ...errors import ConfigurationError
from ...guard import MeterGuard
from ..refusal import TEXTS
from . import answers, sessions
from .entitlements import Entitlements
from .fastmcp_components import Mending, components, mounted, offered, registered, tool_result
from .requirements import Requires
from .subscriptions import serve_subscriptions

T = TypeVar("T")
Context = MiddlewareContext[Any]
Next = CallNext[Any, Any]


class EntitlementMiddleware(Middleware):
    """Licences for the tools, resources and prompts of a FastMCP server.

    ::

        server.add_middleware(EntitlementMiddleware(requires={"export": ("Export",), "tag:pro": ("Seats", 1, "Count")}))

    A call that is denied is answered by a result that is an error, with words that a model and a person can read, and
    the problem document as structured content. Guards below ``@server.tool`` are answered in the same way. A guard
    above it never runs: it is found when the server starts, and at each call of that tool until it is mended.

    :param guard: the guard of what ``requires`` says; None: the default one.
    :param requires: what each tool needs, by its name, by a pattern (``"report_*"``), or by a tag (``"tag:pro"``):
        what :func:`~meterguard.requires_entitlement` takes, or a gate, a draw or a meter. All that match apply.
        ``"resource:..."`` is about the URI of a resource or of a template, ``"prompt:..."`` about the name of a prompt.
        Callables get the call's arguments.
    :param hide: whether what is denied is left out of lists. Listing takes no unit.
    :param strict: whether a guard that never runs is an error, or a warning in the log.
    :raises ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        guard: MeterGuard | None = None,
        requires: Requires | None = None,
        hide: bool = True,
        strict: bool = True,
    ) -> None:
        self._entitlements = Entitlements(guard, requires, hide, strict)
        self._of_mounted = functools.partial(EntitlementMiddleware, guard, None, hide, strict)
        self._servers: WeakKeyDictionary[FastMCP, bool] = WeakKeyDictionary()
        self._last: Callable[[], object] = bool  # the server of the last message, which is not looked up again
        self._handlers: Mapping[str | None, Callable[[Context, Next], Awaitable[Any]]] = {
            "tools/call": self._call_tool,
            "resources/read": self._read_resource,
            "prompts/get": self._get_prompt,
            "tools/list": self._list,
            "resources/list": self._list,
            "resources/templates/list": self._list,
            "prompts/list": self._list,
        }

    async def __call__(self, context: MiddlewareContext[T], call_next: CallNext[T, object]) -> object:
        """Answer a message of a client, or let it through."""
        here: Any = context.fastmcp_context
        request = None if here is None else here.request_context
        session = getattr(here, "_session", None) if request is None else request.session
        if here is not None and here.fastmcp is not self._last():
            self._begin(here.fastmcp, is_served=session is not None)
            self._last = weakref.ref(here.fastmcp)
        client = None if session is None else sessions.of(session)
        if request is not None and request.request is not None:
            self._entitlements.is_served_over_http = True
        handle = self._handlers.get(context.method)
        if session is not None and context.method != "tools/call":
            self._entitlements.changes.note(session)
        token = None if client is None else sessions.session_id.set(client)
        try:
            return await (call_next(context) if handle is None else handle(context, call_next))
        finally:
            if token is not None:
                sessions.session_id.reset(token)

    # -- starting ----------------------------------------------------------------------------------

    def prepare(self, server: FastMCP) -> None:
        """Set up a server that starts, and look for guards that never run.

        :raises ConfigurationError: there is one.
        """
        if server not in self._servers:
            self._entitlements.audit(registered(server), map(offered, components(server)))
            server.add_transform(Mending(self._entitlements))
            serve_subscriptions(server._mcp_server, self._entitlements.changes)
            self._servers[server] = True
        for child in mounted(server):  # whose own chain runs for what is asked through this one
            if not any(isinstance(one, EntitlementMiddleware) for one in child.middleware):
                child.add_middleware(self._of_mounted())

    async def end(self) -> None:
        """Give back what a server over HTTP held."""
        await self._entitlements.end()

    def _begin(self, server: FastMCP, *, is_served: bool) -> None:
        try:
            self.prepare(server)
        except ConfigurationError as mistake:
            if not is_served:
                raise
            answers.refusal(mistake, server.name)
            raise MCPError(INTERNAL_ERROR, TEXTS["internal-error"][1]) from None

    # -- calling -----------------------------------------------------------------------------------

    async def _call_tool(self, context: Context, call_next: Next) -> Any:
        message = context.message
        name = message.name
        try:
            tags = await self._tags(context, name) if self._entitlements.rules.has_tags else ()
            before = self._entitlements.rules.of("tool", name, tags)
            return await self._entitlements.through(before, message.arguments or {}, lambda: call_next(context))
        except answers.ERRORS as error:
            return tool_result(error, f"tools/{name}")

    async def _tags(self, context: Context, name: str) -> Sequence[str]:
        here = context.fastmcp_context
        if here is None:
            return ()
        tool = await here.fastmcp.get_tool(name)
        return () if tool is None else tuple(tool.tags)

    async def _read_resource(self, context: Context, call_next: Next) -> Any:
        return await self._behind("resource", str(context.message.uri), {}, context, call_next)

    async def _get_prompt(self, context: Context, call_next: Next) -> Any:
        message = context.message
        return await self._behind("prompt", message.name, message.arguments or {}, context, call_next)

    async def _behind(
        self, kind: str, name: str, arguments: Mapping[str, Any], context: Context, call_next: Next
    ) -> Any:
        try:
            before = self._entitlements.rules.of(kind, name)
            return await self._entitlements.through(before, arguments, lambda: call_next(context))
        except Exception as raised:
            error = answers.behind(raised)
            if error is None:
                raise
            raise answers.protocol_error(error, f"{kind}s/{name}") from None

    async def _list(self, context: Context, call_next: Next) -> Any:
        return await self._entitlements.shown(await call_next(context), offered)


_enter_lifespan = FastMCP._lifespan_manager


@asynccontextmanager
async def _lifespan_manager(server: FastMCP) -> AsyncIterator[None]:
    ours = [one for one in server.middleware if isinstance(one, EntitlementMiddleware)]
    for one in ours:
        one.prepare(server)
    async with _enter_lifespan(server):
        try:
            yield
        finally:
            for one in ours:
                await one.end()


# FastMCP tells no middleware that its server starts or ends. A guard that never runs has to be found at the start.
FastMCP._lifespan_manager = _lifespan_manager  # type: ignore[assignment,method-assign]
