"""Draws and meters where an integration enters them, and where their own decorators stand in a framework."""

import asyncio
from typing import Annotated

import pytest
from celery import Celery
from click.testing import CliRunner
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from flask import Blueprint, Flask, Response, abort, after_this_request
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

import meterguard
from meterguard import Charge, ConfigurationError, EntitlementDenied
from meterguard.integrations.asgi import EntitlementMiddleware
from meterguard.integrations.celery import EntitledTask, setup_celery
from meterguard.integrations.click import exit_codes
from meterguard.integrations.fastapi import Consumed, Entitled, EntitlementRoute, install
from meterguard.integrations.flask import FlaskMeterGuard

PAGE = meterguard.consumes_entitlement("Pages", 1)


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Pages", 10, "Count")], ttl=3600)


@pytest.fixture
def books(guard):
    """``books()``: pages charged, pages in the hands of calls, and calls that were metered."""

    def read():
        pages = guard.ledger.summary().get("Pages")
        metered = sum(one.quantity for one in guard.ledger.records() if one.entitlement == "Calls")
        return (pages.charged, pages.reserved, metered) if pages else (0, 0, metered)

    return read


# -- Flask -------------------------------------------------------------------------------------------


@pytest.fixture
def flask(guard):
    app = Flask(__name__)
    return app, FlaskMeterGuard(app, guard)


def test_a_blueprint_is_charged_for_answers_that_are_no_errors(flask, guard, books):
    app, meter_guard = flask
    pages = Blueprint("pages", __name__)
    meter_guard.protect(pages, PAGE)
    meter_guard.protect(pages, meterguard.meters_usage("Calls"))
    seen = []

    @pages.get("/fine")
    def fine():
        seen.append(books())
        return "fine"

    @pages.get("/stream")
    def stream():
        return Response(iter(["a", "b"]))

    pages.add_url_rule("/torn", view_func=lambda: Response(str(1 // one) for one in (1, 0)), endpoint="torn")
    pages.add_url_rule("/gone", view_func=lambda: abort(404), endpoint="gone")
    pages.add_url_rule("/sorry", view_func=lambda: ("sorry", 422), endpoint="sorry")
    pages.add_url_rule("/broken", view_func=lambda: 1 / 0, endpoint="broken")
    app.register_blueprint(pages)
    client = app.test_client()
    assert client.get("/fine").text == "fine"
    assert (seen, books()) == ([(0, 1, 0)], (1, 0, 1))
    with client.get("/stream", buffered=False) as response:
        assert books() == (1, 1, 1)
        assert response.text == "ab"
    assert books() == (2, 0, 2)
    for path, status in {"/gone": 404, "/sorry": 422, "/broken": 500}.items():
        assert client.get(path).status_code == status
        assert books() == (2, 0, 2)
    with pytest.raises(ZeroDivisionError), client.get("/torn") as torn:
        assert torn.text
    assert books() == (2, 0, 2)


def test_protect_takes_a_draw_alone_and_none_that_decorates(flask):
    _, guard = flask
    with pytest.raises(ConfigurationError, match="give nothing beside it"):
        guard.protect(Blueprint("a", __name__), PAGE, 2)
    for option in ({"default": None}, {"pass_charge": "charge"}, {"per_item": True}):
        with pytest.raises(ConfigurationError, match=r"go with a decorated function; protect\(\) has none"):
            guard.protect(Blueprint("a", __name__), meterguard.consumes_entitlement("Pages", 1, **option))


def test_a_flask_view_under_the_decorator(flask, guard, books):
    app, meter_guard = flask

    @app.get("/later")
    @guard.consumes_entitlement("Pages", 2)
    def later():
        @after_this_request
        def hook(response):
            response.headers["X-Charged"] = str(books()[0])
            return response

        return "returned"

    @app.get("/async")
    @guard.consumes_entitlement("Pages", 1)
    async def in_a_loop():
        return "returned"

    @app.get("/settled")
    @guard.consumes_entitlement("Pages", 5, pass_charge="charge")
    def settled(charge):
        charge.settle(1)
        return "an error that is charged", 500

    @app.post("/ours")
    @meter_guard.requires(PAGE, methods=["POST"], on_denied=lambda error: (error.reason.value, 402))
    def ours():
        return "returned"

    client = app.test_client()
    assert client.get("/later").headers["X-Charged"] == "2", "charged when the view returns"
    assert client.get("/async").text == "returned"
    assert client.get("/settled").status_code == 500
    assert books() == (4, 0, 0)
    while client.post("/ours").status_code == 200:
        pass
    assert (client.post("/ours").text, client.post("/ours").status_code) == ("used_up", 402)
    assert books() == (10, 0, 0)


def test_what_is_used_up_is_told_as_such(flask, guard):
    app, _ = flask
    app.add_url_rule("/", view_func=guard.consumes_entitlement("Pages", 10)(lambda: "all"))
    client = app.test_client()
    assert client.get("/").text == "all"
    for accept in ("application/json", "text/html"):
        reply = client.get("/", headers={"Accept": accept})
        assert (reply.status_code, "Too few licensed units are left" in reply.text) == (429, True)
        assert "others are using" not in reply.text
    assert client.get("/").json["reason"] == "used_up"


# -- FastAPI -----------------------------------------------------------------------------------------


@pytest.fixture
def api(guard):
    app = FastAPI()
    install(app, guard)
    return app


def pages_of(request):
    return int(request.query_params["pages"])


def test_a_dependency_gives_the_charge(api, books):
    @api.get("/settle")
    def settle(charge: Annotated[Charge, Depends(Consumed("Pages", pages_of))]):
        charge.settle(charge.reserved - 1)
        return str(charge.entitlement)

    @api.get("/gone")
    def gone(charge: Annotated[Charge, Depends(Consumed("Pages", 1))]):
        raise HTTPException(404)

    @api.get("/error", dependencies=[Depends(Consumed("Pages", 1, charge_on_error=True))])
    def error():
        raise HTTPException(410)

    @api.get("/sorry", dependencies=[Depends(Consumed(PAGE)), Depends(Consumed(meterguard.meters_usage("Calls")))])
    def sorry():
        return JSONResponse({}, status_code=422)

    client = TestClient(api)
    assert client.get("/settle?pages=4").json() == "Pages (4 Count)"
    assert books() == (3, 0, 0)
    assert client.get("/gone").status_code == 404
    assert books() == (3, 0, 0)
    assert client.get("/error").status_code == 410
    assert client.get("/sorry").status_code == 422
    assert books() == (5, 0, 1), "a response that is returned is a success"


def test_a_request_is_charged_when_its_background_tasks_are_done(api, guard, books):
    seen = []

    def respond(*tasks):
        return PlainTextResponse("sent", background=BackgroundTask(*tasks))

    api.add_api_route(
        "/dependency", lambda: respond(lambda: seen.append(books())), dependencies=[Depends(Consumed("Pages", 1))]
    )
    draw = guard.consumes_entitlement("Pages", 1)
    api.add_api_route("/decorator", draw(lambda: respond(lambda: seen.append(books()))))
    api.add_api_route("/broken", draw(lambda: respond(lambda: 1 / 0)))
    client = TestClient(api, raise_server_exceptions=False)
    for path in ("/dependency", "/decorator", "/broken"):
        assert client.get(path).text == "sent"
    assert (seen, books()) == ([(0, 1, 0), (1, 1, 0)], (2, 0, 0))


class Gone(OSError):
    """What a server raises where the client is gone."""


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("style", ["dependency", "decorator", "middleware"])
def test_a_client_that_leaves_in_mid_stream_is_charged_once(api, guard, books, style, spec):
    async def stream():
        async def chunks():
            while True:
                yield "more"
                await asyncio.sleep(0)

        return StreamingResponse(chunks())

    if style == "decorator":
        stream = guard.consumes_entitlement("Pages", 1)(stream)
    api.get("/", dependencies=[Depends(Consumed("Pages", 1))] if style == "dependency" else [])(stream)
    app = EntitlementMiddleware(api, guard.consumes_entitlement("Pages", 1)) if style == "middleware" else api
    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": [], "query_string": b""}
    scope |= {"http_version": "1.1", "root_path": "", "asgi": {"version": "3.0", "spec_version": spec}}

    async def visit():
        left, asked = asyncio.Event(), []

        async def receive():
            asked.append(1)
            if len(asked) == 1:
                return {"type": "http.request", "body": b"", "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.body":
                left.set()
                if spec == "2.4":
                    raise Gone

        try:
            await app(scope, receive, send)
        except ClientDisconnect:
            assert spec == "2.4"

    asyncio.run(visit())
    assert books() == (1, 0, 0)


def test_a_denied_dependency_is_answered_degrades_and_is_documented(guard, books):
    api = FastAPI()
    api.router.route_class = EntitlementRoute
    install(api, guard)
    api.add_api_route("/", lambda: "never", dependencies=[Depends(Consumed("Pages", 11))])
    instead = Depends(Consumed("Pages", 11, default=None))
    api.add_api_route("/instead", lambda given=instead: {"given": given})
    client = TestClient(api)
    assert client.get("/").status_code == 403
    assert client.get("/instead").json() == {"given": None}
    assert {"403", "429", "503"} <= api.openapi()["paths"]["/"]["get"]["responses"].keys()
    assert books() == (0, 0, 0)


def test_a_wrong_dependency():
    for wrong, says in {
        lambda: Consumed("Pages"): "value is missing",
        lambda: Consumed("Pages", 0): "value must be",
        lambda: Consumed("Pages", 1, guard="mine"): "guard must be",
        lambda: Consumed(PAGE, 1): "give nothing beside it",
        lambda: Consumed("Pages", 1, pass_charge="charge"): "this gives the charge",
        lambda: Consumed("Pages", 1, per_item=True): "this gives the charge",
        lambda: Entitled(PAGE): r"Depends\(Consumed\(...\)\) takes it",
    }.items():
        with pytest.raises(ConfigurationError, match=says):
            wrong()
    assert Consumed(PAGE) == Consumed(PAGE) != Consumed("Pages", 1)


# -- any ASGI application ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "raises", "charged"), [(204, None, 1), (302, None, 1), (404, None, 0), (503, None, 0), (200, OSError, 0)]
)
def test_a_middleware_is_charged_for_what_is_sent(guard, books, status, raises, charged):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        if raises:
            raise raises
        await send({"type": "http.response.body", "body": b""})

    guarded = EntitlementMiddleware(application, guard.consumes_entitlement("Pages", 1))
    TestClient(guarded, raise_server_exceptions=False).get("/", follow_redirects=False)
    assert books() == (charged, 0, 0)


# -- Celery, Click -----------------------------------------------------------------------------------


@pytest.fixture
def celery(guard):
    app = Celery("app", broker="memory://", backend="cache+memory://", set_as_current=False)
    setup_celery(app, guard)
    app.conf.task_always_eager = True
    return app


def test_a_task_is_charged_when_it_succeeds_and_for_no_try_before(celery, books):
    pages = meterguard.consumes_entitlement("Pages", lambda number, **_: number)

    @celery.task(base=EntitledTask, entitlement=pages, bind=True, default_retry_delay=0, max_retries=3, shared=False)
    def render(self, number, *, broken=0):
        if self.request.retries < broken:
            raise self.retry(exc=OSError("not yet"))
        return books()

    assert render.delay(2).get() == (0, 2, 0)
    assert books() == (2, 0, 0)
    assert render.delay(3, broken=2).get() == (2, 3, 0)
    assert books() == (5, 0, 0)
    with pytest.raises(OSError, match="not yet"):
        render.delay(2, broken=9).get()
    with pytest.raises(EntitlementDenied):
        render(6)
    assert books() == (5, 0, 0)


def test_a_task_under_the_decorator_above_the_registration_is_refused(celery):
    @celery.task(shared=False)
    def render():
        raise AssertionError("never run")

    with pytest.raises(TypeError, match="registered already"):
        PAGE(render)


def test_a_command_is_charged_when_it_returns(guard, books):
    import click

    @click.command()
    @click.option("--broken", is_flag=True)
    @exit_codes()
    @guard.consumes_entitlement("Pages", 4)
    def render(broken):
        if broken:
            raise click.ClickException("the printer burns")

    for arguments, code in (((), 0), (("--broken",), 1), ((), 0), ((), 3)):
        assert CliRunner().invoke(render, arguments).exit_code == code
    assert books() == (8, 0, 0)


# -- switched off ------------------------------------------------------------------------------------


def test_switched_off_nothing_is_counted():
    app = Flask(__name__)
    guard = FlaskMeterGuard(app, enabled=False)
    pages = Blueprint("pages", __name__)
    guard.protect(pages, PAGE)
    pages.add_url_rule("/", view_func=meterguard.meters_usage("Calls")(lambda: "free"))
    app.register_blueprint(pages)
    assert app.test_client().get("/").text == "free"
    ledger = meterguard.get_guard().ledger
    assert (ledger.summary(), ledger.records()) == ({}, [])
