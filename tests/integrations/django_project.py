"""A Django project for tests. Settings are for a whole process, so a test overrides what it needs of them."""

from __future__ import annotations

import contextlib
import types
from importlib.util import find_spec

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from django.utils.asyncio import async_unsafe

from meterguard import EntitlementDenied

APPS = ["django.contrib.contenttypes", "django.contrib.auth", "meterguard.integrations.django"]
MIDDLEWARE = "meterguard.integrations.django.middleware.EntitlementMiddleware"


def set_up():
    """Whichever test comes first."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={},
            INSTALLED_APPS=[*APPS, *(app for app in ("rest_framework", "drf_spectacular") if find_spec(app))],
            LOGGING_CONFIG=None,
            SECRET_KEY="of the tests",
        )
        django.setup()


class Person:
    """A user that is in no database."""

    is_authenticated = True

    def __init__(self, pk):
        self.pk = pk


class Directory:
    """An authentication backend. As with a database, who reads it on an event loop is told off."""

    @async_unsafe
    def get_user(self, pk):
        return Person(pk)

    async def aget_user(self, pk):
        return Person(pk)


SESSIONS = {
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "AUTHENTICATION_BACKENDS": [f"{__name__}.Directory"],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        MIDDLEWARE,
    ],
}


class Polite:
    """A middleware with an answer of its own, and a header for every response."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Polite"] = "yes"
        return response

    def process_exception(self, request, exception):
        if isinstance(exception, EntitlementDenied) and request.GET.get("ask") == "nicely":
            return HttpResponse("we are sorry", status=418)
        return None


def log_in(request, user):
    """A view, for users who are in no database."""
    request.session.update({"_auth_user_id": str(user), "_auth_user_backend": f"{__name__}.Directory"})
    return HttpResponse("welcome")


def urls(views):
    """A URLconf: routes and their views."""
    module = types.ModuleType("urls_of_a_test")
    module.urlpatterns = [path(route, view) for route, view in views.items()]
    return module


@contextlib.contextmanager
def project(views, meterguard, **more):
    """Django as if these were its settings."""
    from django.test import override_settings

    set_up()
    with override_settings(
        **{"MIDDLEWARE": [MIDDLEWARE], "ROOT_URLCONF": urls(views), "METERGUARD": meterguard} | more
    ):
        yield
