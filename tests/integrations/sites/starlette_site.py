"""The site of test_every_framework.py, in Starlette."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from meterguard.integrations.starlette import install
from tests.integrations.sites.licence import books, guard_of_the_site


def build(guard):
    go_on = asyncio.Event()

    def plain(request):
        return JSONResponse({"page": "plain"})

    @guard.requires_entitlement("Export")
    async def export(request):
        return JSONResponse({"page": request.path_params["name"]})

    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    async def seat(request):
        return JSONResponse({"page": "seat"})

    @guard.requires_entitlement("Analytics")
    async def analytics(request):
        raise AssertionError("never run")

    @guard.requires_entitlement("Seats", lambda request: -1, "Count")
    def mistake(request):
        raise AssertionError("never run")

    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    async def stream(request):
        async def chunks():
            yield "first\n"
            await go_on.wait()
            yield "last\n"

        return StreamingResponse(chunks(), media_type="text/plain")

    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    async def endless(request):
        async def chunks():
            while not go_on.is_set():
                yield "more" * 10_000 + "\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(chunks(), media_type="text/plain")

    @guard.consumes_entitlement("Pages", 1)
    async def page(request):
        return JSONResponse({"page": "drawn"})

    @guard.consumes_entitlement("Pages", 1)
    async def broken(request):
        raise OSError("the printer burns")

    @guard.consumes_entitlement("Pages", 100)
    async def too_many(request):
        raise AssertionError("never run")

    @guard.consumes_entitlement("Pages", 2)
    async def endless_pages(request):
        async def chunks():
            while not go_on.is_set():
                yield "more" * 10_000 + "\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(chunks(), media_type="text/plain")

    @guard.consumes_entitlement("Pages", 2)
    async def torn_pages(request):
        async def chunks():
            yield "first\n"
            raise OSError("the printer burns")

        return StreamingResponse(chunks(), media_type="text/plain")

    async def kept(request):
        return JSONResponse(books(guard))

    async def release(request):
        go_on.set()
        return JSONResponse({"page": "go-on"})

    routes = [
        Route("/plain", plain),
        Route("/export/{name}", export),
        Route("/seat", seat),
        Route("/analytics", analytics),
        Route("/mistake", mistake),
        Route("/stream", stream),
        Route("/endless", endless),
        Route("/page", page),
        Route("/broken", broken),
        Route("/too-many", too_many),
        Route("/endless-pages", endless_pages),
        Route("/torn-pages", torn_pages),
        Route("/books", kept),
        Route("/go-on", release),
    ]
    app = Starlette(routes=routes)
    install(app, guard)
    return app


def served():
    return build(guard_of_the_site())
