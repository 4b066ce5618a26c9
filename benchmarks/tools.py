"""A tool of an MCP server, called while the lease is held, in this process and without a client."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from meterguard import MeterGuard

from . import peers, rounds, stand_in
from .plan import Found, Goal, Row, Scale, Study

NUMBER = 50  # calls of a sample: about 15 ms
Once = Callable[[], Awaitable[Any]]


def new_report() -> Any:
    """Return a function of its own: one that is guarded elsewhere must not be registered bare."""

    async def report(pages: int) -> str:
        return f"{pages} pages"

    return report


def rows(guard: MeterGuard) -> dict[str, Once]:
    """Return one call of each row, whose server is its own."""
    fastmcp = peers.find("fastmcp")
    if fastmcp is None:
        return {}
    from fastmcp.server.middleware import Middleware

    from meterguard.integrations.mcp import EntitlementMiddleware

    logging.getLogger("fastmcp").setLevel(logging.WARNING)  # as it is in production, where nobody reads more

    def server_with(tool: Any, *middleware: Any) -> Once:
        server = fastmcp.FastMCP("site", middleware=middleware)
        server.tool(name="report")(tool)
        return lambda: server.call_tool("report", {"pages": 3})

    gate = guard.requires_entitlement("Seats", 1, "Count")
    needed = {"report": ("Seats", 1, "Count")}
    return {
        "plain": server_with(new_report()),
        "empty": server_with(new_report(), Middleware()),
        "rule": server_with(new_report(), EntitlementMiddleware(guard, needed)),
        "below": server_with(gate(new_report())),
        "below-middleware": server_with(gate(new_report()), EntitlementMiddleware(guard)),
    }


async def looped(once: Once, number: int) -> float:
    """Return the microseconds that one call takes of this process's time: others interrupt samples this long."""
    start = time.process_time()
    for _ in range(number):
        await once()
    return (time.process_time() - start) / number * 1e6


def measure(scale: Scale) -> Found:
    """Measure all rows in one run, on one loop."""
    with stand_in.guard() as guard, asyncio.Runner() as runner:
        made = rows(guard)

        def sample(once: Once) -> Callable[[], float]:
            return lambda: runner.run(looped(once, scale.pick(NUMBER, 5)))

        samples = rounds.interleaved({row: sample(once) for row, once in made.items()}, scale.pick(100, 2))
        found = Found(rounds.figures(samples, STUDY.pairs), peers.absent)
        for row in "rule", "below-middleware":
            if row in samples:
                added = (one - plain for one, plain in zip(samples[row], samples["plain"], strict=True))
                found.figures[f"{row}-adds"] = statistics.median(added)
    return found


STUDY = Study(
    "mcp",
    "A call of a tool of an MCP server",
    (
        Row("plain", "FastMCP, no guard", "us"),
        Row("empty", "a middleware that does nothing", "us"),
        Row(
            "rule",
            "EntitlementMiddleware, the tool in requires",
            "us",
            (Goal("X1", "x FastMCP's own call", "rule/plain", 1.1),),
        ),
        Row("rule-adds", "↳ adds", "us", (Goal("X1", "us", "rule-adds", 20),)),
        Row("below", "the decorator below the tool, no middleware", "us"),
        Row(
            "below-middleware",
            "EntitlementMiddleware, the decorator below the tool",
            "us",
            (Goal("X2", "x FastMCP's own call", "below-middleware/plain", 1.1),),
        ),
        Row("below-middleware-adds", "↳ adds", "us", (Goal("X2", "us", "below-middleware-adds", 20),)),
    ),
    measure,
    base="plain",
    remarks=(
        (
            "The tool is called in its server's process while the lease is held, without a client. For one, the "
            "middleware also looks its session up. Times are those of the process."
        ),
    ),
)
