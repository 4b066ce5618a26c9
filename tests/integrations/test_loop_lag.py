"""An event loop that serves guarded requests never waits for the service: it goes on serving others meanwhile.

The service holds its answer back until the others have been served, so a loop that waits for it serves nobody.
"""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from meterguard.integrations.asgi import EntitlementMiddleware
from meterguard.integrations.fastapi import Entitled, install
from tests.integrations.looping import PATIENCE, ask, served_meanwhile

SEAT = ("Seats", 1, "Count")


async def plain(request: Request):
    return PlainTextResponse("plain")


async def streamed(request: Request):
    async def chunks():
        yield "first "
        yield "last"

    return StreamingResponse(chunks())


def starlette(endpoint):
    return Starlette(routes=[Route("/plain", plain), Route("/guarded", endpoint)])


def fastapi(endpoint, **options):
    app = FastAPI()
    app.add_api_route("/plain", plain)
    app.add_api_route("/guarded", endpoint, response_model=None, **options)
    return app


WAYS = {
    "Starlette, decorator": lambda guard, view, hold: starlette(guard.requires_entitlement(*SEAT, hold=hold)(view)),
    "FastAPI, decorator": lambda guard, view, hold: fastapi(guard.requires_entitlement(*SEAT, hold=hold)(view)),
    "FastAPI, Entitled": lambda guard, view, hold: fastapi(view, dependencies=[Depends(Entitled(*SEAT, hold=hold))]),
    "EntitlementMiddleware": lambda guard, view, hold: EntitlementMiddleware(
        starlette(view), *SEAT, hold=hold, guard=guard, exempt=["/plain"]
    ),
}


@pytest.fixture(params=WAYS)
def build(request, guard):
    """``build(view, hold)``: an application that guards ``/guarded`` in one of the ways, and not ``/plain``."""

    def make(view, hold):
        app = WAYS[request.param](guard, view, hold)
        install(getattr(app, "app", app), guard)
        return app

    return make


@pytest.fixture
def guard(lm, licence, make_guard):
    """Set up already: what is looked at is how the service is waited for."""
    guard = make_guard(lm, licence, denial_ttl=0, timeout=PATIENCE)
    assert guard.has_entitlement("Export")
    return guard


@pytest.fixture
def serve(caplog):
    """``serve(work, app, fault)``: what ``work`` gives, after others were served while the service was silent."""
    return lambda *arguments: served_meanwhile(caplog, *arguments)


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_while_a_lease_is_checked_out(lm, build, serve, hold):
    app = build(plain, hold)
    fault = lm.faults.add("CheckoutLicense", hold=True)
    assert serve(ask(app, "/guarded"), app, fault) == (False, (200, b"plain"))


def test_while_a_no_is_looked_into(lm, licence, build, serve, make_guard):
    app = build(plain, "call")
    others = make_guard(lm, licence)
    with others.requires_entitlement("Seats", 3, "Count"):
        fault = lm.faults.add("GetLicenseUsage", hold=True)
        was_done, (status, _) = serve(ask(app, "/guarded"), app, fault)
    assert (was_done, status) == (False, 429)


@pytest.mark.parametrize("view", [plain, streamed])
def test_while_a_seat_is_given_back(lm, build, serve, seats, view):
    app = build(view, "call")
    fault = lm.faults.add("CheckInLicense", hold=True)
    was_done, (status, _) = serve(ask(app, "/guarded"), app, fault)
    assert (was_done, status) == (False, 200)
    assert seats() == 0


def test_while_the_application_shuts_down(lm, guard, serve, seats):
    app = starlette(guard.requires_entitlement(*SEAT)(plain))
    install(app, guard)
    fault = lm.faults.add("CheckInLicense", hold=True)

    async def life():
        inbox, said = asyncio.Queue(), []

        async def send(message):
            said.append(message["type"])

        inbox.put_nowait({"type": "lifespan.startup"})
        running = asyncio.ensure_future(app({"type": "lifespan", "app": app, "state": {}}, inbox.get, send))
        assert await ask(app, "/guarded") == (200, b"plain")
        inbox.put_nowait({"type": "lifespan.shutdown"})
        await running
        return said

    assert serve(life(), app, fault) == (False, ["lifespan.startup.complete", "lifespan.shutdown.complete"])
    assert seats() == 0
