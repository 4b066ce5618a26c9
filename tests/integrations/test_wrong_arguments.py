"""Every public entry point of the integrations and of telemetry names the argument that is wrong."""

from __future__ import annotations

import celery
import fastapi
import flask
import prometheus_client
import pytest
from django.views import View

import meterguard
from meterguard import ConfigurationError
from meterguard.integrations import HttpOptions, asgi, openfeature, starlette
from meterguard.integrations import celery as ours_for_celery
from meterguard.integrations import click as ours_for_click
from meterguard.integrations import django as ours_for_django
from meterguard.integrations import fastapi as ours_for_fastapi
from meterguard.integrations import flask as ours_for_flask
from meterguard.integrations.celery import EntitledTask, setup_celery
from meterguard.integrations.fastapi import Entitled, entitlement_responses, install, meterguard_lifespan
from meterguard.integrations.flask import FlaskMeterGuard
from meterguard.telemetry import opentelemetry, prometheus
from tests.integrations.django_project import project, set_up

set_up()

from meterguard.integrations.django.middleware import EntitlementMiddleware  # noqa: E402
from meterguard.integrations.django.test import override_entitlements  # noqa: E402
from meterguard.integrations.django.views import EntitlementRequiredMixin  # noqa: E402
from meterguard.integrations.drf import EntitledViewMixin, EntitlementThrottle, HasEntitlement  # noqa: E402


class Guarded(EntitlementRequiredMixin, View):
    entitlement_required = "Export"


def a_gate():
    return meterguard.requires_entitlement("Export")


def a_blueprint():
    return flask.Blueprint("reports", __name__)


def a_task(**attributes):
    def work():
        return None

    # A shared task is given to every application of this process, also to those of other tests.
    return celery.Celery("work").task(base=EntitledTask, shared=False, **attributes)(work).run


def flask_settings(**settings):
    app = flask.Flask("site")
    app.config.update(settings)
    FlaskMeterGuard(app)


def a_view_of_drf(**attributes):
    type("Report", (EntitledViewMixin,), attributes)


FLASK = {
    "app": [
        lambda: FlaskMeterGuard(1),
        lambda: FlaskMeterGuard().init_app(1),
        lambda: FlaskMeterGuard().init_app(flask.Flask),
        lambda: FlaskMeterGuard().audit(1),
        lambda: list(ours_for_flask.registered(1)),
    ],
    "guard": [
        lambda: FlaskMeterGuard(flask.Flask("site"), 1),
        lambda: FlaskMeterGuard(guard="ACME-1"),
        lambda: FlaskMeterGuard(guard=a_gate()),
        lambda: FlaskMeterGuard().protect(a_blueprint(), "Export", guard=1),
        lambda: FlaskMeterGuard().requires("Export", guard=a_gate),
    ],
    "timeout": [
        lambda: FlaskMeterGuard(flask.Flask("site"), timeout="x"),
        lambda: flask_settings(METERGUARD_TIMEOUT=0),
    ],
    "enabled": [lambda: flask_settings(METERGUARD_ENABLED="no")],
    "NOTHING": [lambda: flask_settings(METERGUARD_NOTHING=1)],
    "nothing": [
        lambda: FlaskMeterGuard(nothing=1),
        lambda: FlaskMeterGuard().protect(a_blueprint(), "Export", nothing=1),
        lambda: FlaskMeterGuard().requires("Export", nothing=1),
    ],
    "scope": [lambda: FlaskMeterGuard().protect(1, "Export")],
    "name": [lambda: FlaskMeterGuard().protect(a_blueprint(), 1), lambda: FlaskMeterGuard().requires(1)],
    "hold": [lambda: FlaskMeterGuard().protect(a_blueprint(), "Export", hold=1)],
    "fallback": [lambda: FlaskMeterGuard().protect(a_blueprint(), "Export", fallback=print)],
    "view": [lambda: FlaskMeterGuard().exempt(1), lambda: FlaskMeterGuard().requires("Export")(1)],
    "methods": [
        lambda: FlaskMeterGuard().requires("Export", methods=1),
        lambda: FlaskMeterGuard().requires("Export", methods="POST"),
        lambda: FlaskMeterGuard().requires("Export", methods=[1]),
    ],
    "exempt_when": [lambda: FlaskMeterGuard().requires("Export", exempt_when=True)],
    "on_denied": [lambda: FlaskMeterGuard().requires("Export", on_denied="no")],
    "redirect_to": [lambda: FlaskMeterGuard().requires("Export", redirect_to=1)],
}

ASGI = {
    "app": [
        lambda: install(1),
        lambda: install(starlette.install),
        lambda: list(starlette.registered(1)),
        lambda: asgi.with_lifespan(1),
        lambda: asgi.with_lifespan(fastapi.FastAPI),
        lambda: asgi.EntitlementMiddleware(1, "Export"),
    ],
    "guard": [
        lambda: install(fastapi.FastAPI(), 1),
        lambda: install(fastapi.FastAPI(), a_gate()),
        lambda: meterguard_lifespan(guard=1),
        lambda: meterguard_lifespan(fastapi.FastAPI(), guard=1),
        lambda: asgi.with_lifespan(fastapi.FastAPI(), 1),
        lambda: asgi.EntitlementMiddleware(fastapi.FastAPI(), "Export", guard=1),
        lambda: Entitled("Export", guard=1),
    ],
    "inner": [lambda: meterguard_lifespan(1)],
    "name": [lambda: Entitled(1), lambda: asgi.EntitlementMiddleware(fastapi.FastAPI(), 1)],
    "value": [lambda: Entitled("Seats", -1)],
    "per": [lambda: Entitled("Export", per=[])],
    "nothing": [
        lambda: Entitled("Export", nothing=1),
        lambda: install(fastapi.FastAPI(), nothing=1),
        lambda: asgi.EntitlementMiddleware(fastapi.FastAPI(), "Export", nothing=1),
    ],
    "denied_status": [lambda: install(fastapi.FastAPI(), denied_status="402")],
    "exempt": [lambda: asgi.EntitlementMiddleware(fastapi.FastAPI(), "Export", exempt="/health")],
    "options": [lambda: entitlement_responses(1), lambda: entitlement_responses({})],
    "logged_in_user": [lambda: ours_for_fastapi.logged_in_user(1)],
}

CELERY = {
    "app": [lambda: setup_celery(1), lambda: list(ours_for_celery.registered(1))],
    "guard": [lambda: setup_celery(celery.Celery("work"), 1)],
    "linger": [lambda: setup_celery(celery.Celery("work"), linger="long")],
    "nothing": [
        lambda: setup_celery(celery.Celery("work"), nothing=1),
        lambda: a_task(entitlement="Export", entitlement_options={"nothing": 1}),
    ],
    "entitlement": [
        lambda: a_task(entitlement=1),
        lambda: a_task(entitlement=()),
        lambda: a_task(entitlement=("Seats", 1, "Count", 2)),
        lambda: a_task(entitlement="Export", entitlement_options=1),
        lambda: a_task(entitlement="Export", entitlement_options={"pass_lease": "lease"}),
    ],
    "hold": [lambda: a_task(entitlement="Export", entitlement_options={"hold": 1})],
    "on_denied": [
        lambda: a_task(entitlement="Export", on_denied=1),
        lambda: a_task(entitlement="Export", on_denied=[]),
    ],
}

DJANGO = {
    "entitlement_required": [
        lambda: Guarded.as_view(entitlement_required=1),
        lambda: Guarded.as_view(entitlement_options=1),
        lambda: a_view_of_drf(entitlement_required=1),
        lambda: a_view_of_drf(entitlement_required={"nothing": "Export"}),
        lambda: a_view_of_drf(entitlement_required="Export", entitlement_options={"nothing": 1}),
    ],
    "hold": [lambda: Guarded.as_view(entitlement_options={"hold": 1})],
    "view": [lambda: ours_for_django.entitlement_not_required(1)],
    "entitlements": [lambda: override_entitlements(1)],
    "options": [lambda: override_entitlements(Seats=1, options=1)],
    "name": [lambda: HasEntitlement(1), lambda: EntitlementThrottle(None)],
    "value": [lambda: HasEntitlement("Seats", -1), lambda: HasEntitlement("Seats", lambda: 1)],
    "unit": [lambda: HasEntitlement("Seats", 1, 7)],
    "guard": [lambda: HasEntitlement("Export", guard=1), lambda: EntitlementThrottle("Export", guard=a_gate())],
    "on_unknown": [lambda: HasEntitlement("Export", on_unknown=1)],
    "nothing": [lambda: HasEntitlement("Export", nothing=1)],
}

OTHERS = {
    "guard": [
        lambda: openfeature.EntitlementProvider(1),
        lambda: opentelemetry.instrument(1),
        lambda: opentelemetry.instrument(a_gate()),
        lambda: prometheus.instrument(1, registry=prometheus_client.CollectorRegistry()),
    ],
    "flags": [
        lambda: openfeature.EntitlementProvider(flags=[1]),
        lambda: openfeature.EntitlementProvider(flags="export"),
        lambda: openfeature.EntitlementProvider(flags={1: ("Export",)}),
        lambda: openfeature.EntitlementProvider(flags={"export": 1}),
        lambda: openfeature.EntitlementProvider(flags={"export": ()}),
        lambda: openfeature.EntitlementProvider(flags={"export": (1,)}),
        lambda: openfeature.EntitlementProvider(flags={"export": ("Export", [])}),
    ],
    "recheck": [lambda: openfeature.EntitlementProvider(recheck="soon")],
    "hooks": [lambda: openfeature.EntitlementProvider(hooks=1), lambda: openfeature.EntitlementProvider(hooks=[1])],
    "on_track": [lambda: openfeature.EntitlementProvider(on_track=1)],
    "meter_provider": [lambda: opentelemetry.instrument(meter_provider=1)],
    "registry": [lambda: prometheus.instrument(registry=1)],
    "app": [lambda: list(ours_for_click.registered(1))],
    "denied_status": [lambda: HttpOptions(denied_status=1), lambda: HttpOptions(denied_status=True)],
    "retry_after": [lambda: HttpOptions(retry_after=-1)],
    "prove_exhaustion": [lambda: HttpOptions(prove_exhaustion=1)],
    "exempt": [lambda: HttpOptions(exempt=[1])],
    "customize": [lambda: HttpOptions(customize=1)],
    "html": [lambda: HttpOptions(html="<p>")],
    "problem_type": [lambda: HttpOptions(problem_type=1)],
}

ROWS = [
    pytest.param(argument, call, id=f"{framework}-{argument}-{number}")
    for framework, table in {"flask": FLASK, "asgi": ASGI, "celery": CELERY, "django": DJANGO, "others": OTHERS}.items()
    for argument, calls in table.items()
    for number, call in enumerate(calls)
]


@pytest.mark.parametrize(("argument", "call"), ROWS)
def test_a_wrong_argument_is_named(argument, call):
    with flask.Flask("around").app_context(), pytest.raises(ConfigurationError) as raised:
        call()
    assert argument in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (1, "METERGUARD"),
        ({1: 2}, "1"),
        ({"NOTHING": 1}, "NOTHING"),
        ({"TIMEOUT": "x"}, "timeout"),
        ({"PRODUCT_SKU": 1}, "product_sku"),
        ({"ENABLED": 1}, "enabled"),
        ({"EXEMPT": 1}, "exempt"),
        ({"DENIED_STATUS": "402"}, "denied_status"),
        ({"ENTITLEMENT": 1}, "ENTITLEMENT"),
        ({"ENTITLEMENT": ("Seats", 1.5)}, "value"),
        ({"ENTITLEMENT": "Export", "ENTITLEMENT_OPTIONS": 1}, "ENTITLEMENT"),
        ({"ENTITLEMENT": "Export", "ENTITLEMENT_OPTIONS": {"guard": 1}}, "guard"),
        ({"ENTITLEMENT_OPTIONS": {"hold": "call"}}, "ENTITLEMENT"),
    ],
)
def test_a_wrong_setting_of_django_is_named_by_the_check_and_opens_nothing(settings, named):
    from django.core.checks import run_checks
    from django.test import RequestFactory

    with project({}, settings):
        found = [one for one in run_checks() if one.id == "meterguard.E001"]
        assert [named in one.msg for one in found] == [True]
        with pytest.raises(ConfigurationError, match=named):
            a_gate()(print)()
        middleware = EntitlementMiddleware(print)
        answer = middleware.process_view(RequestFactory().get("/"), print, (), {})
    assert answer.status_code == 500
