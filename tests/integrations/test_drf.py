"""What only the integration for the REST framework does: permissions, throttle, mixin, answers, schema."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import threading
from typing import ClassVar

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

import meterguard
from meterguard import ConfigurationError, EntitlementDenied, requires_entitlement
from tests.integrations.django_project import Person, project, set_up

set_up()

from rest_framework.authentication import BaseAuthentication  # noqa: E402 - it reads the settings
from rest_framework.decorators import action, api_view, permission_classes  # noqa: E402
from rest_framework.exceptions import APIException  # noqa: E402
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated  # noqa: E402
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework.viewsets import ViewSet  # noqa: E402

from meterguard.integrations.drf import (  # noqa: E402
    EntitledViewMixin,
    EntitlementAPIException,
    EntitlementThrottle,
    HasEntitlement,
    exception_handler,
    logged_in_user,
)

OURS = {"EXCEPTION_HANDLER": "meterguard.integrations.drf.exception_handler"}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
SEAT = ("Seats", 1, "Count")


class Named(BaseAuthentication):
    """Takes people's word for who they are."""

    def authenticate(self, request):
        name = request.META.get("HTTP_X_USER")
        return (Person(name), None) if name else None

    def authenticate_header(self, request):
        return "Name"


class Nobody(BasePermission):
    def has_permission(self, request, view):
        return False


class View(APIView):
    authentication_classes: ClassVar = [Named]
    permission_classes: ClassVar = [AllowAny]
    renderer_classes: ClassVar = [JSONRenderer]

    def get(self, request):
        return Response({"page": "fine"})


def with_permissions(*permissions, **attributes):
    return type("Guarded", (View,), {"permission_classes": list(permissions), **attributes}).as_view()


def licensed(needs, *bases, **attributes):
    return type("Licensed", (EntitledViewMixin, *bases, View), {"entitlement_required": needs, **attributes})


@pytest.fixture
def told(settings):
    return {name.upper(): value for name, value in settings.items()} | {"DENIAL_TTL": 0, "TIMEOUT": 3}


@pytest.fixture
def serve(told):
    """``serve({route: view})``: the project, from here to the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(views, *, handler=OURS, **django):
            more = {"REST_FRAMEWORK": handler, "TEMPLATES": TEMPLATES, **django}
            stack.enter_context(project(views, told, **more))
            with contextlib.suppress(ConfigurationError):  # the client is made before anybody waits for an answer
                meterguard.get_guard().engine.registry.exchange.service.connect()

        yield start


def get(path, method="GET", **headers):
    return Client(raise_request_exception=False).generic(method, path, headers=headers)


def problem(response):
    assert response["Content-Type"] == "application/problem+json"
    document = json.loads(response.content)
    assert document["status"] == response.status_code
    return response.status_code, document["type"].rpartition("/")[2]


# -- permissions -------------------------------------------------------------------------------------


def test_a_permission_asks_and_takes_nothing(lm, serve, seats):
    serve({"seat": with_permissions(HasEntitlement(*SEAT)), "no": with_permissions(HasEntitlement("Analytics"))})
    for _ in range(3):
        assert get("/seat").status_code == 200
        assert seats() == 0
    assert problem(get("/no")) == (403, "not-entitled")


def test_a_page_that_asks_many_times_asks_the_service_once(lm, serve, seats):
    asked = []

    class Counted(HasEntitlement):
        def has_permission(self, request, view):
            asked.append(view)
            return super().has_permission(request, view)

    class Writable(View):
        renderer_classes: ClassVar = [BrowsableAPIRenderer, JSONRenderer]
        permission_classes: ClassVar = [Counted(*SEAT)]
        post = put = delete = View.get

    serve({"page": Writable.as_view()})
    page = get("/page", Accept=BROWSER)
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(asked) > 3
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense"), seats()) == (1, 1, 0)


def test_a_permission_is_declared_right_or_not_at_all():
    for wrong, named in (
        ({"value": 0, "unit": "Count"}, "value"),
        ({"value": 1, "unit": "Cuont"}, "unit"),
        ({"hold": "call"}, "hold"),
        ({"default": None}, "default"),
        ({"value": lambda: 1, "unit": "Count"}, "value"),
    ):
        for kind in (HasEntitlement, EntitlementThrottle):
            with pytest.raises(ConfigurationError, match=named):
                kind("Seats", **wrong)
    assert repr(HasEntitlement(*SEAT)) == "<HasEntitlement <Gate Seats (1 Count)>>"


YES, NO = HasEntitlement("Export"), HasEntitlement("Analytics")


@pytest.mark.parametrize(
    ("permission", "status"),
    [
        (YES & IsAuthenticated, 200),
        (IsAuthenticated & YES, 200),
        (NO & IsAuthenticated, 403),
        (IsAuthenticated & NO, 403),
        (NO | IsAuthenticated, 200),
        (IsAuthenticated | NO, 200),
        (Nobody | NO | IsAuthenticated, 200),
        (Nobody | (NO & YES), 403),
        (NO | YES, 200),
        (YES & NO, 403),
        (~NO, 200),
        (~YES, 403),
        (~(YES & NO), 200),
        (~(NO | Nobody) & YES, 200),
    ],
)
def test_permissions_go_together(serve, permission, status):
    def check(self, request):
        self.check_object_permissions(request, object())
        return Response({})

    serve({"view": with_permissions(permission, get=check)})
    assert get("/view", **{"X-User": "ana"}).status_code == status


def test_what_is_needed_beside_others_is_told_as_if_it_stood_alone(lm, licence, serve, make_guard):
    taken = make_guard(lm, licence).requires_entitlement("Seats", 3, "Count", hold="call")
    serve({"and": with_permissions(IsAuthenticated & HasEntitlement(*SEAT) & AllowAny)})
    with taken:
        refused = get("/and", **{"X-User": "ana"})
    assert problem(refused) == (429, "entitlement-exhausted")
    assert refused["Retry-After"] == "30"


@pytest.mark.parametrize("permission", [~YES, ~(YES & AllowAny), YES | IsAuthenticated, ~(~YES), ~(YES | Nobody)])
@pytest.mark.parametrize(
    ("fault", "answer"),
    [("InternalFailure", (503, "entitlement-unavailable")), ("AccessDeniedException", (403, "not-entitled"))],
)
def test_neither_an_outage_nor_iam_opens_anything(lm, serve, permission, fault, answer):
    serve({"view": with_permissions(permission)})
    with lm.faults.active("CheckoutLicense", error=fault):
        assert problem(get("/view", **{"X-User": "ana"})) == answer


def test_who_is_not_logged_in_is_asked_to_first(serve):
    serve({"view": with_permissions(IsAuthenticated, NO)})
    assert get("/view").status_code == 401
    assert get("/view", **{"X-User": "ana"}).status_code == 403


def test_a_guard_of_its_own(serve, guard):
    serve({"view": with_permissions(HasEntitlement("Export", guard=guard))}, METERGUARD={})
    assert get("/view").status_code == 200
    assert [lease.entitlements[0].name for lease in guard.leases()] == ["Export"]


# -- throttle ----------------------------------------------------------------------------------------


def test_a_throttle_is_for_what_passes(lm, licence, serve, seats, make_guard):
    throttle = {"throttle_classes": [EntitlementThrottle(*SEAT)]}
    serve(
        {
            "seat": with_permissions(AllowAny, **throttle),
            "no": with_permissions(AllowAny, throttle_classes=[EntitlementThrottle("Analytics")]),
        },
        handler={},
    )
    assert (get("/seat").status_code, seats()) == (200, 0)
    with make_guard(lm, licence).requires_entitlement("Seats", 3, "Count", hold="call"):
        refused = get("/seat")
    assert (refused.status_code, refused["Retry-After"]) == (429, "30")
    assert get("/no").status_code == 403
    with lm.down():
        assert get("/seat").status_code == 503
    assert get("/seat").status_code == 200


# -- the mixin ---------------------------------------------------------------------------------------


def test_a_view_holds_a_seat_while_it_answers(lm, serve, seats):
    during = []

    def look(self, request):
        during.append(seats())
        return Response({})

    view = licensed(SEAT, entitlement_options={"hold": "call"}, get=look)
    serve({"view": view.as_view()})
    assert (get("/view").status_code, during, seats()) == (200, [1], 0)
    assert get("/view", "OPTIONS").status_code == 200
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense")) == (1, 1)


def test_a_seat_goes_with_a_stream_to_its_last_byte(lm, serve, seats):
    def stream(self, request):
        return StreamingHttpResponse(iter(["first", "last"]))

    serve({"view": licensed(SEAT, entitlement_options={"hold": "call"}, get=stream).as_view()})
    response = get("/view")
    chunks = iter(response.streaming_content)
    assert (next(chunks), seats()) == (b"first", 1)
    assert (list(chunks), seats()) == ([b"last"], 0)
    abandoned = get("/view")
    assert (next(iter(abandoned.streaming_content)), seats()) == (b"first", 1)
    abandoned.close()
    assert (seats(), lm.calls("CheckInLicense")) == (0, 2)


def test_whatever_becomes_of_a_request_no_seat_is_left(lm, serve, seats):
    class Broken(JSONRenderer):
        def render(self, *args, **kwargs):
            raise ZeroDivisionError

    def fail(self, request):
        raise APIException("of the view") if request.GET else ZeroDivisionError

    options = {"entitlement_options": {"hold": "call"}}
    views = {
        "raises": licensed(SEAT, **options, get=fail),
        "renders": licensed(SEAT, **options, renderer_classes=[Broken]),
        "gives-nothing": licensed(SEAT, **options, get=lambda self, request: None),
    }
    serve({route: view.as_view() for route, view in views.items()})
    for path in ("/raises", "/raises?api=1", "/renders", "/gives-nothing"):
        assert get(path).status_code == 500
        assert seats() == 0
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense")) == (4, 4)


def test_seats_of_requests_at_once(lm, serve, seats):
    inside = threading.Barrier(4)

    def wait(self, request):
        inside.wait(20)
        inside.wait(20)
        return Response({})

    serve({"view": licensed(SEAT, entitlement_options={"hold": "call"}, get=wait).as_view()})
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(get("/view").status_code)) for _ in range(3)]
    for thread in threads:
        thread.start()
    inside.wait(20)
    assert (seats(), get("/view").status_code) == (3, 429)
    inside.wait(20)
    for thread in threads:
        thread.join(20)
    assert (answers, seats()) == ([200] * 3, 0)


def test_a_seat_for_each_user(lm, serve, seats):
    view = licensed(SEAT, entitlement_options={"per": logged_in_user}, permission_classes=[IsAuthenticated])
    serve({"view": view.as_view()})
    for user in ("ana", "ben", "ana", "cleo"):
        assert get("/view", **{"X-User": user}).status_code == 200
    assert seats() == 3
    assert problem(get("/view", **{"X-User": "dora"})) == (429, "entitlement-exhausted")
    assert get("/view").status_code == 401


class Reports(EntitledViewMixin, ViewSet):
    authentication_classes: ClassVar = []
    renderer_classes: ClassVar = [JSONRenderer]
    entitlement_required: ClassVar = {"export": "Export", "create": "Analytics", "list": None, None: "Teleport"}

    def list(self, request):
        return Response(["june"])

    def create(self, request):
        return Response({})

    def destroy(self, request):
        return Response({})

    @action(detail=False)
    def export(self, request):
        return Response("june.pdf")

    @action(detail=False)
    @requires_entitlement("Analytics")
    def analyse(self, request):
        raise AssertionError("never run")


def test_what_a_view_set_needs_by_action(serve):
    serve(
        {
            "reports": Reports.as_view({"get": "list", "post": "create", "delete": "destroy"}),
            "export": Reports.as_view({"get": "export"}),
        }
    )
    assert get("/reports").status_code == get("/reports", "HEAD").status_code == get("/export").status_code == 200
    for method, needed in (("POST", "Analytics"), ("DELETE", "Teleport")):
        assert get("/reports", method).json()["entitlement"] == needed


def test_what_a_view_needs_by_method(serve):
    view = licensed({"get": "Analytics"}, post=View.get)
    serve({"view": view.as_view(), "instead": view.as_view(entitlement_required={"post": "Analytics"})})
    assert [get("/view", method).status_code for method in ("GET", "HEAD", "POST")] == [403, 403, 200]
    assert [get("/instead", method).status_code for method in ("GET", "HEAD", "POST")] == [200, 200, 403]


def test_a_mixin_is_declared_right_or_not_at_all(serve):
    for wrong, said in (
        (("Seats", 0, "Count"), "value"),
        ({"gte": "Export"}, "'gte', which is no action"),
        ((), "must be a name"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            licensed(wrong)
    with pytest.raises(ConfigurationError, match="to the right of its view"):
        type("Wrong", (APIView, EntitledViewMixin), {"entitlement_required": "Export"})
    serve({"nothing": licensed(None).as_view()})
    assert get("/nothing").status_code == 500


# -- the plain decorator -----------------------------------------------------------------------------


@api_view(["GET"])
@permission_classes([AllowAny])
@requires_entitlement("Analytics")
def below(request):
    raise AssertionError("never run")


@requires_entitlement("Analytics")
@api_view(["GET"])
@permission_classes([AllowAny])
def above(request):
    raise AssertionError("never run")


class Decorated(View):
    @requires_entitlement("Analytics")
    def get(self, request):
        raise AssertionError("never run")


DECORATED = {
    "below": below,
    "above": above,
    "method": Decorated.as_view(),
    "action": Reports.as_view({"get": "analyse"}, entitlement_required={}),
}


@pytest.mark.parametrize("route", DECORATED)
def test_a_decorated_handler_is_answered_for(serve, route):
    serve(DECORATED)
    assert problem(get(f"/{route}")) == (403, "not-entitled")


@pytest.mark.parametrize("route", DECORATED)
@pytest.mark.parametrize("middleware", [[], None], ids=["without middleware", "with it"])
def test_without_our_handler_a_denial_is_a_403_that_tells_no_secret(serve, told, route, middleware):
    serve(DECORATED, handler={}, **({} if middleware is None else {"MIDDLEWARE": middleware}))
    refused = get(f"/{route}")
    assert refused.status_code == 403
    assert b"License Manager" not in refused.content
    assert told["KEY_FINGERPRINT"].encode() not in refused.content


def test_without_our_handler_the_middleware_answers_for_an_outage(lm, serve):
    serve({"method": Decorated.as_view()}, handler={})
    with lm.down():
        assert problem(get("/method")) == (503, "entitlement-unavailable")


def test_a_handler_of_the_application_may_call_ours(serve, monkeypatch):
    def theirs(error, context):
        if isinstance(error, EntitlementDenied):
            return Response({"sorry": error.missing[0].name}, status=418)
        return exception_handler(error, context)

    serve(DECORATED | {"no": with_permissions(NO), "gone": Nothing.as_view()}, handler={"EXCEPTION_HANDLER": theirs})
    assert (get("/method").status_code, get("/method").json()) == (418, {"sorry": "Analytics"})
    assert problem(get("/no")) == (403, "not-entitled")
    assert (get("/gone").status_code, get("/gone").json()) == (500, {"detail": "gone"})


class Nothing(View):
    def get(self, request):
        raise APIException("gone")


# -- answers -----------------------------------------------------------------------------------------


def test_people_get_a_page_and_who_browses_the_api_stays_in_it(serve):
    browsable = [BrowsableAPIRenderer, JSONRenderer]
    serve({"no": with_permissions(NO), "api": with_permissions(NO, renderer_classes=browsable)})
    page = get("/no", Accept=BROWSER)
    assert (page.status_code, page["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert b"<h1>Not included in the licence</h1>" in page.content
    api = get("/api", Accept=BROWSER)
    assert (api.status_code, api["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert b"Guarded" in api.content
    assert b"not-entitled" in api.content
    assert problem(get("/api", Accept="application/json")) == (403, "not-entitled")


def test_without_our_handler_a_permission_is_told_in_the_words_of_the_framework(lm, serve):
    serve({"no": with_permissions(NO)}, handler={})
    refused = get("/no")
    assert (refused.status_code, list(refused.json())) == (403, ["detail"])
    with lm.down():
        down = get("/no")
    assert (down.status_code, int(down["Retry-After"]) >= 1) == (503, True)


def test_a_mistake_in_the_set_up_tells_clients_nothing(serve):
    def seats(self, request):
        raise ConfigurationError("the product is called X")

    serve({"wrong": with_permissions(AllowAny, get=seats)})
    refused = get("/wrong")
    assert (refused.status_code, refused.json()["title"]) == (500, "Internal Server Error")
    assert b"product" not in refused.content


def test_while_a_developer_looks_a_mistake_is_shown(serve):
    def seats(self, request):
        raise ConfigurationError("the product is called X")

    serve({"wrong": with_permissions(AllowAny, get=seats)}, DEBUG=True)
    assert b"the product is called X" in get("/wrong").content


def test_an_exception_stays_what_it_is(serve):
    caught = []

    def theirs(error, context):
        caught.append(error)
        return exception_handler(error, context)

    serve({"no": with_permissions(NO)}, handler={"EXCEPTION_HANDLER": theirs})
    assert get("/no").status_code == 403
    for one in (*caught, pickle.loads(pickle.dumps(caught[0])), copy.copy(caught[0])):
        assert (type(one), one.status_code, one.wait, one.refusal.slug) == (
            EntitlementAPIException,
            403,
            None,
            "not-entitled",
        )
        assert (one.get_codes(), str(one)) == ("not-entitled", one.refusal.detail)


# -- the document ------------------------------------------------------------------------------------


def test_the_document_says_what_guarded_views_may_answer(serve, told):
    from django.test import override_settings
    from drf_spectacular.generators import SchemaGenerator

    from meterguard.integrations.drf.schema import EntitlementAutoSchema

    documented = {"schema": EntitlementAutoSchema()}
    guarded = {
        "permission": with_permissions(NO, **documented),
        "together": with_permissions(AllowAny & (NO | IsAuthenticated), **documented),
        "throttle": with_permissions(AllowAny, throttle_classes=[EntitlementThrottle(*SEAT)], **documented),
        "mixin": licensed("Export", **documented).as_view(),
        "method": type("Documented", (Decorated,), documented).as_view(),
    }
    serve({**guarded, "open": with_permissions(AllowAny, **documented)})
    with override_settings(METERGUARD=told | {"DENIED_STATUS": 451}):
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    found = {path: set(told_of["get"]["responses"]) - {"200"} for path, told_of in paths.items()}
    assert found == {f"/{route}": {"451", "429", "503"} for route in guarded} | {"/open": set()}
    body = paths["/mixin"]["get"]["responses"]["429"]["content"]["application/problem+json"]["schema"]
    assert body["properties"]["retry_after"] == {"type": "integer"}
