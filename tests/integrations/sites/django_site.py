"""The site of test_every_framework.py, in Django: plain views for a WSGI server, async ones for an ASGI server.

Each way of guarding has its turn: the decorator, the mixin (``stream``), the middleware (``endless``).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import ClassVar

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views import View

from meterguard import consumes_entitlement, get_guard, requires_entitlement
from meterguard.integrations.asgi import with_lifespan
from meterguard.integrations.django.views import EntitlementRequiredMixin
from tests.integrations.sites.licence import TIMEOUT, books

SEAT = ("Seats", 1, "Count")
PAGES = consumes_entitlement("Pages", 2)
SEAT_OF_ITS_OWN = requires_entitlement(*SEAT, hold="call")


def configured(**views):
    module = sys.modules[__name__]
    views |= {"analytics": analytics, "mistake": mistake, "too_many": too_many, "books": kept}
    module.urlpatterns = [path(ROUTES.get(name, name), view) for name, view in views.items()]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["meterguard.integrations.django"],
        METERGUARD={
            "TIMEOUT": TIMEOUT,
            "DENIAL_TTL": 0,
            "ENTITLEMENT": SEAT,
            "ENTITLEMENT_OPTIONS": {"hold": "call"},
            "EXEMPT": [f"/{ROUTES.get(name, name).partition('<')[0]}*" for name in views if name != "endless"],
        },
        MIDDLEWARE=["meterguard.integrations.django.middleware.EntitlementMiddleware"],
        ROOT_URLCONF=__name__,
    )


ROUTES = {
    "export": "export/<name>",
    "go_on": "go-on",
    "too_many": "too-many",
    "endless_pages": "endless-pages",
    "torn_pages": "torn-pages",
}


@requires_entitlement("Analytics")
def analytics(request):
    raise AssertionError("never run")


@requires_entitlement("Seats", lambda request: -1, "Count")
def mistake(request):
    raise AssertionError("never run")


@consumes_entitlement("Pages", 100)
def too_many(request):
    raise AssertionError("never run")


def kept(request):
    return JsonResponse(books(get_guard()))


class Pages(EntitlementRequiredMixin, View):
    entitlement_required = PAGES
    chunks = None

    def get(self, request):
        return StreamingHttpResponse(self.chunks(), content_type="text/plain")


class AsyncPages(Pages):
    async def get(self, request):
        return super().get(request)


class Stream(EntitlementRequiredMixin, View):
    entitlement_required = SEAT
    entitlement_options: ClassVar = {"hold": "call"}
    chunks = None

    def get(self, request):
        return StreamingHttpResponse(self.chunks(), content_type="text/plain")


class AsyncStream(Stream):
    async def get(self, request):
        return super().get(request)


def torn_response(chunks):
    def torn_pages(request):
        return StreamingHttpResponse(chunks(), content_type="text/plain")

    return torn_pages


# -- behind a WSGI server ----------------------------------------------------------------------------


def served():
    released = threading.Event()

    def plain(request):
        return JsonResponse({"page": "plain"})

    @requires_entitlement("Export")
    def export(request, name):
        return JsonResponse({"page": name})

    @SEAT_OF_ITS_OWN
    def seat(request):
        return JsonResponse({"page": "seat"})

    def two_lines():
        yield "first\n"
        released.wait(20)
        yield "last\n"

    def endless(request):
        def chunks():
            while not released.wait(0.05):
                yield "more" * 10_000 + "\n"

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    @consumes_entitlement("Pages", 1)
    def page(request):
        return JsonResponse({"page": "drawn"})

    @consumes_entitlement("Pages", 1)
    def broken(request):
        raise OSError("the printer burns")

    def without_end():
        while not released.wait(0.05):
            yield "more" * 10_000 + "\n"

    def torn():
        yield "first\n"
        raise OSError("the printer burns")

    def go_on(request):
        released.set()
        return JsonResponse({"page": "go-on"})

    counted = {"endless_pages": Pages.as_view(chunks=without_end), "torn_pages": PAGES(torn_response(torn))}
    stream = Stream.as_view(chunks=two_lines)
    configured(
        plain=plain,
        export=export,
        seat=seat,
        stream=stream,
        endless=endless,
        go_on=go_on,
        **{"page": page, "broken": broken, **counted},
    )
    return get_wsgi_application()


# -- behind an ASGI server ---------------------------------------------------------------------------


def served_async():
    released = asyncio.Event()

    def plain(request):
        return JsonResponse({"page": "plain"})

    @requires_entitlement("Export")
    async def export(request, name):
        return JsonResponse({"page": name})

    @SEAT_OF_ITS_OWN
    async def seat(request):
        return JsonResponse({"page": "seat"})

    async def two_lines():
        yield "first\n"
        await released.wait()
        yield "last\n"

    async def endless(request):
        async def chunks():
            while not released.is_set():
                yield "more" * 10_000 + "\n"
                await asyncio.sleep(0.05)

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    @consumes_entitlement("Pages", 1)
    async def page(request):
        return JsonResponse({"page": "drawn"})

    @consumes_entitlement("Pages", 1)
    async def broken(request):
        raise OSError("the printer burns")

    async def without_end():
        while not released.is_set():
            yield "more" * 10_000 + "\n"
            await asyncio.sleep(0.05)

    async def torn():
        yield "first\n"
        raise OSError("the printer burns")

    async def go_on(request):
        released.set()
        return JsonResponse({"page": "go-on"})

    counted = {"endless_pages": AsyncPages.as_view(chunks=without_end), "torn_pages": PAGES(torn_response(torn))}
    stream = AsyncStream.as_view(chunks=two_lines)
    configured(
        plain=plain,
        export=export,
        seat=seat,
        stream=stream,
        endless=endless,
        go_on=go_on,
        **{"page": page, "broken": broken, **counted},
    )
    return with_lifespan(get_asgi_application())
