"""The site of test_every_framework.py, in Django: plain views for a WSGI server, async ones for an ASGI server."""

from __future__ import annotations

import asyncio
import sys
import threading

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path

from meterguard import requires_entitlement
from meterguard.integrations.asgi import with_lifespan

SEAT_OF_ITS_OWN = requires_entitlement("Seats", 1, "Count", hold="call")


def configured(plain, export, seat, stream, endless, release):
    module = sys.modules[__name__]
    module.urlpatterns = [
        path("plain", plain),
        path("export/<name>", export),
        path("seat", seat),
        path("analytics", analytics),
        path("mistake", mistake),
        path("stream", stream),
        path("endless", endless),
        path("go-on", release),
    ]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["meterguard.integrations.django"],
        METERGUARD={"TIMEOUT": 1.5, "DENIAL_TTL": 0},
        MIDDLEWARE=["meterguard.integrations.django.middleware.EntitlementMiddleware"],
        ROOT_URLCONF=__name__,
    )


@requires_entitlement("Analytics")
def analytics(request):
    raise AssertionError("never run")


@requires_entitlement("Seats", lambda request: -1, "Count")
def mistake(request):
    raise AssertionError("never run")


# -- behind a WSGI server ----------------------------------------------------------------------------


def served():
    go_on = threading.Event()

    def plain(request):
        return JsonResponse({"page": "plain"})

    @requires_entitlement("Export")
    def export(request, name):
        return JsonResponse({"page": name})

    @SEAT_OF_ITS_OWN
    def seat(request):
        return JsonResponse({"page": "seat"})

    @SEAT_OF_ITS_OWN
    def stream(request):
        def chunks():
            yield "first\n"
            go_on.wait(20)
            yield "last\n"

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    @SEAT_OF_ITS_OWN
    def endless(request):
        def chunks():
            while not go_on.wait(0.05):
                yield "more" * 10_000 + "\n"

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    def release(request):
        go_on.set()
        return JsonResponse({"page": "go-on"})

    configured(plain, export, seat, stream, endless, release)
    return get_wsgi_application()


# -- behind an ASGI server ---------------------------------------------------------------------------


def served_async():
    go_on = asyncio.Event()

    def plain(request):
        return JsonResponse({"page": "plain"})

    @requires_entitlement("Export")
    async def export(request, name):
        return JsonResponse({"page": name})

    @SEAT_OF_ITS_OWN
    async def seat(request):
        return JsonResponse({"page": "seat"})

    @SEAT_OF_ITS_OWN
    async def stream(request):
        async def chunks():
            yield "first\n"
            await go_on.wait()
            yield "last\n"

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    @SEAT_OF_ITS_OWN
    async def endless(request):
        async def chunks():
            while not go_on.is_set():
                yield "more" * 10_000 + "\n"
                await asyncio.sleep(0.05)

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    async def release(request):
        go_on.set()
        return JsonResponse({"page": "go-on"})

    configured(plain, export, seat, stream, endless, release)
    return with_lifespan(get_asgi_application())
