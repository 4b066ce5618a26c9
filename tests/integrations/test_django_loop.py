"""test_loop_lag.py for Django: its event loop never waits for the service, whichever way a view is guarded."""

from __future__ import annotations

import contextlib

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from django.views import View

import meterguard
from meterguard import requires_entitlement
from meterguard.integrations.django.views import EntitlementRequiredMixin
from tests.integrations.django_project import project, set_up
from tests.integrations.looping import PATIENCE, ask, served_meanwhile

set_up()

SEAT = ("Seats", 1, "Count")


async def plain(request):
    return HttpResponse("plain")


async def streamed(request):
    async def chunks():
        yield b"first "
        yield b"last"

    return StreamingHttpResponse(chunks())


def as_class(view, *bases, **attributes):
    async def get(self, request):
        return await view(request)

    return type("Guarded", (*bases, View), {"get": get, **attributes})


def decorated(view, hold):
    return requires_entitlement(*SEAT, hold=hold)(view)


def dispatched(view, hold):
    return method_decorator(requires_entitlement(*SEAT, hold=hold), name="dispatch")(as_class(view)).as_view()


def mixed(view, hold):
    options = {"entitlement_required": SEAT, "entitlement_options": {"hold": hold}}
    return as_class(view, EntitlementRequiredMixin, **options).as_view()


def of_the_site(view, hold):
    async def guarded(request):
        return await view(request)

    return guarded


WAYS = {"decorator": decorated, "method_decorator": dispatched, "mixin": mixed, "middleware": of_the_site}


@pytest.fixture(params=WAYS)
def build(request, settings):
    """``build(view, hold)``: a project that guards ``/guarded`` in one of the ways, and not ``/plain``."""
    with contextlib.ExitStack() as stack:

        def make(view, hold):
            told = {name.upper(): value for name, value in settings.items()} | {"DENIAL_TTL": 0, "TIMEOUT": PATIENCE}
            if request.param == "middleware":
                told |= {"ENTITLEMENT": SEAT, "ENTITLEMENT_OPTIONS": {"hold": hold}, "EXEMPT": ["/plain"]}
            views = {"guarded": WAYS[request.param](view, hold), "plain": plain}
            stack.enter_context(project(views, told))
            # set up already: what is looked at is how the service is waited for
            assert meterguard.has_entitlement("Export")
            return ASGIHandler()

        yield make


@pytest.fixture
def serve(caplog):
    return lambda *arguments: served_meanwhile(caplog, *arguments)


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_while_a_lease_is_checked_out(lm, licence, build, serve, hold):
    app = build(plain, hold)
    fault = lm.faults.add("CheckoutLicense", hold=True)
    assert serve(ask(app, "/guarded"), app, fault) == (False, (200, b"plain"))


def test_while_a_no_is_looked_into(lm, licence, build, serve, make_guard):
    app = build(plain, "call")
    with make_guard(lm, licence).requires_entitlement("Seats", 3, "Count"):
        fault = lm.faults.add("GetLicenseUsage", hold=True)
        was_done, (status, _) = serve(ask(app, "/guarded"), app, fault)
    assert (was_done, status) == (False, 429)


@pytest.mark.parametrize("view", [plain, streamed])
def test_while_a_seat_is_given_back(lm, licence, build, serve, seats, view):
    app = build(view, "call")
    fault = lm.faults.add("CheckInLicense", hold=True)
    was_done, (status, _) = serve(ask(app, "/guarded"), app, fault)
    assert (was_done, status) == (False, 200)
    assert seats() == 0
