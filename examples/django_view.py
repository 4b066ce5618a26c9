"""Django views behind a licence, with the plain decorator and a middleware for its errors. All of the project is here.

Set up as for quickstart.py, then run:

    python examples/django_view.py runserver
    curl -i http://127.0.0.1:8000/report/june
    curl -i http://127.0.0.1:8000/archive
"""

import sys
from collections.abc import Callable
from math import ceil

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from meterguard import EntitlementDenied, EntitlementUnavailable, requires_entitlement


@requires_entitlement("Seats", 1, "Count")
def report(request: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse({"report": name, "method": request.method})


@requires_entitlement("Archive")
async def archive(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"archive": "everything", "method": request.method})


class EntitlementErrors:
    """A no is 403, an outage is 503; all other exceptions stay Django's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, EntitlementDenied):
            return JsonResponse({"error": "not-entitled"}, status=403)
        if isinstance(error, EntitlementUnavailable):
            later = {"Retry-After": str(ceil(error.retry_after or 30))}
            return JsonResponse({"error": "entitlement-unavailable"}, status=503, headers=later)
        return None


urlpatterns = [path("report/<name>", report), path("archive", archive)]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost", "testserver"],
    MIDDLEWARE=[f"{__name__}.EntitlementErrors"],
    ROOT_URLCONF=__name__,
)
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
