"""The site of test_every_framework.py, in Django REST framework: decorator, permission and mixin have their turns."""

from __future__ import annotations

import sys
import threading
from typing import ClassVar

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import StreamingHttpResponse
from django.urls import path

from meterguard import consumes_entitlement, get_guard, requires_entitlement
from tests.integrations.sites.licence import TIMEOUT, books

SEAT = ("Seats", 1, "Count")


def served():
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["rest_framework", "meterguard.integrations.django"],
        METERGUARD={"TIMEOUT": TIMEOUT, "DENIAL_TTL": 0},
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "EXCEPTION_HANDLER": "meterguard.integrations.drf.exception_handler",
            "UNAUTHENTICATED_USER": None,
        },
        ROOT_URLCONF=__name__,
    )
    application = get_wsgi_application()
    sys.modules[__name__].urlpatterns = routes()
    return application


def routes():
    """Once the settings are there, which the framework reads when it is imported."""
    from rest_framework.decorators import api_view
    from rest_framework.exceptions import NotFound
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from meterguard.integrations.drf import EntitledViewMixin, HasEntitlement

    released = threading.Event()

    class Page(APIView):
        def get(self, request, name="plain"):
            return Response({"page": name})

    class Export(Page):
        @requires_entitlement("Export")
        def get(self, request, name):
            return super().get(request, name)

    class Seat(EntitledViewMixin, Page):
        entitlement_required = SEAT
        entitlement_options: ClassVar = {"hold": "call"}

    class Analytics(Page):
        permission_classes: ClassVar = [HasEntitlement("Analytics")]

    @api_view()
    @requires_entitlement("Seats", lambda request: -1, "Count")
    def mistake(request):
        raise AssertionError("never run")

    class Stream(Seat):
        def get(self, request):
            def chunks():
                yield "first\n"
                released.wait(20)
                yield "last\n"

            return StreamingHttpResponse(chunks(), content_type="text/plain")

    @api_view()
    @requires_entitlement(*SEAT, hold="call")
    def endless(request):
        def chunks():
            while not released.wait(0.05):
                yield "more" * 10_000 + "\n"

        return StreamingHttpResponse(chunks(), content_type="text/plain")

    class Drawn(EntitledViewMixin, Page):
        entitlement_required = consumes_entitlement("Pages", 1)

    class Broken(Drawn):
        def get(self, request, name="plain"):
            raise NotFound

    class TooMany(Page):
        @consumes_entitlement("Pages", 100)
        def get(self, request):
            raise AssertionError("never run")

    class EndlessPages(EntitledViewMixin, APIView):
        entitlement_required = consumes_entitlement("Pages", 2)

        def get(self, request):
            def chunks():
                while not released.wait(0.05):
                    yield "more" * 10_000 + "\n"

            return StreamingHttpResponse(chunks(), content_type="text/plain")

    class TornPages(EndlessPages):
        def get(self, request):
            def chunks():
                yield "first\n"
                raise OSError("the printer burns")

            return StreamingHttpResponse(chunks(), content_type="text/plain")

    @api_view()
    def kept(request):
        return Response(books(get_guard()))

    @api_view()
    def go_on(request):
        released.set()
        return Response({"page": "go-on"})

    return [
        path("plain", Page.as_view()),
        path("export/<name>", Export.as_view()),
        path("seat", Seat.as_view(), {"name": "seat"}),
        path("analytics", Analytics.as_view()),
        path("mistake", mistake),
        path("stream", Stream.as_view()),
        path("endless", endless),
        path("page", Drawn.as_view(), {"name": "drawn"}),
        path("broken", Broken.as_view()),
        path("too-many", TooMany.as_view()),
        path("endless-pages", EndlessPages.as_view()),
        path("torn-pages", TornPages.as_view()),
        path("books", kept),
        path("go-on", go_on),
    ]
