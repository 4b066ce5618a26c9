"""A request for a view that a held lease guards, in process: what that adds, beside what limiters and flags add."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping

from meterguard import MeterGuard

from . import rounds, stand_in, web_asgi, web_wsgi
from .plan import Found, Goal, Row, Scale, Study

NUMBER = 40  # requests of a sample: a few milliseconds
PEERS = {
    "flask": {"flask-limiter": "Flask-Limiter"},
    "django": {"django-ratelimit": "django-ratelimit", "waffle": "django-waffle, a switch"},
    "starlette": {"starlette-slowapi": "slowapi"},
    "fastapi": {"fastapi-slowapi": "slowapi"},
}
"""Rows of the peers, by framework."""
OURS = {
    "flask": {"flask-protect": "FlaskMeterGuard.protect"},
    "django": {
        "django-class": "a class-based view",
        "django-mixin": "one with EntitlementRequiredMixin",
        "django-middleware": "EntitlementMiddleware",
    },
    "starlette": {"starlette-middleware": "EntitlementMiddleware"},
    "fastapi": {"fastapi-entitled": "Depends(Entitled(...))", "fastapi-middleware": "EntitlementMiddleware"},
}
"""Rows of what an integration adds, without a goal, by framework."""


LIMITS = {"flask": 1.5, "django": 3.0, "starlette": 1.0, "fastapi": 1.0}
"""Microseconds that a guard may add, by framework."""


def awaited(runner: asyncio.Runner, once: web_asgi.Once) -> Callable[[], float]:
    """Return the nanoseconds of one request to an ASGI application."""

    async def turns() -> float:
        start = time.perf_counter()
        for _ in range(NUMBER):
            await once()
        return (time.perf_counter() - start) / NUMBER * 1e9

    return lambda: runner.run(turns())


def sample_all(guard: MeterGuard, runner: asyncio.Runner) -> Mapping[str, Callable[[], float]]:
    """Return a sample of each row."""
    samples = {row: rounds.loop("once()", NUMBER, once=once) for row, once in web_wsgi.rows(guard).items()}
    return samples | {row: awaited(runner, once) for row, once in web_asgi.rows(guard).items()}


def added(samples: rounds.Samples) -> dict[str, float]:
    """Return microseconds: those of each bare view, and those that the other rows add to it in the same round."""
    found = {}
    for framework, peers_here in PEERS.items():
        bare = samples[framework]
        found[framework] = statistics.median(bare) / 1e3
        for row in (f"{framework}-guard", *OURS[framework], *peers_here):
            if row in samples:
                found[row] = statistics.median(a - b for a, b in zip(samples[row], bare, strict=True)) / 1e3
        for peer in peers_here:
            if peer in found:
                found[f"{framework}-guard/{peer}"] = found[f"{framework}-guard"] / found[peer]
    return found


def measure(scale: Scale) -> Found:
    """Measure all rows in one run."""
    with stand_in.guard() as guard, asyncio.Runner() as runner:
        samples = rounds.interleaved(sample_all(guard, runner), scale.pick(200, 3))
    return Found(added(samples), web_wsgi.peers.absent)


def _rows() -> list[Row]:
    rows = []
    for framework, peers_here in PEERS.items():
        guarded = f"{framework}-guard"
        goals = [Goal("F1", "us added", guarded, LIMITS[framework])]
        goals += [Goal("F1", f"x what {says} adds", f"{guarded}/{peer}", 0.05) for peer, says in peers_here.items()]
        rows += [
            Row(framework, f"{framework}: bare view", "us"),
            Row(guarded, "  adds: guarded view", "us", goals),
            *(Row(row, f"  adds: {says}", "us") for row, says in (OURS[framework] | peers_here).items()),
        ]
    return rows


STUDY = Study("web", "A request for a guarded view", _rows(), measure)
