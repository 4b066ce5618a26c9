"""Starlette and FastAPI: one request through the ASGI application, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from meterguard import MeterGuard

from . import peers
from .web_wsgi import PLENTY

Once = Callable[[], Awaitable[Any]]


def asking(application: Callable[..., Awaitable[Any]]) -> Once:
    """Return a function that sends one request. A first request is checked to be a 200."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/report",
        "raw_path": b"/report",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 4000),
        "server": ("127.0.0.1", 80),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses[:] = [message["status"]]

    async def once() -> None:
        await application({**scope}, receive, send)

    asyncio.run(once())
    assert statuses == [200], statuses
    return once


def rows(guard: MeterGuard) -> dict[str, Once]:
    """Return one request of each row."""
    return starlette_rows(guard) | fastapi_rows(guard)


def with_middleware(app: Any, guard: MeterGuard) -> Any:
    """Guard every route of an application."""
    from meterguard.integrations.asgi import EntitlementMiddleware

    app.add_middleware(EntitlementMiddleware, name="Seats", value=1, unit="Count", guard=guard)
    return app


def starlette_rows(guard: MeterGuard) -> dict[str, Once]:
    """Return the request of each row, which has an application of its own."""
    if peers.find("starlette") is None:
        return {}
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def report(request: Request) -> PlainTextResponse:  # noqa: ARG001
        return PlainTextResponse("report")

    def app_of(endpoint: Any) -> Any:
        return Starlette(routes=[Route("/report", endpoint)])

    made = {
        "starlette": app_of(report),
        "starlette-guard": app_of(guard.requires_entitlement("Seats", 1, "Count")(report)),
        "starlette-middleware": with_middleware(app_of(report), guard),
    }
    if limiter := slow_limiter():
        made["starlette-slowapi"] = app_of(limiter.limit(PLENTY)(report))
        made["starlette-slowapi"].state.limiter = limiter
    return {row: asking(app) for row, app in made.items()}


def fastapi_rows(guard: MeterGuard) -> dict[str, Once]:
    """Return the request of each row, which has an application of its own."""
    fastapi = peers.find("fastapi")
    if fastapi is None:
        return {}
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    from meterguard.integrations.fastapi import Entitled

    async def report(request: Request) -> PlainTextResponse:  # noqa: ARG001
        return PlainTextResponse("report")

    report.__annotations__ = {"request": Request}

    def app_of(endpoint: Any, **options: Any) -> Any:
        app = fastapi.FastAPI()
        app.add_api_route("/report", endpoint, response_model=None, **options)
        return app

    entitled = fastapi.Depends(Entitled("Seats", 1, "Count", guard=guard))
    made = {
        "fastapi": app_of(report),
        "fastapi-guard": app_of(guard.requires_entitlement("Seats", 1, "Count")(report)),
        "fastapi-entitled": app_of(report, dependencies=[entitled]),
        "fastapi-middleware": with_middleware(app_of(report), guard),
    }
    if limiter := slow_limiter():
        made["fastapi-slowapi"] = app_of(limiter.limit(PLENTY)(report))
        made["fastapi-slowapi"].state.limiter = limiter
    return {row: asking(app) for row, app in made.items()}


def slow_limiter() -> Any:
    """Return a limiter of slowapi that keeps its counts in this process."""
    slowapi = peers.find("slowapi")
    return slowapi and slowapi.Limiter(lambda: "somebody", storage_uri="memory://")
