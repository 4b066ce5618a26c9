"""The official SDK: its ``MCPServer``, and the low-level ``Server`` that it is built on."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.mcpserver import MCPServer

from ...errors import ConfigurationError
from ..audit import Registered
from . import answers, sessions
from .entitlements import Entitlements, Offered
from .subscriptions import serve_subscriptions

_ATTACHED = "_meterguard"

_TELLS_OF_CHANGES = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)

Call = Callable[..., Awaitable[Any]]


def attach(server: MCPServer, entitlements: Entitlements) -> None:
    """Set up a server of the SDK."""
    low_level = server._lowlevel_server
    entitlements.changes.bus = server._subscriptions
    _serve(low_level, entitlements, lambda: entitlements.audit(registered(server), offers(server)))
    guarded = _Methods(server, entitlements)
    for method in ("call_tool", "read_resource", "get_prompt"):
        setattr(server, method, getattr(guarded, method)(getattr(server, method)))
    for method, kind in _LISTS.items():
        setattr(server, method, guarded.listing(kind, getattr(server, method)))


def attach_low_level(server: Server, entitlements: Entitlements) -> None:
    """Set up a low-level server, whose handlers know their tools."""
    _serve(server, entitlements, lambda: entitlements.audit(registered(server), ()))
    serve_subscriptions(server, entitlements.changes)
    for method, guarded in _HANDLERS.items():
        entry = server.get_request_handler(method)
        if entry is not None:
            server.add_request_handler(method, entry.params_type, guarded(entitlements, entry.handler))


def _serve(server: Server, entitlements: Entitlements, look: Callable[[], None]) -> None:
    """Know each client, and look for guards that never run when the server starts."""
    if hasattr(server, _ATTACHED):
        raise ConfigurationError("install() was called with this server already")
    setattr(server, _ATTACHED, entitlements)
    inner = server.lifespan

    @asynccontextmanager
    async def lifespan(started: Server) -> AsyncIterator[Any]:
        look()
        async with inner(started) as state:
            try:
                yield state
            finally:
                await entitlements.end()

    async def known(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
        entitlements.changes.note(ctx.session)
        entitlements.is_served_over_http |= ctx.request is not None
        client = sessions.of(ctx.session)
        if client is None:
            return await call_next(ctx)
        token = sessions.session_id.set(client)
        try:
            return await call_next(ctx)
        finally:
            sessions.session_id.reset(token)

    server.lifespan = lifespan
    # else clients of a handshake are not promised that they are told of another list
    options: Any = functools.partial(server.create_initialization_options, _TELLS_OF_CHANGES)
    server.create_initialization_options = options  # type: ignore[method-assign]
    server.middleware.append(known)


# -- MCPServer ---------------------------------------------------------------------------------------

_LISTS = {
    "list_tools": "tool",
    "list_resources": "resource",
    "list_resource_templates": "resource",
    "list_prompts": "prompt",
}


class _Methods:
    """The methods of a server that its handlers call, behind what stands before its tools."""

    def __init__(self, server: MCPServer, entitlements: Entitlements) -> None:
        self._server = server
        self._entitlements = entitlements

    def call_tool(self, inner: Call) -> Call:
        async def call_tool(name: str, arguments: dict[str, Any], *more: Any, **context: Any) -> Any:
            try:
                return await self._behind("tool", name, arguments, lambda: inner(name, arguments, *more, **context))
            except Exception as raised:
                # the SDK would log a traceback
                error = answers.behind(raised)
                if error is None:
                    raise
                return answers.result(error, f"tools/{name}")

        return call_tool

    def read_resource(self, inner: Call) -> Call:
        async def read_resource(uri: Any, *context: Any, **more: Any) -> Any:
            return await self._refused("resource", str(uri), {}, lambda: inner(uri, *context, **more))

        return read_resource

    def get_prompt(self, inner: Call) -> Call:
        async def get_prompt(name: str, arguments: Any = None, *context: Any, **more: Any) -> Any:
            return await self._refused(
                "prompt", name, arguments or {}, lambda: inner(name, arguments, *context, **more)
            )

        return get_prompt

    def listing(self, kind: str, inner: Call) -> Call:
        async def listed() -> Any:
            functions = {one.name: one for one in offers(self._server) if one.kind == kind}
            return await self._entitlements.shown(await inner(), lambda one: functions[_name_of(one)])

        return listed

    async def _refused(self, kind: str, name: str, arguments: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        try:
            return await self._behind(kind, name, arguments, call)
        except Exception as raised:
            error = answers.behind(raised)
            if error is None:
                raise
            raise answers.protocol_error(error, f"{kind}s/{name}") from None

    async def _behind(self, kind: str, name: str, arguments: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        tool = self._server._tool_manager.get_tool(name) if kind == "tool" else None
        tags: Any = ()
        if tool is not None:
            self._entitlements.check_order(tool.fn, f"tools/{name}")
            tags = _tags(tool)
        return await self._entitlements.through(self._entitlements.rules.of(kind, name, tags), arguments, call)


def offers(server: MCPServer) -> Iterator[Offered]:
    """Yield what a server offers."""
    for tool in server._tool_manager.list_tools():
        yield Offered("tool", tool.name, _tags(tool), tool.fn)
    for resource in server._resource_manager.list_resources():
        yield Offered("resource", str(resource.uri), (), getattr(resource, "fn", None))
    for template in server._resource_manager.list_templates():
        yield Offered("resource", template.uri_template, (), template.fn)
    for prompt in server._prompt_manager.list_prompts():
        yield Offered("prompt", prompt.name, (), prompt.fn)


def registered(server: MCPServer | Server) -> Iterator[Registered]:
    """Yield what a server offers, and what is run for each; of a low-level one its handlers."""
    if isinstance(server, Server):
        for method in _HANDLERS:
            entry = server.get_request_handler(method)
            if entry is not None:
                yield method, entry.handler
        return
    for one in offers(server):
        if one.function is not None:
            yield one.name, one.function


def _tags(tool: Any) -> tuple[str, ...]:
    return tuple((tool.meta or {}).get("tags", ()))


def _name_of(listed: Any) -> str:
    for attribute in ("uri", "uri_template"):
        if hasattr(listed, attribute):
            return str(getattr(listed, attribute))
    return str(listed.name)


# -- low-level Server --------------------------------------------------------------------------------


def _calling(kind: str) -> Callable[[Entitlements, Call], Call]:
    def guarded(entitlements: Entitlements, inner: Call) -> Call:
        async def handler(ctx: Any, params: Any) -> Any:
            name = str(params.uri) if kind == "resource" else params.name
            arguments = getattr(params, "arguments", None) or {}
            try:
                entitlements.check_order(inner, f"{kind}s/{name}")
                before = entitlements.rules.of(kind, name)
                return await entitlements.through(before, arguments, lambda: inner(ctx, params))
            except Exception as raised:
                error = answers.behind(raised)
                if error is None:
                    raise
                if kind == "tool":
                    return answers.result(error, f"tools/{name}")
                refused = answers.protocol_error(error, f"{kind}s/{name}")
            raise refused

        handler.__wrapped__ = inner  # type: ignore[attr-defined] # by which the search for guards finds it
        return handler

    return guarded


def _listing(kind: str, attribute: str) -> Callable[[Entitlements, Call], Call]:
    def guarded(entitlements: Entitlements, inner: Call) -> Call:
        async def handler(ctx: Any, params: Any) -> Any:
            result = await inner(ctx, params)
            listed = getattr(result, attribute)
            shown = await entitlements.shown(listed, lambda one: Offered(kind, _name_of(one), _tags(one)))
            return result.model_copy(update={attribute: shown})

        handler.__wrapped__ = inner  # type: ignore[attr-defined]
        return handler

    return guarded


_HANDLERS: dict[str, Callable[[Entitlements, Call], Call]] = {
    "tools/call": _calling("tool"),
    "resources/read": _calling("resource"),
    "prompts/get": _calling("prompt"),
    "tools/list": _listing("tool", "tools"),
    "resources/list": _listing("resource", "resources"),
    "resources/templates/list": _listing("resource", "resource_templates"),
    "prompts/list": _listing("prompt", "prompts"),
}
