"""A reporting API in Django REST framework: a seat for each user, what a licence includes, a streamed job. One file.

Set up as for quickstart.py, then run:

    python examples/drf_api.py runserver
    curl -i -u ana:x http://127.0.0.1:8000/reports/june
    curl -i http://127.0.0.1:8000/archive/may
"""

import base64
import sys
from types import SimpleNamespace
from typing import Any, ClassVar

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import StreamingHttpResponse
from django.urls import path

if not settings.configured:  # the framework reads them when it is imported
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        INSTALLED_APPS=["rest_framework", "meterguard.integrations.django"],
        METERGUARD={"LINGER": 900},
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "EXCEPTION_HANDLER": "meterguard.integrations.drf.exception_handler",
            "UNAUTHENTICATED_USER": None,
        },
        ROOT_URLCONF=__name__,
    )
application = get_wsgi_application()

from rest_framework.authentication import BaseAuthentication, get_authorization_header  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from meterguard import has_entitlement  # noqa: E402
from meterguard.integrations.drf import EntitledViewMixin, HasEntitlement, logged_in_user  # noqa: E402

SEAT = ("Seats", 1, "Count")


class TakenAtTheirWord(BaseAuthentication):
    """Basic authentication without a password. Yours is one of the framework's."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        kind, _, credentials = get_authorization_header(request).partition(b" ")
        if kind != b"Basic":
            return None
        name = base64.b64decode(credentials).decode().partition(":")[0]
        return SimpleNamespace(pk=name, is_authenticated=True), None

    def authenticate_header(self, _request: Request) -> str:
        return "Basic"


class Home(APIView):
    """What the licence includes."""

    def get(self, _request: Request) -> Response:
        return Response({name: has_entitlement(name) for name in ("Export", "Archive")})


class Report(EntitledViewMixin, APIView):
    """The mixin holds a seat, here one for each user."""

    authentication_classes: ClassVar = [TakenAtTheirWord]
    permission_classes: ClassVar = [IsAuthenticated]
    entitlement_required = SEAT
    entitlement_options: ClassVar = {"per": logged_in_user}

    def get(self, request: Request, name: str) -> Response:
        return Response({"report": name, "user": request.user.pk, "seat": True})


class Job(EntitledViewMixin, APIView):
    """A job's seat is held until its last line is sent, or the client is gone."""

    entitlement_required = SEAT
    entitlement_options: ClassVar = {"hold": "call"}

    def get(self, _request: Request, name: str) -> StreamingHttpResponse:
        lines = (f"{name}: step {step}\n" for step in range(3))
        return StreamingHttpResponse(lines, content_type="text/plain")


class Page(APIView):
    """What it needs, the URLconf says."""

    def get(self, _request: Request, name: str) -> Response:
        return Response({"page": name})


urlpatterns = [
    path("", Home.as_view()),
    path("reports/<name>", Report.as_view()),
    path("jobs/<name>", Job.as_view()),
    # a permission asks, and takes nothing
    path("export/<name>", Page.as_view(permission_classes=[HasEntitlement("Export")])),
    path("archive/<name>", Page.as_view(permission_classes=[HasEntitlement("Archive")])),
    path("health", Page.as_view(), {"name": "health"}),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
