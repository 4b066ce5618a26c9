"""The life of an ASGI application: when it starts, those of dead processes go back, when it stops, all leases do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from ..default import get_guard
from ..guard import MeterGuard
from .installation import begin

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
"""A lifespan as Starlette has it: called with the application."""


def start(guard: MeterGuard | None) -> None:
    """Begin, perhaps anew in the same process."""
    if guard is not None:
        guard.reopen()
    begin(guard)


async def stop(guard: MeterGuard | None) -> None:
    """Give all leases back.

    :param guard: None: the default guard, as it is now.
    """
    last = get_guard() if guard is None else guard
    await last.aclose()
    if guard is None:
        last.reopen()  # nobody passed it in, so nobody can make another


def around(inner: Lifespan | None, guard: MeterGuard | None) -> Lifespan:
    """Return a lifespan that gives all leases back after ``inner`` has ended."""

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[Any]:
        start(guard)
        try:
            async with nullcontext() if inner is None else inner(app) as state:
                yield state
        finally:
            await stop(guard)

    return lifespan
