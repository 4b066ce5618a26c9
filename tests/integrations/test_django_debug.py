"""Django's page for developers shows the local variables of every frame of a traceback: none of ours holds a secret."""

from __future__ import annotations

import asyncio
import contextlib
import pprint
import traceback

import pytest
from django.conf import settings as django_settings
from django.test import AsyncClient, Client
from django.views import View

import meterguard
from meterguard import requires_entitlement
from meterguard.integrations.django.views import EntitlementRequiredMixin
from tests.integrations.django_project import MIDDLEWARE, project, set_up

set_up()

SEAT = ("Seats", 1, "Count")


def broken(*args, **kwargs):
    raise RuntimeError("of the view")


async def abroken(*args, **kwargs):
    raise RuntimeError("of the view")


def inside(request):
    with requires_entitlement(*SEAT, hold="call") as lease:
        assert lease.is_live
        raise RuntimeError("of the view")


def streamed(request):
    with requires_entitlement(*SEAT) as lease:
        raise RuntimeError(f"of the view, {lease!r}")


class Mixed(EntitlementRequiredMixin, View):
    entitlement_required = SEAT
    entitlement_options = {"hold": "call"}  # noqa: RUF012 - as people write it

    def get(self, request):
        raise RuntimeError("of the view")


def of_the_settings():
    return {
        name.lower(): value
        for name, value in django_settings.METERGUARD.items()
        if name not in ("DENIAL_TTL", "TIMEOUT")
    }


VIEWS = {
    "decorator": requires_entitlement(*SEAT)(broken),
    "call": requires_entitlement(*SEAT, hold="call")(broken),
    "lease": requires_entitlement(*SEAT, pass_lease="lease")(broken),
    "async": requires_entitlement(*SEAT)(abroken),
    "async-call": requires_entitlement(*SEAT, hold="call")(abroken),
    "with": inside,
    "shared-with": streamed,
    "mixin": Mixed.as_view(),
    "decide": lambda request: meterguard.decide(*SEAT).nothing,
    "half-made": lambda request: meterguard.MeterGuard(**of_the_settings(), grace="long"),
    "incomplete": lambda request: meterguard.MeterGuard(**of_the_settings() | {"product_sku": None}).decide("Export"),
    "configured": lambda request: meterguard.configure(**of_the_settings(), timeout=-1),
    "elsewhere": lambda request: meterguard.MeterGuard(**of_the_settings() | {"region_name": "no where"}).decide("A"),
    "missing": requires_entitlement(*SEAT, per=lambda request: request.nobody)(broken),
}


@pytest.fixture
def secrets(lm, licence):
    """``secrets(text)``: what of the secret values a text holds."""

    def found(text):
        values = {licence.key_fingerprint, licence.arn, "arn:aws", ":issuer-fingerprint"}
        for one in lm.requests:
            sent, answered = one.parameters, {} if one.answer is None else dict(one.answer)
            values |= {str(value) for name, value in [*sent.items(), *answered.items()] if "Token" in name}
        assert len(values) > 4 or not lm.requests
        return sorted(value for value in values if value and value in text)

    return found


@pytest.fixture
def debugging(settings):
    """``debugging(view, ...)``: a project in development, for one view."""
    with contextlib.ExitStack() as stack:

        def start(view, *, middleware=(MIDDLEWARE,), **more):
            told = {name.upper(): value for name, value in settings.items()} | {"DENIAL_TTL": 0, "TIMEOUT": 60} | more
            stack.enter_context(project({"view": view}, told, DEBUG=True, MIDDLEWARE=list(middleware)))

        yield start


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_fails(debugging, secrets, view, is_async):
    debugging(VIEWS[view])
    assert secrets(the_page(is_async)) == []


FAULTS = ["ServerInternalException", "RateLimitExceededException", "ValidationException", "RedirectException"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("error", FAULTS)
def test_an_answer_that_is_no_answer(lm, debugging, secrets, view, error, is_async):
    lm.faults.add("CheckoutLicense", error=error)
    debugging(VIEWS[view], middleware=(), TIMEOUT=0.5, ON_UNKNOWN="deny")
    assert secrets(the_page(is_async)) == []


WRONG = {
    "REGION_NAME": "nowhere at all",
    "ENDPOINT_URL": "no url",
    "GRACE": "long",
    "KEY_FINGERPRINT": 7,
    "ENTITLEMENT": ("Seats", -1),
    "NOTHING": True,
    "STORE": "mysql://secret@host",
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_settings_that_are_wrong(debugging, secrets, name, is_async):
    debugging(VIEWS["decorator"], **{name: WRONG[name]})
    assert secrets(the_page(is_async)) == []


@pytest.mark.parametrize("error", [None, "ServerInternalException"])
def test_the_local_variables_of_our_own_frames(lm, guard, secrets, error):
    """As pages, error trackers and pytest show them: of each frame, the repr of each variable."""
    if error is not None:
        lm.faults.add("CheckoutLicense", error=error)

    @guard.requires_entitlement("Analytics", on_unknown="deny")
    def gated():
        return None

    with pytest.raises(meterguard.MeterGuardError) as raised:
        gated()
    frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    shown = [pprint.pformat(value) for frame in frames for value in frame.f_locals.values()]
    assert secrets("\n".join(shown)) == []


def the_page(is_async):
    """What a developer sees."""
    headers = {"Accept": "text/html"}
    if is_async:
        found = asyncio.run(AsyncClient(raise_request_exception=False).get("/view", headers=headers))
    else:
        found = Client(raise_request_exception=False).get("/view", headers=headers)
    assert found.status_code == 500
    text = found.content.decode()
    assert "Traceback" in text
    return text
