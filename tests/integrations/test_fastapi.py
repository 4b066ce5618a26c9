"""What only FastAPI and Starlette have: dependencies, OpenAPI, lifespans, WebSockets."""

import asyncio
import inspect
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, SimpleUser
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import meterguard
from meterguard import ConfigurationError, EntitlementDenied, Lease
from meterguard.integrations.fastapi import (
    Entitled,
    EntitlementRoute,
    entitlement_responses,
    install,
    logged_in_user,
    meterguard_lifespan,
)


@pytest.fixture
def app(guard):
    app = FastAPI()
    install(app, guard)
    return app


@pytest.fixture
def browser(app):
    return TestClient(app)


# -- the dependency ----------------------------------------------------------------------------------


def test_the_dependency_gives_the_lease(app, browser, seats):
    @app.get("/")
    def index(lease: Annotated[Lease, Depends(Entitled("Seats", 2, "Count"))]):
        return {"live": lease.is_live, "asked": str(lease.entitlements[0])}

    assert browser.get("/").json() == {"live": True, "asked": "Seats (2 Count)"}
    assert seats() == 2


def test_equal_dependencies_are_asked_once_a_request(app, browser, lm):
    one, other = (Entitled("Seats", 1, "Count", hold="call") for _ in range(2))
    assert (one == other, hash(one) == hash(other), one == Entitled("Seats", 2, "Count"), one == 1) == (
        True,
        True,
        False,
        False,
    )

    @app.get("/", dependencies=[Depends(one)])
    def index(lease: Annotated[Lease, Depends(other)]):
        return lease.is_live

    assert browser.get("/").json() is True
    assert lm.calls("CheckoutLicense") == 1


@pytest.mark.parametrize("level", ["app", "router", "included", "route"])
def test_it_guards_at_every_level(guard, level):
    no = [Depends(Entitled("Analytics"))]
    app = FastAPI(dependencies=no if level == "app" else None)
    install(app, guard)
    router = APIRouter(dependencies=no if level == "router" else None)
    router.add_api_route("/", lambda: "never", dependencies=no if level == "route" else None)
    app.include_router(router, dependencies=no if level == "included" else None)
    assert TestClient(app).get("/").status_code == 403


def test_it_uses_the_default_guard_where_none_is_installed(settings):
    meterguard.configure(**settings)
    app = FastAPI()
    app.add_api_route("/", lambda: "yes", dependencies=[Depends(Entitled("Export"))])
    assert TestClient(app).get("/").json() == "yes"


def test_it_degrades(app, browser):
    async def slowly(connection):
        return f"free {connection.url.path}"

    for path, options in {"/default": {"default": None}, "/fallback": {"fallback": slowly}}.items():
        instead = Depends(Entitled("Analytics", **options))
        app.add_api_route(path, lambda given=instead: {"given": given})
    assert browser.get("/default").json() == {"given": None}
    assert browser.get("/fallback").json() == {"given": "free /fallback"}


def test_it_wants_no_pass_lease():
    with pytest.raises(ConfigurationError, match="the dependency itself gives the lease"):
        Entitled("Export", pass_lease="lease")
    with pytest.raises(ConfigurationError, match="value must be"):
        Entitled("Seats", -1, "Count")


@pytest.mark.parametrize(("scope", "during_stream"), [(None, 1), ("function", 0)])
def test_how_long_a_seat_of_its_own_is_held(app, browser, seats, scope, during_stream):
    seen = []
    entitled = Depends(Entitled("Seats", 1, "Count", hold="call"), scope=scope)

    @app.get("/")
    def index(later: BackgroundTasks, lease: Annotated[Lease, entitled]):
        def chunks():
            seen.append(seats())
            yield "chunk"

        later.add_task(lambda: seen.append(seats()))
        return StreamingResponse(chunks())

    assert browser.get("/").text == "chunk"
    assert (seen, seats()) == ([during_stream] * 2, 0)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_decorated_endpoint_holds_its_seat_until_background_tasks_are_done(app, browser, guard, seats, kind):
    seen = []

    def respond():
        from starlette.background import BackgroundTask

        return PlainTextResponse("sent", background=BackgroundTask(lambda: seen.append(seats())))

    async def respond_async():
        return respond()

    gate = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    app.add_api_route("/", gate(respond if kind == "sync" else respond_async), response_class=PlainTextResponse)
    assert browser.get("/").text == "sent"
    assert (seen, seats()) == ([1], 0)


def test_a_seat_for_each_user(app, seats):
    seat = Depends(Entitled("Seats", 1, "Count", per=logged_in_user))
    app.add_api_route("/", lambda: "yes", dependencies=[seat])

    class Authentication:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            name = dict(scope["headers"]).get(b"x-user")
            if name:
                scope |= {"user": SimpleUserWithId(name.decode()), "auth": AuthCredentials()}
            await self.app(scope, receive, send)

    class SimpleUserWithId(SimpleUser):
        @property
        def identity(self):
            return self.username

    app.add_middleware(Authentication)
    browser = TestClient(app)
    taken = [(browser.get("/", headers={"X-User": user}).status_code, seats()) for user in ("ana", "ben", "ana")]
    assert taken == [(200, 1), (200, 2), (200, 2)]
    assert browser.get("/").status_code == 500


# -- nothing else changes ----------------------------------------------------------------------------


async def who(token: str = "nobody"):
    return token


def site(guard=None):
    """An application with every kind of parameter; guarded, where there is a guard."""

    def gate(fn):
        return fn if guard is None else guard.requires_entitlement("Export")(fn)

    app = FastAPI()

    @app.get("/items/{number}", summary="One item")
    @gate
    async def item(number: int, who: Annotated[str, Depends(who)], q: str | None = None) -> dict[str, str]:
        """What it is."""
        return {"number": str(number), "who": who, "q": str(q)}

    @app.post("/items")
    @gate
    def add(body: dict[str, int], later: BackgroundTasks) -> int:
        later.add_task(lambda: None)
        return sum(body.values())

    return app


def test_openapi_signature_and_injection_are_those_of_the_bare_application(guard):
    bare, guarded = site(), site(guard)
    assert guarded.openapi() == bare.openapi()
    for one, other in zip(bare.routes, guarded.routes, strict=True):
        assert inspect.signature(one.endpoint) == inspect.signature(other.endpoint)
        assert inspect.iscoroutinefunction(one.endpoint) == inspect.iscoroutinefunction(other.endpoint)
    for app in (bare, guarded):
        browser = TestClient(app)
        assert browser.get("/items/7?q=x&token=ana").json() == {"number": "7", "who": "ana", "q": "x"}
        assert browser.post("/items", json={"a": 1, "b": 2}).json() == 3
        assert browser.get("/items/seven").status_code == 422


def test_the_answers_can_be_documented(app):
    router = APIRouter(route_class=EntitlementRoute)
    router.add_api_route(
        "/guarded", lambda: "", dependencies=[Depends(Entitled("Export"))], responses={403: {"description": "Mine"}}
    )
    router.add_api_route("/bare", lambda: "")
    app.include_router(router)
    app.add_api_route("/by-hand", lambda: "", responses=entitlement_responses())
    paths = app.openapi()["paths"]
    documented = {path: set(paths[path]["get"]["responses"]) for path in ("/guarded", "/bare", "/by-hand")}
    assert documented == {
        "/guarded": {"200", "403", "429", "503"},
        "/bare": {"200"},
        "/by-hand": {"200", "403", "429", "503"},
    }
    assert paths["/guarded"]["get"]["responses"]["403"]["description"] == "Mine"
    assert (
        "retry_after"
        in paths["/by-hand"]["get"]["responses"]["503"]["content"]["application/problem+json"]["schema"]["properties"]
    )


# -- WebSockets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outage", "code"), [(False, 1008), (True, 1013)])
def test_a_websocket_is_closed(app, browser, lm, guard, outage, code):
    if outage:
        guard.engine.policy = replace(guard.engine.policy, timeout=1)

    @app.websocket("/live")
    async def live(socket: WebSocket, _: Annotated[Lease, Depends(Entitled("Analytics", on_unknown="deny"))]):
        await socket.accept()

    if outage:
        with lm.down(), pytest.raises(WebSocketDisconnect) as caught, browser.websocket_connect("/live"):
            pass
    else:
        with pytest.raises(WebSocketDisconnect) as caught, browser.websocket_connect("/live"):
            pass
    assert caught.value.code == code


def test_a_websocket_holds_its_seat_while_it_is_open(app, browser, seats):
    @app.websocket("/live")
    async def live(socket: WebSocket, _: Annotated[Lease, Depends(Entitled("Seats", 1, "Count", hold="call"))]):
        await socket.accept()
        await socket.send_text(str(seats()))
        await socket.receive_text()

    with browser.websocket_connect("/live") as socket:
        assert (socket.receive_text(), seats()) == ("1", 1)
        socket.send_text("done")
    assert seats() == 0


# -- life cycle --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["install", "lifespan", "lifespan around", "explicit"])
def test_leases_go_back_at_shutdown_and_the_application_can_start_again(lm, settings, guard, seats, how):
    order = []

    @asynccontextmanager
    async def mine(app):
        order.append("up")
        yield {"mine": True}
        order.append(f"down with {seats()}")

    meterguard.configure(**settings)
    lifespans = {"lifespan": meterguard_lifespan, "lifespan around": meterguard_lifespan(mine), "install": mine}
    app = FastAPI(lifespan=lifespans.get(how, meterguard_lifespan(mine, guard=guard)))
    used = guard if how == "explicit" else None
    if how == "install":
        install(app)
    app.add_api_route("/", meterguard.requires_entitlement("Seats", 1, "Count", guard=used)(lambda: "yes"))
    for _ in range(2):
        with TestClient(app) as browser:
            assert (browser.get("/").json(), seats()) == ("yes", 1)
        assert seats() == 0
    assert order == ([] if how == "lifespan" else ["up", "down with 1"] * 2)


@pytest.mark.parametrize("kind", [EntitlementDenied, meterguard.MeterGuardError])
def test_a_handler_of_the_application_stays(guard, kind):
    app = FastAPI()
    app.add_exception_handler(kind, lambda request, error: PlainTextResponse("mine", 499))
    install(app, guard)
    app.add_api_route("/", guard.requires_entitlement("Analytics")(lambda: ""))
    assert TestClient(app).get("/").status_code == 499


def test_unknown_settings_are_refused(guard):
    with pytest.raises(ConfigurationError, match="has no setting denied; there are"):
        install(FastAPI(), guard, denied=403)


def test_the_off_switch(lm):
    app = FastAPI()
    install(app, enabled=False)
    app.add_api_route("/", lambda: "yes", dependencies=[Depends(Entitled("Analytics"))])
    app.add_api_route("/plain", meterguard.requires_entitlement("Seats", 1)(lambda: "yes"))
    with TestClient(app) as browser:
        assert (browser.get("/").json(), browser.get("/plain").json()) == ("yes", "yes")
    assert lm.requests == []


def wrongly_ordered(app, guard):
    @guard.requires_entitlement("Analytics")
    @app.get("/open")
    async def bypassed():
        return "unguarded"

    app.add_api_route("/right", guard.requires_entitlement("Export")(lambda: "right"))


def test_a_guard_above_its_route_is_an_error_in_debug(guard):
    app = FastAPI(debug=True)
    install(app, guard)
    wrongly_ordered(app, guard)
    with pytest.raises(ConfigurationError, match=r"stands above the registration: /open\. "), TestClient(app):
        pass


def test_a_guard_above_its_route_is_a_warning_in_production(guard, caplog):
    app, mounted = FastAPI(), FastAPI()
    install(app, guard)
    wrongly_ordered(mounted, guard)
    app.mount("/under", mounted)
    with caplog.at_level(logging.WARNING, "meterguard.integrations"), TestClient(app) as browser:
        assert browser.get("/under/open").json() == "unguarded"
    assert [
        record.getMessage() for record in caplog.records if "/under/open. They run unguarded" in record.getMessage()
    ]


def test_starlette_alone(guard, seats):
    @guard.requires_entitlement("Seats", 1, "Count")
    def seat(request):
        return PlainTextResponse("yes")

    @guard.requires_entitlement("Analytics")
    async def analytics(request):
        raise AssertionError("never run")

    app = Starlette(routes=[Route("/seat", seat), Mount("/sub", routes=[Route("/analytics", analytics)])])
    install(app, guard)
    with TestClient(app) as browser:
        assert (browser.get("/seat").text, browser.get("/sub/analytics").status_code) == ("yes", 403)
    assert seats() == 0


def test_no_loop_is_remembered(app, guard):
    """Each request in a loop of its own, as test clients and some servers have it."""
    app.add_api_route("/", lambda: "yes", dependencies=[Depends(Entitled("Seats", 1, "Count", hold="call"))])

    async def visit():
        messages = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            messages.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
        await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("test", 80)}, receive, send)
        return messages[0]["status"]

    assert [asyncio.run(visit()) for _ in range(3)] == [200] * 3
