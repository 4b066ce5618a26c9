"""Servers of tools, of FastMCP and of the SDK: the same tools behind the same guards.

``python -m tests.integrations.sites.mcp_site fastmcp`` serves them on stdin and stdout; ``http_app`` is for a server.
"""

import sys

import meterguard
from meterguard.integrations.mcp import install, session_id
from tests.integrations.sites.licence import guard_of_the_site

REQUIRES = {
    "by_name": ("Export",),
    "absent": ("Teleport",),
    "report_*": ("Teleport",),
    "drawn": meterguard.consumes_entitlement("Pages", lambda pages=1, **_: pages, block=1),
}


def make(kind, guard, *, requires=REQUIRES, is_guarded=True, **options):
    """A server; the same one without guards, where it is to be compared."""
    server = new(kind)
    fill(server, guard if is_guarded else None)
    if is_guarded:
        install(server, guard, requires, **options)
    return server


def new(kind):
    if kind == "sdk":
        from mcp.server.mcpserver import MCPServer

        return MCPServer("site")
    from fastmcp import FastMCP

    return FastMCP("site")


def contexts(server):
    """The class of the context that a tool of this server may ask for."""
    if type(server).__name__ == "FastMCP":
        from fastmcp import Context
    else:
        from mcp.server.mcpserver import Context
    return Context


def fill(server, guard):
    def gate(*entitlement, **options):
        return (lambda fn: fn) if guard is None else guard.requires_entitlement(*entitlement, **options)

    context = contexts(server)

    @server.tool()
    def free(word: str) -> str:
        """Say a word."""
        return word

    @server.tool()
    @gate("Export")
    def exported(pages: int, title: str = "none") -> dict[str, int]:
        """Export pages."""
        return {"pages": pages}

    @server.tool()
    @gate("Export")
    async def exported_async(pages: int) -> str:
        """Export pages, later."""
        return f"{pages} pages"

    @server.tool()
    @gate("Export")
    async def told(steps: int, ctx: context) -> str:
        """Tell how far it is."""
        for step in range(steps):
            await ctx.report_progress(step + 1, steps)
        return "done"

    @server.tool()
    @gate("Seats", 1, "Count", hold="call")
    def seated() -> str:
        """Work on a seat of its own."""
        return "sat"

    @server.tool()
    @gate("Seats", 1, "Count")
    def shared() -> str:
        """Work on a seat that all clients share."""
        return "shared"

    @server.tool()
    @gate("Seats", 1, "Count", per=session_id)
    async def mine() -> str:
        """Work on the client's seat."""
        return session_id.get()

    @server.tool()
    @gate("Teleport")
    def teleported(where: str) -> str:
        """Go elsewhere."""
        return "SECRET"

    @server.tool()
    @gate("Teleport")
    async def teleported_async(where: str) -> str:
        """Go elsewhere, later."""
        return "SECRET"

    @server.tool()
    async def settled(tokens: int) -> int:
        """Use tokens, as many as it turns out."""
        if guard is None:
            return tokens
        async with guard.consumes_entitlement("Pages", 5, block=5) as charge:
            charge.settle(tokens)
        return tokens

    @server.tool()
    def failing() -> str:
        """Fail."""
        raise RuntimeError("a mistake of the tool's own")

    for name in ("by_name", "absent", "report_week", "drawn"):
        server.tool(name=name)(_of_the_rules)


def _of_the_rules(pages: int = 1) -> str:
    """Be guarded by a rule."""
    return f"SECRET {pages}"


def fastmcp_server():
    return make("fastmcp", guard_of_the_site())


def sdk_server():
    return make("sdk", guard_of_the_site())


def http_app():
    """FastMCP over HTTP, as an ASGI application."""
    return fastmcp_server().http_app()


def sdk_app():
    """The SDK over HTTP."""
    return sdk_server().streamable_http_app()


if __name__ == "__main__":
    {"fastmcp": fastmcp_server, "sdk": sdk_server}[sys.argv[1]]().run()
