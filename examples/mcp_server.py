"""A paid MCP server: one tool is free, one needs a licence, and one counts the words that it writes.

Set up as for quickstart.py, and let a client run it: python examples/mcp_server.py
"""

from fastmcp import Context, FastMCP

from meterguard import meters_usage, requires_entitlement
from meterguard.integrations.mcp import install

server = FastMCP("documents")


@server.tool
def search(word: str) -> list[str]:
    """Name the documents in which a word stands."""
    return [name for name in ("invoice", "offer", "reminder") if word in name]


@server.tool
@requires_entitlement("Export")
def export(name: str) -> str:
    """Export a document as PDF."""
    return f"{name}.pdf"


@server.tool
async def summarise(name: str, words: int, context: Context) -> str:
    """Summarise a document in at most so many words."""
    async with meters_usage("Words", words) as charge:
        text = f"The document named {name} asks for money".split()[:words]
        await context.report_progress(len(text), words)
        charge.settle(len(text))
        return " ".join(text)


# Denied tools are not listed, and a call of one is answered in words that a model can read.
install(server)

if __name__ == "__main__":
    server.run(show_banner=False)
