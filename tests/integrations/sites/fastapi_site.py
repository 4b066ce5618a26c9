"""The site of test_every_framework.py, in FastAPI."""

from __future__ import annotations

import asyncio

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

from meterguard.integrations.fastapi import Consumed, Entitled, install
from tests.integrations.sites.licence import books, guard_of_the_site


def build(guard):
    app = FastAPI()
    install(app, guard)
    go_on = asyncio.Event()
    seat_of_its_own = Depends(Entitled("Seats", 1, "Count", hold="call"))

    @app.get("/plain")
    def plain():
        return {"page": "plain"}

    @app.get("/export/{name}")
    @guard.requires_entitlement("Export")
    async def export(name: str):
        return {"page": name}

    @app.get("/seat", dependencies=[seat_of_its_own])
    def seat():
        return {"page": "seat"}

    @app.get("/analytics", dependencies=[Depends(Entitled("Analytics"))])
    def analytics():
        raise AssertionError("never run")

    @app.get("/mistake")
    @guard.requires_entitlement("Seats", lambda: -1, "Count")
    def mistake():
        raise AssertionError("never run")

    @app.get("/stream", dependencies=[seat_of_its_own])
    async def stream():
        async def chunks():
            yield "first\n"
            await go_on.wait()
            yield "last\n"

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.get("/endless")
    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    async def endless():
        async def chunks():
            while not go_on.is_set():
                yield "more" * 10_000 + "\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.get("/page", dependencies=[Depends(Consumed("Pages", 1))])
    def page():
        return {"page": "drawn"}

    @app.get("/broken", dependencies=[Depends(Consumed("Pages", 1))])
    async def broken():
        raise OSError("the printer burns")

    @app.get("/too-many", dependencies=[Depends(Consumed("Pages", 100))])
    def too_many():
        raise AssertionError("never run")

    @app.get("/endless-pages", dependencies=[Depends(Consumed("Pages", 2))])
    async def endless_pages():
        async def chunks():
            while not go_on.is_set():
                yield "more" * 10_000 + "\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.get("/torn-pages", dependencies=[Depends(Consumed("Pages", 2))])
    async def torn_pages():
        async def chunks():
            yield "first\n"
            raise OSError("the printer burns")

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.get("/books")
    def kept():
        return books(guard)

    @app.get("/go-on")
    async def release():
        go_on.set()
        return {"page": "go-on"}

    return app


def served():
    return build(guard_of_the_site())
