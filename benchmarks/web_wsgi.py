"""Flask and Django: one request through the WSGI application, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar
from wsgiref.util import setup_testing_defaults

from meterguard import MeterGuard

from . import peers

Once = Callable[[], Any]
PLENTY = "1000000000/hour"


def asking(application: Callable[..., Any], path: str = "/report") -> Once:
    """Return a function that sends one request and reads the body. A first request is checked to be a 200."""
    environ: dict[str, Any] = {"PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1"}
    setup_testing_defaults(environ)
    statuses: list[str] = []

    def started(status: str, *_: Any) -> None:
        statuses[:] = [status]

    def once() -> None:
        body = application({**environ}, started)
        b"".join(body)
        body.close()

    once()
    assert statuses == ["200 OK"], statuses
    return once


def rows(guard: MeterGuard) -> dict[str, Once]:
    """Return one request of each row."""
    return flask_rows(guard) | django_rows(guard)


# -- Flask -------------------------------------------------------------------------------------------


def flask_rows(guard: MeterGuard) -> dict[str, Once]:
    """Return the request of each row, which has an application of its own, for extensions look at every request."""
    flask = peers.find("flask")
    if flask is None:
        return {}
    from meterguard.integrations.flask import FlaskMeterGuard

    def app_of(guarded: Callable[[Any], Any] = lambda view: view, set_up: Callable[[Any], Any] | None = None) -> Once:
        app = flask.Flask("site")
        if set_up is not None:
            guarded = set_up(app) or guarded

        def report() -> str:
            return "report"

        app.add_url_rule("/report", view_func=guarded(report), endpoint="report")
        return asking(app)

    def protecting(app: Any) -> None:
        FlaskMeterGuard(app, guard).protect(app, "Seats", 1, "Count")

    made = {
        "flask": app_of(),
        "flask-guard": app_of(guard.requires_entitlement("Seats", 1, "Count")),
        "flask-protect": app_of(set_up=protecting),
    }
    if limiter := peers.find("flask_limiter", "flask-limiter"):

        def limiting(app: Any) -> Any:
            limits = limiter.Limiter(lambda: "somebody", app=app, storage_uri="memory://")
            return limits.limit(PLENTY)

        made["flask-limiter"] = app_of(set_up=limiting)
    return made


# -- Django ------------------------------------------------------------------------------------------


def django_rows(guard: MeterGuard) -> dict[str, Once]:
    """Return the request of each row. Rows share the settings and have their own URLs: a second route takes longer."""
    if peers.find("django") is None:
        return {}
    waffle, ratelimit = peers.find("waffle", "django-waffle"), peers.find("django_ratelimit", "django-ratelimit")
    configure_django(apps=["waffle"] if waffle else [])
    from django.http import HttpResponse

    def report(_request: Any) -> HttpResponse:
        return HttpResponse("report")

    views = {"django": report, "django-guard": guard.requires_entitlement("Seats", 1, "Count")(report)}
    if ratelimit:
        from django_ratelimit.decorators import ratelimit as limited

        views["django-ratelimit"] = limited(key="ip", rate="1000000000/h")(report)
    if waffle:
        from waffle.decorators import waffle_switch

        switch_on("report")
        views["waffle"] = waffle_switch("report")(report)
    views |= class_based_views(guard)
    made = {row: asking(django_site(view)) for row, view in views.items()}
    return made | {"django-middleware": site_wide(guard, report)}


def class_based_views(guard: MeterGuard) -> dict[str, Any]:
    """Return a bare class-based view, which costs more than a function, and one with the mixin."""
    from django.http import HttpResponse
    from django.views import View

    from meterguard.integrations.django.views import EntitlementRequiredMixin

    class Report(View):
        def get(self, _request: Any) -> HttpResponse:
            return HttpResponse("report")

    class Licensed(EntitlementRequiredMixin, Report):
        entitlement_required = ("Seats", 1, "Count")
        entitlement_options: ClassVar = {"guard": guard}

    return {"django-class": Report.as_view(), "django-mixin": Licensed.as_view()}


def site_wide(guard: MeterGuard, view: Callable[..., Any]) -> Once:
    """Return the request of a view that only the middleware guards."""
    from django.test import override_settings

    override_settings(
        METERGUARD={"ENTITLEMENT": ("Seats", 1, "Count"), "ENTITLEMENT_OPTIONS": {"guard": guard}},
        MIDDLEWARE=["meterguard.integrations.django.middleware.EntitlementMiddleware"],
    ).enable()
    return asking(django_site(view))


def django_site(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return an application with this view."""
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
    from django.urls import path

    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("report", view)]
    application = WSGIHandler()
    application.request_class = type("Request", (WSGIRequest,), {"urlconf": urls})
    return application


def configure_django(apps: list[str]) -> None:
    """Set up as little of Django as its peers need: a cache in this process, a database in memory."""
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "meterguard.integrations.django", *apps],
        ROOT_URLCONF="each row has one",
        SECRET_KEY="for requests of its own",  # noqa: S106 - it signs nothing
        SILENCED_SYSTEM_CHECKS=["django_ratelimit.E003", "django_ratelimit.W001"],
    )
    django.setup()


def switch_on(name: str) -> None:
    """Turn a switch on. waffle keeps it in the cache after the first look."""
    from django.core.management import call_command
    from waffle.models import Switch

    call_command("migrate", verbosity=0)
    Switch.objects.create(name=name, active=True)
