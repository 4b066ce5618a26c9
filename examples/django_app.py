"""A reporting service in Django: a seat for each user, views behind a feature, and a streamed job. All in one file.

Set up as for quickstart.py, then run:

    python examples/django_app.py runserver
    curl -ic jar -d user=ana http://127.0.0.1:8000/login
    curl -ib jar http://127.0.0.1:8000/reports/june
    curl -i http://127.0.0.1:8000/archive/may
"""

import sys
from collections.abc import Callable
from types import SimpleNamespace

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.urls import path
from django.views import View

from meterguard import requires_entitlement
from meterguard.integrations.django import logged_in_user
from meterguard.integrations.django.views import EntitlementRequiredMixin

HOME = """{% load meterguard %}<!doctype html><title>Reports</title><h1>Reports</h1>
<ul><li><a href="/reports/june">June</a></li>
  {% entitled "Export" %}<li><a href="/export/june">Export June</a></li>{% endentitled %}
  <li>{% entitled "Archive" %}<a href="/archive/may">Archive</a>{% else %}Archive: ask us{% endentitled %}</li></ul>"""


def log_in_first(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Takes people's word for who they are. Yours are Django's middleware for authentication and login."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.session.get("user")
        request.user = SimpleNamespace(pk=user, is_authenticated=user is not None)
        is_open = user is not None or not request.path.startswith("/reports/")
        return get_response(request) if is_open else HttpResponse(status=401)

    return middleware


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(HOME).render({}, request))


def login(request: HttpRequest) -> HttpResponse:
    request.session["user"] = request.POST["user"]
    return HttpResponseRedirect("/")


@requires_entitlement("Seats", 1, "Count", per=logged_in_user)
def report(request: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse({"report": name, "user": request.user.pk, "seat": True})


# A job's seat is held until its last line is sent, or the client is gone.
@requires_entitlement("Seats", 1, "Count", hold="call")
def job(_request: HttpRequest, name: str) -> StreamingHttpResponse:
    lines = (f"{name}: step {step}\n" for step in range(3))
    return StreamingHttpResponse(lines, content_type="text/plain")


class Licensed(EntitlementRequiredMixin, View):
    """What it needs, the URLconf says."""

    def get(self, _request: HttpRequest, name: str) -> HttpResponse:
        return HttpResponse(f"{self.entitlement_required}\n{name}\n", content_type="text/csv")


urlpatterns = [
    path("", home),
    path("login", login),
    path("reports/<name>", report),
    path("jobs/<name>", job),
    path("export/<name>", Licensed.as_view(entitlement_required="Export")),
    path("archive/<name>", Licensed.as_view(entitlement_required="Archive")),
    path("health", lambda _: JsonResponse({"ok": True})),
]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    INSTALLED_APPS=["meterguard.integrations.django"],
    METERGUARD={"LINGER": 900},
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        f"{__name__}.log_in_first",
        "meterguard.integrations.django.middleware.EntitlementMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="replace me",  # noqa: S106
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
