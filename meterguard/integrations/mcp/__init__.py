"""MCP: licences for the tools, resources and prompts of servers, which language models use.

`entitlements` is one server's: `requirements` are what its author declared, `visibility` asks which of its offer is
denied, `sessions` says who a client is, `changes` tells clients of another list, `answers` makes a refusal into a
result. `fastmcp_server` and `fastmcp_components` are about servers of FastMCP; `sdk_server` about those of the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...extras import needed

with needed("mcp", "mcp", by="meterguard.integrations.mcp"):
    import mcp  # noqa: F401

from .servers import install, registered
from .sessions import session_id

if TYPE_CHECKING:
    from .fastmcp_server import EntitlementMiddleware

__all__ = ("EntitlementMiddleware", "install", "registered", "session_id")


def __getattr__(name: str) -> Any:
    if name != "EntitlementMiddleware":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needed("fastmcp", "mcp", by="EntitlementMiddleware"):
        from .fastmcp_server import EntitlementMiddleware

    return EntitlementMiddleware
