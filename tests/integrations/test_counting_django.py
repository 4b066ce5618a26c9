"""Draws and meters in Django and its REST framework: sites, mixins, decorators, settings, tests of projects."""

from __future__ import annotations

import asyncio
import contextlib
from typing import ClassVar

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.utils.decorators import method_decorator
from django.views import View

import meterguard
from meterguard import ConfigurationError, consumes_entitlement, meters_usage
from meterguard.integrations import django_decorators
from meterguard.integrations.django.test import override_entitlements
from meterguard.integrations.django.views import EntitlementRequiredMixin
from tests.integrations.django_project import project, set_up

set_up()

from rest_framework.exceptions import NotFound  # noqa: E402 - it reads the settings
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework.viewsets import ViewSet  # noqa: E402

from meterguard.integrations.drf import EntitledViewMixin, EntitlementThrottle, HasEntitlement  # noqa: E402

PAGE = consumes_entitlement("Pages", 1)


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Pages", 10, "Count")], ttl=3600)


@pytest.fixture
def serve(settings):
    """``serve({route: view}, ENTITLEMENT=...)``: the project, from here to the end of the test."""
    told = {name.upper(): value for name, value in settings.items()} | {"DENIAL_TTL": 0}
    with contextlib.ExitStack() as stack:

        def start(views, **more):
            stack.enter_context(project(views, told | more))
            return told

        yield start


def charged():
    pages = meterguard.get_guard().ledger.summary().get("Pages")
    return (pages.charged, pages.reserved) if pages else (0, 0)


def sync_get(path):
    return Client(raise_request_exception=False).get(path)


def async_get(path):
    return asyncio.run(AsyncClient(raise_request_exception=False).get(path))


@pytest.fixture(params=[sync_get, async_get], ids=["wsgi", "asgi"])
def get(request):
    return request.param


def missing(request):
    raise Http404


# -- a whole site ------------------------------------------------------------------------------------


def test_a_site_is_charged_for_answers_that_are_no_errors(serve, get):
    serve(
        {
            "fine": lambda request: HttpResponse(str(charged())),
            "sorry": lambda request: HttpResponse("sorry", status=422),
            "missing": missing,
            "broken": lambda request: 1 / 0,
            "health": lambda request: HttpResponse("well"),
        },
        ENTITLEMENT=PAGE,
    )
    assert get("/fine").content == b"(0, 1)"
    assert charged() == (1, 0)
    for path, status in {"/sorry": 422, "/missing": 404, "/broken": 500, "/health": 200}.items():
        assert get(path).status_code == status
        assert charged() == (1, 0)
    for _ in range(9):
        assert get("/fine").status_code == 200
    assert get("/fine").status_code == 429
    assert charged() == (10, 0)


def test_a_stream_of_a_site_is_charged_at_its_end(serve):
    serve({"stream": lambda request: StreamingHttpResponse(iter("ab"))}, ENTITLEMENT=PAGE)
    with contextlib.closing(Client().get("/stream")) as response:
        assert charged() == (0, 1)
        assert b"".join(response.streaming_content) == b"ab"
    assert charged() == (1, 0)


def test_a_site_takes_a_draw_without_options(serve):
    serve({}, ENTITLEMENT=PAGE, ENTITLEMENT_OPTIONS={"hold": "call"})
    with pytest.raises(ConfigurationError, match="has its options itself: give none beside it"):
        PAGE(lambda: None)()


# -- views -------------------------------------------------------------------------------------------


class Report(EntitlementRequiredMixin, View):
    entitlement_required = consumes_entitlement("Pages", lambda request, pages: pages)

    def get(self, request, pages):
        if pages == 7:
            raise Http404
        return HttpResponse("sorry", status=422)


class AsyncReport(Report):
    async def get(self, request, pages):
        return super().get(request, pages)


@pytest.mark.parametrize("view", [Report, AsyncReport])
def test_the_mixin_is_charged_when_the_view_returns(serve, get, view):
    serve({"<int:pages>": view.as_view()})
    assert get("/2").status_code == 422, "a response that is returned is a success"
    assert charged() == (2, 0)
    assert get("/7").status_code == 404
    assert charged() == (2, 0)
    assert get("/11").status_code == 403
    assert charged() == (2, 0)


def test_decorated_views(serve, get):
    @PAGE
    async def in_a_loop(request):
        return HttpResponse("yes")

    @method_decorator(PAGE, name="dispatch")
    class Decorated(View):
        def get(self, request):
            return HttpResponse("yes")

    views = {"loop": in_a_loop, "class": Decorated.as_view(), "missing": PAGE(missing)}
    serve(views)
    assert [get(f"/{path}").status_code for path in views] == [200, 200, 404]
    assert charged() == (2, 0)
    assert all(map(django_decorators.is_guarded, views.values()))


def test_without_the_middleware_a_denied_draw_is_a_403(serve):
    told = serve({"all": consumes_entitlement("Pages", 11)(lambda request: HttpResponse("never"))})
    with override_settings(MIDDLEWARE=[], METERGUARD=told):
        assert sync_get("/all").status_code == async_get("/all").status_code == 403
        with pytest.raises(PermissionDenied):
            consumes_entitlement("Pages", 11).enter()


# -- settings ----------------------------------------------------------------------------------------


def test_the_ledger_of_the_settings(serve, tmp_path):
    told = serve({"page": PAGE(lambda request: HttpResponse("yes"))})
    assert sync_get("/page").status_code == 200
    assert charged() == (1, 0)
    with override_settings(METERGUARD=told | {"LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}"}):
        assert charged() == (0, 0)
        assert sync_get("/page").status_code == 200
        assert charged() == (1, 0)
    assert (tmp_path / "ledger.db").exists()


def test_switched_off_and_back(serve):
    told = serve({"page": meters_usage("Calls")(PAGE(lambda request: HttpResponse("yes")))})
    with override_settings(METERGUARD=told | {"ENABLED": False}):
        assert sync_get("/page").status_code == async_get("/page").status_code == 200
        assert charged() == (0, 0)
        assert meterguard.get_guard().ledger.records() == []
        PAGE.check()
        asyncio.run(PAGE.acheck())
    assert sync_get("/page").status_code == 200
    assert charged() == (1, 0)


@override_entitlements(Pages=2)
def test_a_project_tests_its_draws(serve, control):
    serve({"page": PAGE(lambda request: JsonResponse({})), "two": consumes_entitlement("Pages", 2)(missing)})
    with override_entitlements(Pages=2) as inner:
        assert sync_get("/page").status_code == 200
        assert sync_get("/two").status_code == 429
        inner.assert_charged(Pages=1)
    control.assert_charged()


# -- the REST framework ------------------------------------------------------------------------------


class Document(EntitledViewMixin, APIView):
    entitlement_required = PAGE

    def get(self, request):
        return Response({"charged": charged()}, status=int(request.GET.get("status", 200)))

    def post(self, request):
        raise NotFound


class Documents(EntitledViewMixin, ViewSet):
    entitlement_required: ClassVar = {"create": consumes_entitlement("Pages", 4), "list": meters_usage("Calls")}

    def create(self, request):
        return Response({})

    def list(self, request):
        return Response([])


def test_a_handler_is_charged_when_it_returns(serve):
    serve({"one": Document.as_view(), "many": Documents.as_view({"get": "list", "post": "create"})})
    client = Client()
    assert client.get("/one").json() == {"charged": [0, 1]}
    assert client.post("/one").status_code == 404
    assert charged() == (1, 0)
    assert client.get("/one?status=409").status_code == 409, "a response that is returned is a success"
    assert (client.post("/many").status_code, client.get("/many").status_code) == (200, 200)
    assert charged() == (6, 0)
    (calls,) = [one for one in meterguard.get_guard().ledger.records() if one.entitlement == "Calls"]
    assert calls.quantity == 1


@pytest.mark.parametrize("question", [HasEntitlement, EntitlementThrottle])
def test_what_only_asks_takes_no_draw(question):
    with pytest.raises(ConfigurationError, match="asks and takes nothing, so it counts nothing: put <Draw of Pages"):
        question(PAGE)
