"""Servers: the one way to set up a server, of FastMCP or of the official SDK."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer

from ...errors import ConfigurationError
from ...guard import MeterGuard
from ...model import shortened
from ..audit import Registered
from . import sdk_server
from .entitlements import Entitlements
from .requirements import Requires

if TYPE_CHECKING:
    from fastmcp import FastMCP


def install(
    server: object,
    guard: MeterGuard | None = None,
    requires: Requires | None = None,
    hide: bool = True,
    strict: bool = True,
) -> None:
    """Set up a server of FastMCP, or one of the official SDK (``MCPServer``, or the low-level ``Server``).

    ::

        install(server, requires={"export": ("Export",), "report_*": ("Reports",)})

    It does what :class:`EntitlementMiddleware` does for FastMCP, and looks for guards that never run when the server
    starts. Call it before the first client comes.

    :param guard: the guard of what ``requires`` says; None: the default one.
    :param requires: as for :class:`EntitlementMiddleware`. A tag of the SDK's tools stands in their ``meta["tags"]``.
    :param hide: whether what is denied is left out of lists.
    :param strict: whether a guard that never runs is an error, or a warning in the log.
    :raises ConfigurationError: an argument is wrong, or the server was set up already.
    """
    if _is_fastmcp(server):
        from .fastmcp_server import EntitlementMiddleware

        server = cast("FastMCP", server)
        if any(isinstance(one, EntitlementMiddleware) for one in server.middleware):
            raise ConfigurationError("this server has an EntitlementMiddleware already")
        server.add_middleware(EntitlementMiddleware(guard, requires, hide, strict))
    elif isinstance(server, MCPServer):
        sdk_server.attach(server, Entitlements(guard, requires, hide, strict))
    elif isinstance(server, Server):
        sdk_server.attach_low_level(server, Entitlements(guard, requires, hide, strict))
    else:
        raise ConfigurationError(f"server must be a server of FastMCP or of the MCP SDK; got {shortened(server)}")


def registered(server: object) -> Iterable[Registered]:
    """Return what a server offers, with what is run for each."""
    if _is_fastmcp(server):
        from . import fastmcp_components

        return fastmcp_components.registered(cast("FastMCP", server))
    return sdk_server.registered(cast("MCPServer | Server", server))


def _is_fastmcp(server: object) -> bool:
    kind = getattr(sys.modules.get("fastmcp"), "FastMCP", None)
    return kind is not None and isinstance(server, kind)
