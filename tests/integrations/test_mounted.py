"""Applications inside applications: the answers and the guard of the one around them, at any depth."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import meterguard
from meterguard import EntitlementDenied
from meterguard.integrations.asgi import EntitlementMiddleware, with_lifespan
from meterguard.integrations.fastapi import Entitled, install
from meterguard.integrations.starlette import registered

PROBLEM = "application/problem+json"


def page(request):
    return PlainTextResponse("page")


@pytest.fixture
def plain(guard):
    """A Starlette application with a guarded route, ``/no``, a route that is let through, and a WebSocket."""

    async def echo(socket):
        await socket.accept()

    def make():
        gate = guard.requires_entitlement
        return Starlette(
            routes=[
                Route("/no", gate("Analytics")(page)),
                Route("/yes", gate("Export")(page)),
                WebSocketRoute("/socket", gate("Analytics")(echo)),
            ]
        )

    return make


def entitled():
    """A FastAPI application whose gates name no guard."""
    app = FastAPI()
    app.add_api_route("/no", lambda: "never", dependencies=[Depends(Entitled("Analytics"))])
    app.add_api_route("/yes", lambda: "page", dependencies=[Depends(Entitled("Export"))])
    return app


WAYS = {
    "mounted": lambda inner: [Mount("/in", inner)],
    "twice": lambda inner: [Mount("/in", Starlette(routes=[Mount("", inner)]))],
    "deep": lambda inner: [Mount("/in", Starlette(routes=[Mount("", FastAPI(routes=[Mount("", inner)]))]))],
    "routes": lambda inner: [Mount("/in", routes=[Mount("", inner)])],
    "router": lambda inner: [Mount("/in", Router([Mount("", inner)]))],
    "host": lambda inner: [Host("testserver", Router([Mount("/in", inner)]))],
    "middleware": lambda inner: [Mount("/in", inner, middleware=[Middleware(GZipMiddleware)])],
    "wrapped": lambda inner: [Mount("/in", GZipMiddleware(with_lifespan(inner)))],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("outer", [Starlette, FastAPI])
def test_a_mounted_application_answers_as_the_one_around_it(guard, plain, outer, way):
    app = outer(routes=WAYS[way](plain()))
    install(app, guard, denied_status=402)
    browser = TestClient(app)
    refused = browser.get("/in/no")
    assert (refused.status_code, refused.headers["content-type"]) == (402, PROBLEM)
    assert browser.get("/in/yes").text == "page"
    with pytest.raises(WebSocketDisconnect) as closed, browser.websocket_connect("/in/socket"):
        pass
    assert closed.value.code == 1008


@pytest.mark.parametrize("way", WAYS)
def test_a_gate_that_names_no_guard_asks_the_installed_one(lm, guard, way):
    app = FastAPI(routes=WAYS[way](entitled()))
    install(app, guard)
    browser = TestClient(app)
    assert (browser.get("/in/no").status_code, browser.get("/in/yes").json()) == (403, "page")
    assert lm.calls("CheckoutLicense") == 2


def test_an_included_router_may_mount_too(guard):
    router = APIRouter(prefix="/api")
    router.mount("/in", entitled())
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    install(app, guard)
    browser = TestClient(app)
    assert [browser.get(f"/v1/in/{path}").status_code for path in ("no", "yes")] == [403, 200]


def test_each_of_two_applications_around_one_is_asked_for_its_own_requests(lm, guard, make_guard):
    other = lm.add_license("OTHER", entitlements=[("Analytics", None, "None")])
    shared = entitled()
    ours, theirs = FastAPI(routes=[Mount("/in", shared)]), FastAPI(routes=[Mount("/in", shared)])
    install(ours, guard, denied_status=402)
    install(theirs, make_guard(lm, other))
    for _ in range(2):
        found = [[TestClient(app).get(f"/in/{path}").status_code for path in ("no", "yes")] for app in (ours, theirs)]
        assert found == [[402, 200], [200, 403]]


def test_an_application_that_is_set_up_itself_stays_so(lm, guard, make_guard):
    other = lm.add_license("OTHER", entitlements=[("Analytics", None, "None")])
    inner, innermost = entitled(), entitled()
    inner.mount("/deep", innermost)
    app = FastAPI(routes=[Mount("/in", inner)])
    install(inner, make_guard(lm, other), denied_status=402)
    install(app, guard)
    browser = TestClient(app)
    paths = ("/in/no", "/in/yes", "/in/deep/no", "/in/deep/yes")
    assert [browser.get(path).status_code for path in paths] == [200, 402, 200, 402]


@pytest.mark.parametrize("kind", [EntitlementDenied, meterguard.MeterGuardError])
@pytest.mark.parametrize("where", ["outer", "inner"])
def test_handlers_of_the_applications_stay_in_charge(guard, kind, where):
    async def theirs(_request, error):
        return JSONResponse(type(error).__name__, 418)

    inner = entitled()
    app = FastAPI(routes=[Mount("/in", inner)])
    (app if where == "outer" else inner).add_exception_handler(kind, theirs)
    install(app, guard)
    assert TestClient(app).get("/in/no").status_code == 418


def test_an_application_that_is_mounted_late_or_was_served_before_answers_too(guard, plain):
    app, inner = FastAPI(), plain()
    with pytest.raises(EntitlementDenied):
        TestClient(inner).get("/no")
    install(app, guard)
    browser = TestClient(app)
    assert browser.get("/in/no").status_code == 404
    app.mount("/in", inner)
    assert browser.get("/in/no").status_code == 403


@pytest.mark.parametrize("where", ["outer", "inner"])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_middleware_asks_the_installed_guard(lm, guard, where, is_first):
    inner = Starlette(routes=[Route("/page", page)])
    app = Starlette(routes=[Mount("/in", inner)])
    if is_first:
        install(app, guard)
    (app if where == "outer" else inner).add_middleware(EntitlementMiddleware, name="Analytics")
    if not is_first:
        install(app, guard)
    assert TestClient(app).get("/in/page").status_code == 403
    assert lm.calls("CheckoutLicense") == 1


def test_the_middleware_keeps_the_guard_of_its_own_options(lm, settings, guard, make_guard):
    other = lm.add_license("OTHER", entitlements=[("Analytics", None, "None")])
    named, configured = (Starlette(routes=[Route("/page", page)]) for _ in range(2))
    for app in (named, configured):
        install(app, guard)
    named.add_middleware(EntitlementMiddleware, name="Analytics", guard=make_guard(lm, other))
    told = settings | {"product_sku": "OTHER", "key_fingerprint": other.key_fingerprint}
    configured.add_middleware(EntitlementMiddleware, name="Analytics", **told)
    assert [TestClient(app).get("/page").status_code for app in (named, configured)] == [200, 200]


def test_install_comes_before_the_first_request(guard):
    app = FastAPI()
    TestClient(app).get("/")
    with pytest.raises(meterguard.ConfigurationError, match=r"call install\(\) before the first one"):
        install(app, guard)


def test_the_search_for_guards_that_never_run_goes_everywhere(guard):
    def bypassed(app):
        guard.requires_entitlement("Export")(app.get("/open")(lambda: "open"))
        return app

    inner, deep = bypassed(APIRouter(prefix="/r")), bypassed(FastAPI())
    router = APIRouter(prefix="/api")
    router.include_router(inner, prefix="/v1")
    router.mount("/deep", GZipMiddleware(deep))
    app = FastAPI(routes=[Host("testserver", FastAPI(routes=[Mount("/host", deep)]))])
    app.include_router(router)
    found = {path for path, _ in registered(app)}
    assert {"/api/v1/r/open", "/deep/open", "/host/open"} <= found
    app.debug = True
    install(app, guard)
    with pytest.raises(meterguard.ConfigurationError, match="/api/v1/r/open"), TestClient(app):
        pass


# -- Flask and Django --------------------------------------------------------------------------------


def test_flask_blueprints_at_any_depth_answer_and_ask_the_guard_of_their_application(lm, guard):
    import flask

    from meterguard.integrations.flask import FlaskMeterGuard

    extension = FlaskMeterGuard(guard=guard)
    outer, inner, innermost = (flask.Blueprint(name, __name__, url_prefix=f"/{name}") for name in "abc")
    extension.protect(outer, "Analytics")
    innermost.add_url_rule("/protected", view_func=lambda: "never", endpoint="protected")
    inner.register_blueprint(innermost)
    outer.register_blueprint(inner)
    free = flask.Blueprint("free", __name__)
    free.add_url_rule("/required", view_func=extension.requires("Analytics")(lambda: "never"), endpoint="required")
    app = flask.Flask("site")
    extension.init_app(app)
    app.register_blueprint(outer)
    app.register_blueprint(free)
    browser = app.test_client()
    found = [browser.get(path) for path in ("/a/b/c/protected", "/required")]
    assert [(one.status_code, one.content_type) for one in found] == [(403, PROBLEM)] * 2
    assert lm.calls("CheckoutLicense") >= 1


def test_flask_applications_behind_a_dispatcher_share_an_extension(guard):
    import flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    from meterguard.integrations.flask import FlaskMeterGuard

    extension = FlaskMeterGuard(guard=guard)
    outer, inner = flask.Flask("outer"), flask.Flask("inner")
    for app in (outer, inner):
        extension.init_app(app)
        app.add_url_rule("/no", view_func=extension.requires("Analytics")(lambda: "never"), endpoint="no")
        app.add_url_rule("/gate", view_func=guard.requires_entitlement("Analytics")(lambda: "never"), endpoint="gate")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/in": inner})
    browser = outer.test_client()
    paths = ("/no", "/gate", "/in/no", "/in/gate")
    assert [browser.get(path).status_code for path in paths] == [403] * 4


def test_django_urls_that_are_included_answer_alike(settings):
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import include, path

    from tests.integrations.django_project import project

    @meterguard.requires_entitlement("Analytics")
    def view(request):
        return HttpResponse("never")

    told = {name.upper(): value for name, value in settings.items()}
    nested = include(([path("b/", include([path("no", view)]))], "site"))
    with project({"a/": nested}, told):
        refused = Client().get("/a/b/no")
    assert (refused.status_code, refused.headers["Content-Type"]) == (403, PROBLEM)


def test_django_mounted_in_another_application_answers_for_itself(settings, guard):
    from django.core.handlers.asgi import ASGIHandler
    from django.http import HttpResponse

    from tests.integrations.django_project import project

    async def view(request):
        return HttpResponse("never")

    told = {name.upper(): value for name, value in settings.items()}
    with project({"no": meterguard.requires_entitlement("Analytics")(view)}, told):
        app = FastAPI(routes=[Mount("/in", ASGIHandler())])
        install(app, guard)
        refused = TestClient(app).get("/in/no")
    assert (refused.status_code, refused.headers["content-type"]) == (403, PROBLEM)
