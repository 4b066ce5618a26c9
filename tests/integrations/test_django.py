"""What only the Django app does: settings, views, whole sites, answers."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import pickle
from typing import ClassVar

import pytest
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.utils.decorators import method_decorator
from django.views import View

import meterguard
from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable, requires_entitlement
from meterguard.integrations import django_project
from meterguard.integrations.django import entitlement_not_required, logged_in_user
from meterguard.integrations.django.test import override_entitlements
from meterguard.integrations.django.views import EntitlementRequiredMixin
from meterguard.integrations.django_guard import permission_denied
from tests.integrations.django_project import SESSIONS, log_in, project, set_up

set_up()

SEAT = ("Seats", 1, "Count")
POLITE = "tests.integrations.django_project.Polite"
MIDDLEWARE = "meterguard.integrations.django.middleware.EntitlementMiddleware"


@pytest.fixture
def told(settings):
    """``settings.METERGUARD`` for the licence."""
    return {name.upper(): value for name, value in settings.items()} | {"DENIAL_TTL": 0}


@pytest.fixture
def serve(told):
    """``serve({route: view}, ENTITLEMENT=...)``: the project, from here to the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(views, *, django=None, **meterguard):
            stack.enter_context(project(views, told | meterguard, **django or {}))

        yield start


def sync_get(path, method="GET", cookies=None, **headers):
    client = Client(raise_request_exception=False)
    client.cookies = cookies or client.cookies
    with contextlib.closing(client.generic(method, path, headers=headers)) as response:
        body = b"".join(response.streaming_content) if response.streaming else response.content
        return response.status_code, body.decode()


def async_get(path, method="GET", cookies=None, **headers):
    async def ask():
        client = AsyncClient(raise_request_exception=False)
        client.cookies = cookies or client.cookies
        response = await client.generic(method, path, headers=headers)
        if not response.streaming:
            return response.status_code, response.content.decode()
        chunks = [chunk async for chunk in response]
        response.close()
        return response.status_code, b"".join(chunks).decode()

    return asyncio.run(ask())


@pytest.fixture(params=[sync_get, async_get], ids=["wsgi", "asgi"])
def get(request):
    """``get(path)``: status and text, through Django's synchronous and its asynchronous chain."""
    return request.param


def status(get, path, **more):
    return get(path, **more)[0]


def yes(request):
    return HttpResponse("yes")


async def async_yes(request):
    return HttpResponse("yes")


def never(request):
    raise AssertionError("never run")


def kind(body):
    return json.loads(body)["type"].rpartition("/")[2]


# -- set-up ------------------------------------------------------------------------------------------


def test_settings_make_the_default_guard_and_change_it(lm, serve, told):
    other = lm.add_license("ACME-2", entitlements=[("Analytics", None, "None")])
    serve({"a": requires_entitlement("Analytics")(yes)})
    guard = meterguard.get_guard()
    assert status(sync_get, "/a") == 403
    with override_settings(METERGUARD=told | {"PRODUCT_SKU": other.product_sku, "UNAVAILABLE_STATUS": 500}):
        assert meterguard.get_guard() is guard
        assert sync_get("/a") == (200, "yes")
    assert lm.checkouts() == []
    assert status(sync_get, "/a") == 403


def test_a_change_of_how_to_answer_keeps_the_leases(lm, serve, told):
    serve({"e": requires_entitlement("Export")(yes)})
    assert status(sync_get, "/e") == 200
    with override_settings(METERGUARD=told | {"DENIED_STATUS": 402}):
        assert status(sync_get, "/e") == 200
    assert lm.calls("CheckoutLicense") == 1


def test_set_up_asks_nobody_and_starts_nothing(lm, serve):
    serve({})
    assert (lm.requests, meterguard.get_guard()._engine) == ([], None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"GRACES": 5}, "settings.METERGUARD has no setting GRACES; there are AUTHORITY, BENEFICIARY"),
        ({"product_sku": "x"}, "has no setting product_sku"),
        ({"GRACE": -1}, "grace must be"),
        ({"DENIED_STATUS": 200}, "denied_status must be an HTTP status from 400 to 599; got 200"),
        ({"EXEMPT": "/health"}, "exempt must be a list of patterns"),
        ({"ENABLED": "no"}, "enabled must be True or False; got 'no'"),
        ({"ENTITLEMENT": 5}, "ENTITLEMENT in settings.METERGUARD must be a name, or a name, a value and a unit"),
        ({"ENTITLEMENT": ("Seats", 0, "Count")}, "value must be"),
        ({"ENTITLEMENT": "Site", "ENTITLEMENT_OPTIONS": {"default": 1}}, "must be a dict with any of guard, hold, "),
        ({"ENTITLEMENT_OPTIONS": {"hold": "call"}}, "has ENTITLEMENT_OPTIONS, and no ENTITLEMENT"),
        (["GRACE"], "settings.METERGUARD must be a dict; got a list"),
    ],
)
def test_a_wrong_setting_opens_nothing(lm, serve, told, get, wrong, says):
    serve({"plain": yes, "e": requires_entitlement("Export")(yes), "health": yes})
    given = told | wrong if isinstance(wrong, dict) else wrong
    with override_settings(METERGUARD=given):
        assert says in str(django_project.installed().mistake)
        assert [status(get, path) for path in ("/plain", "/e", "/health")] == [500, 500, 200]
        with pytest.raises(ConfigurationError) as caught:
            meterguard.has_entitlement("Export")
    assert says in str(caught.value)
    assert [status(get, path) for path in ("/plain", "/e")] == [200, 200]


def test_the_off_switch_lets_everything_through(lm, serve, get):
    serve(
        {"a": requires_entitlement("Analytics")(yes), "m": Report.as_view(entitlement_required="Anything")},
        ENABLED=False,
        ENTITLEMENT="Site",
    )
    assert [get("/a"), get("/m")] == [(200, "yes"), (200, "report")]
    assert lm.requests == []


def test_a_guard_that_the_application_configured_stays_unless_settings_name_one(lm, licence, settings, told):
    mine = meterguard.configure(**settings)
    with project({}, {"DENIED_STATUS": 402}):
        assert meterguard.get_guard() is mine


# -- views -------------------------------------------------------------------------------------------


class Report(EntitlementRequiredMixin, View):
    entitlement_required = "Export"

    def get(self, request):
        return HttpResponse("report")


class AsyncReport(EntitlementRequiredMixin, View):
    entitlement_required = "Export"

    async def get(self, request):
        return HttpResponse("report")


def shapes(gate, seats):
    """Every way in which a gate stands before a view. Each view says how many seats are taken while it runs."""

    def plain(request):
        return HttpResponse(str(seats()))

    async def asynchronous(request):
        await asyncio.sleep(0)
        return HttpResponse(str(seats()))

    class Method(View):
        @gate
        def get(self, request):
            return plain(request)

    class AsyncMethod(View):
        @gate
        async def get(self, request):
            return await asynchronous(request)

    @method_decorator(gate, name="dispatch")
    class Dispatch(View):
        def get(self, request):
            return plain(request)

    @method_decorator(gate, name="dispatch")
    class AsyncDispatch(View):
        async def get(self, request):
            return await asynchronous(request)

    @method_decorator(gate, name="get")
    class AsyncGet(View):
        async def get(self, request):
            return await asynchronous(request)

    return {
        "function": gate(plain),
        "async": gate(asynchronous),
        "as-view": gate(type("Bare", (View,), {"get": lambda self, request: plain(request)}).as_view()),
        **{one.__name__: one.as_view() for one in (Method, AsyncMethod, Dispatch, AsyncDispatch, AsyncGet)},
    }


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_every_shape_of_a_view_is_guarded_for_as_long_as_it_runs(lm, serve, get, seats, hold):
    views = shapes(requires_entitlement(*SEAT, hold=hold), seats)
    serve(views)
    assert [get(f"/{name}") for name in views] == [(200, "1")] * len(views)
    assert seats() == (1 if hold == "shared" else 0)
    assert lm.calls("CheckInLicense") == (0 if hold == "shared" else len(views))


def test_every_shape_of_a_view_is_refused(serve, get, seats):
    views = shapes(requires_entitlement("Analytics"), seats)
    serve(views)
    assert [status(get, f"/{name}") for name in views] == [403] * len(views)


@pytest.mark.parametrize("shape", ["StreamingHttpResponse", "FileResponse", "async"])
def test_a_stream_keeps_its_seat_to_the_last_byte(lm, serve, tmp_path, seats, shape):
    (tmp_path / "file").write_bytes(b"ab")

    def chunks():
        yield from (b"a", b"b")

    async def async_chunks():
        for chunk in (b"a", b"b"):
            yield chunk

    bodies = {
        "StreamingHttpResponse": lambda: StreamingHttpResponse(chunks()),
        "FileResponse": lambda: FileResponse((tmp_path / "file").open("rb")),
        "async": lambda: StreamingHttpResponse(async_chunks()),
    }
    gate = requires_entitlement(*SEAT, hold="call")
    serve({"stream": gate(lambda request: bodies[shape]())})

    async def read():
        response = await AsyncClient().get("/stream")
        assert seats() == 1, "the response is not sent yet"
        during = [seats() async for _ in response]
        response.close()
        return during

    if shape == "async":
        assert asyncio.run(read()) == [1, 1]
    else:
        with contextlib.closing(Client().get("/stream")) as response:
            assert seats() == 1, "the response is not sent yet"
            assert {seats() for _ in response.streaming_content} == {1}
    assert (seats(), lm.calls("CheckInLicense")) == (0, 1)


def test_a_client_that_goes_half_way_leaves_no_seat(lm, serve, seats):
    serve({"stream": requires_entitlement(*SEAT, hold="call")(lambda request: StreamingHttpResponse(iter("abc")))})
    response = Client().get("/stream")
    assert next(iter(response)) == b"a"
    assert seats() == 1
    response.close()
    response.close()
    assert (seats(), lm.calls("CheckInLicense")) == (0, 1)


# -- the mixin ---------------------------------------------------------------------------------------


def test_the_mixin_guards(lm, serve, get):
    views = {"sync": Report, "async": AsyncReport}
    serve(
        {f"{name}/yes": view.as_view() for name, view in views.items()}
        | {f"{name}/no": view.as_view(entitlement_required="Analytics") for name, view in views.items()}
    )
    for name in views:
        assert (get(f"/{name}/yes"), get(f"/{name}/yes")) == ((200, "report"), (200, "report"))
        denied, body = get(f"/{name}/no")
        assert (denied, kind(body)) == (403, "not-entitled")
    assert lm.calls("CheckoutLicense") == 3


class Held(EntitlementRequiredMixin, View):
    entitlement_required = SEAT
    entitlement_options: ClassVar = {"hold": "call"}
    work = staticmethod(lambda: HttpResponse("done"))

    def get(self, request):
        return self.work()


class AsyncHeld(Held):
    async def get(self, request):
        await asyncio.sleep(0)
        return self.work()


@pytest.mark.parametrize("view", [Held, AsyncHeld])
def test_the_mixin_holds_a_seat_for_as_long_as_the_view_and_its_stream(lm, serve, get, seats, view):
    during = []

    def chunks():
        during.append(seats())
        yield b"a"
        during.append(seats())

    def plain():
        during.append(seats())
        return HttpResponse("plain")

    serve(
        {
            "plain": view.as_view(work=plain),
            "stream": view.as_view(work=lambda: StreamingHttpResponse(chunks())),
            "broken": view.as_view(work=lambda: 1 / 0),
        }
    )
    assert get("/plain") == (200, "plain")
    is_async = get is async_get
    with pytest.warns(Warning, match="must consume synchronous iterators") if is_async else contextlib.nullcontext():
        assert get("/stream") == (200, "a")
    assert status(get, "/broken") == 500
    assert during == [1, 1, 1]
    assert (seats(), lm.calls("CheckInLicense")) == (0, 3)


def test_a_seat_for_each_argument_of_the_view(serve, get, seats):
    class Document(EntitlementRequiredMixin, View):
        entitlement_required = SEAT
        entitlement_options: ClassVar = {"per": lambda request, name: name}

        def get(self, request, name):
            return HttpResponse(name)

    serve({"<name>": Document.as_view()})
    assert [get(f"/{name}")[0] for name in "abacd"] == [200, 200, 200, 200, 429]
    assert seats() == 3


def test_what_is_answered_instead_can_be_the_views_own(serve, get):
    class Kind(Report):
        entitlement_required = "Analytics"

        def handle_no_entitlement(self):
            return HttpResponse(f"no {self.entitlement_error.missing[0].name}", status=418)

    class AsyncKind(AsyncReport):
        entitlement_required = "Analytics"

        async def handle_no_entitlement(self):
            return HttpResponse(f"no {self.entitlement_error.missing[0].name}", status=418)

    serve({"sync": Kind.as_view(), "async": AsyncKind.as_view()})
    assert [get("/sync"), get("/async")] == [(418, "no Analytics")] * 2


def test_what_a_view_runs_into_is_not_its_own_refusal(serve, get):
    class Outer(Report):
        def get(self, request):
            return requires_entitlement("Analytics")(yes)(request)

        def handle_no_entitlement(self):
            raise AssertionError("the view was let through")

    serve({"outer": Outer.as_view()})
    assert status(get, "/outer") == 403


def test_the_mixin_stands_left_of_its_view():
    with pytest.raises(ConfigurationError, match=r"class Wrong\(EntitlementRequiredMixin, ...\)"):

        class Wrong(View, EntitlementRequiredMixin):
            entitlement_required = "Export"


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (type("Forgot", (EntitlementRequiredMixin, View), {}), "Forgot.entitlement_required must be a name"),
        (type("Bad", (Report,), {"entitlement_required": ("Seats", 0, "Count")}), "value must be"),
        (type("Odd", (Report,), {"entitlement_options": {"default": 1}}), "the options of Odd.entitlement_required"),
    ],
)
def test_a_wrong_mixin_is_refused_when_the_urlconf_is_read(view, says):
    with pytest.raises(ConfigurationError, match=says):
        view.as_view()


def test_a_class_without_its_urlconf_is_guarded_too(serve):
    serve({})
    view = type("Denied", (Report,), {"entitlement_required": "Analytics"})()
    request = RequestFactory().get("/")
    view.setup(request)
    with pytest.raises(EntitlementDenied):
        view.dispatch(request)


# -- the whole site ----------------------------------------------------------------------------------


@entitlement_not_required
def free(request):
    return HttpResponse("free")


@entitlement_not_required
class Free(View):
    def get(self, request):
        return HttpResponse("free")


@method_decorator(entitlement_not_required, name="dispatch")
class FreeDispatch(View):
    async def get(self, request):
        return HttpResponse("free")


SITE = {
    "view": yes,
    "async": async_yes,
    "free": free,
    "free-class": Free.as_view(),
    "free-dispatch": FreeDispatch.as_view(),
    "health": yes,
}


def test_a_site_is_guarded_but_for_what_is_exempt(serve, get):
    serve(SITE, ENTITLEMENT="Analytics")
    found = {route: status(get, f"/{route}") for route in SITE}
    assert [route for route, code in found.items() if code == 403] == ["view", "async"]
    assert {code for code in found.values() if code != 403} == {200}
    assert kind(get("/view")[1]) == "not-entitled"
    assert (status(get, "/view", method="OPTIONS"), status(get, "/nowhere")) == (200, 404)


def test_a_licensed_site_serves_on_one_lease(lm, serve, get):
    serve(SITE, ENTITLEMENT=SEAT)
    assert [status(get, f"/{route}") for route in (*SITE, *SITE)] == [200] * 2 * len(SITE)
    assert lm.calls("CheckoutLicense") == 1


def test_paths_of_ones_own_are_exempt(serve, get):
    serve({"a/x": yes, "b": yes, "health": yes}, ENTITLEMENT="Analytics", EXEMPT=["/a/*"])
    assert [status(get, path) for path in ("/a/x", "/b", "/health")] == [200, 403, 403]


def test_an_outage_of_a_guarded_site(lm, serve, get):
    serve(SITE, ENTITLEMENT=SEAT, TIMEOUT=3)
    with lm.down():
        code, body = get("/view")
    assert (code, kind(body)) == (503, "entitlement-unavailable")
    assert status(get, "/view") == 200


def test_all_seats_of_a_site_are_taken(lm, licence, serve, get, make_guard):
    serve(SITE, ENTITLEMENT=SEAT)
    with make_guard(lm, licence).requires_entitlement("Seats", 3, "Count"):
        code, body = get("/view")
    assert (code, kind(body)) == (429, "entitlement-exhausted")


@pytest.mark.parametrize("path", ["/plain", "/stream", "/broken", "/lazy"])
def test_a_sites_seat_is_held_for_the_whole_request(lm, serve, get, seats, path):
    during = []

    def plain(request):
        during.append(seats())
        return HttpResponse("plain")

    async def chunks():
        during.append(seats())
        yield b"a"

    def sync_chunks():
        during.append(seats())
        yield b"a"

    class Lazy(HttpResponse):
        def render(self):
            during.append(seats())
            return self

    def broken(request):
        during.append(seats())
        return 1 / 0

    serve(
        {
            "plain": plain,
            "stream": lambda request: StreamingHttpResponse((chunks if get is async_get else sync_chunks)()),
            "broken": broken,
            "lazy": lambda request: Lazy("lazy"),
        },
        ENTITLEMENT=SEAT,
        ENTITLEMENT_OPTIONS={"hold": "call"},
    )
    assert status(get, path) == (500 if path == "/broken" else 200)
    assert (during, seats(), lm.calls("CheckInLicense")) == ([1], 0, 1)


def test_a_client_that_leaves_an_async_site_leaves_no_seat(lm, serve, seats):
    """The task of a request is cancelled, as servers do."""

    async def slow(request):
        started.set()
        await asyncio.Event().wait()

    async def leave():
        task = asyncio.ensure_future(AsyncClient().get("/slow"))
        await started.wait()
        assert seats() == 1
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    started = asyncio.Event()
    serve({"slow": slow}, ENTITLEMENT=SEAT, ENTITLEMENT_OPTIONS={"hold": "call"})
    asyncio.run(leave())
    assert (seats(), lm.calls("CheckInLicense")) == (0, 1)


def test_a_request_that_is_thrown_away_gives_its_seat_back(lm, serve, seats):
    from meterguard.integrations.django.middleware import EntitlementMiddleware

    serve({}, ENTITLEMENT=SEAT, ENTITLEMENT_OPTIONS={"hold": "call"})
    request = RequestFactory().get("/")
    EntitlementMiddleware(yes).process_view(request, yes, (), {})
    assert seats() == 1
    del request
    lm.wait_for_calls("CheckInLicense", done=True)
    assert seats() == 0


# -- answers -----------------------------------------------------------------------------------------


@pytest.fixture(params=["sync view", "async view"])
def denied_view(request):
    return requires_entitlement("Analytics")(never if request.param == "sync view" else async_yes)


def test_answers_of_the_middleware(serve, get, denied_view):
    serve({"no": denied_view})
    code, body = get("/no")
    assert (code, kind(body), json.loads(body)["instance"]) == (403, "not-entitled", "/no")
    code, page = get("/no", accept="text/html")
    assert (code, "<h1>Not included in the licence</h1>" in page) == (403, True)


def test_statuses_texts_and_pages_are_the_projects(serve, get, denied_view):
    serve({"no": denied_view}, DENIED_STATUS=402, HTML=lambda refusal: f"<h1>{refusal.slug}</h1>")
    assert get("/no", accept="text/html") == (402, "<h1>not-entitled</h1>")


def test_other_middleware_sees_the_answer_and_may_have_its_own(serve, get, denied_view):
    serve({"no": denied_view}, django={"MIDDLEWARE": [MIDDLEWARE, POLITE]})
    assert get("/no?ask=nicely") == (418, "we are sorry")
    assert status(get, "/no") == 403
    assert Client().get("/no").headers["X-Polite"] == "yes"


def test_a_mistake_is_djangos_page_in_debug_and_told_to_admins_in_production(serve, get, caplog):
    serve({"m": requires_entitlement("Seats", lambda request: -1, "Count")(never)})
    code, body = get("/m")
    assert (code, json.loads(body)["type"]) == (500, "about:blank")
    (record,) = [record for record in caplog.records if record.name == "django.request"]
    assert (record.getMessage(), record.levelname) == ("Internal Server Error: /m", "ERROR")
    assert "value must be" in str(record.exc_info[1])
    with override_settings(DEBUG=True):
        code, body = get("/m")
    assert (code, "value must be" in body) == (500, True)


def test_without_the_middleware_a_denial_is_a_403(lm, serve, get, denied_view):
    serve({"no": denied_view, "mixin": Report.as_view(entitlement_required="Analytics")}, django={"MIDDLEWARE": []})
    assert ([status(get, "/no"), status(get, "/mixin")]) == [403, 403]
    with lm.faults.active("CheckoutLicense", error="AccessDeniedException"):
        assert status(get, "/no") == 403
    with override_entitlements(Export=True):
        assert status(get, "/no") == 403


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EntitlementDenied, "The licence does not include what you asked for."),
        (meterguard.AuthorizationRefused, "This application is not allowed to ask for its licence."),
        (meterguard.UntrustedLease, "The answer about the licence could not be verified."),
    ],
)
def test_a_denial_that_django_knows_stays_what_it_was(error, said):
    from django.core.exceptions import PermissionDenied

    original = error("no", (meterguard.Entitlement("Seats", 1, "Count"),), code="X", request_id="r", retry_after=3)
    both = permission_denied(original)
    assert isinstance(both, error)
    assert isinstance(both, PermissionDenied)
    assert permission_denied(both) is both
    for other in (both, pickle.loads(pickle.dumps(both)), copy.copy(both), copy.deepcopy(both)):
        assert (type(other), str(other), vars(other)) == (type(both), "no", vars(original))
        # what the REST framework tells clients, and it can do with no more than two of them
        assert other.args == (said,)


def test_an_outage_is_no_denial_for_django_either(lm, serve):
    serve({"e": requires_entitlement("Export")(yes)}, django={"MIDDLEWARE": []}, TIMEOUT=3)
    with lm.down(), pytest.raises(EntitlementUnavailable):
        Client().get("/e")


# -- users -------------------------------------------------------------------------------------------


def test_a_seat_for_each_user(serve, get, seats):
    from django.contrib.auth.decorators import login_required

    gate = requires_entitlement(*SEAT, per=logged_in_user)

    @login_required
    @gate
    async def asynchronous(request):
        return HttpResponse("edited")

    @method_decorator(login_required, name="dispatch")
    class Edit(EntitlementRequiredMixin, View):
        entitlement_required = SEAT
        entitlement_options: ClassVar = {"per": logged_in_user}

        def get(self, request):
            return HttpResponse("edited")

    serve({"login/<user>": log_in, "sync": gate(yes), "async": asynchronous, "mixin": Edit.as_view()}, django=SESSIONS)
    assert status(get, "/sync") == 500, "nobody is logged in"
    for number, user in enumerate((1, 2), start=1):
        client = Client()
        client.get(f"/login/{user}")
        assert [status(get, f"/{way}", cookies=client.cookies) for way in ("sync", "async", "mixin")] == [200] * 3
        assert seats() == number


def test_a_site_with_a_seat_for_each_user(serve, get, seats):
    from django.contrib.auth.decorators import login_not_required

    middleware = [*SESSIONS["MIDDLEWARE"]]
    middleware.insert(-1, "django.contrib.auth.middleware.LoginRequiredMiddleware")
    login = entitlement_not_required(login_not_required(lambda request, user: log_in(request, user)))
    serve(
        {"login/<user>": login, "sync": lambda request: HttpResponse("yes"), "async": async_yes},
        django=SESSIONS | {"MIDDLEWARE": middleware},
        ENTITLEMENT=SEAT,
        ENTITLEMENT_OPTIONS={"per": logged_in_user},
    )
    assert status(get, "/sync") == 302, "the login comes first"
    for number, user in enumerate((1, 2), start=1):
        client = Client()
        client.get(f"/login/{user}")
        assert [status(get, f"/{way}", cookies=client.cookies) for way in ("sync", "async")] == [200, 200]
        assert seats() == number


def test_a_user_is_never_read_on_the_event_loop(serve):
    """Django refuses a database there, and so does our stand-in for one; other backends would block the loop."""
    serve({"login/<user>": log_in}, django=SESSIONS)
    client = Client()
    client.get("/login/1")

    async def ask(*, loaded):
        from django.contrib.auth.middleware import AuthenticationMiddleware

        request = AsyncRequestFactory().get("/")
        request.session = client.session
        AuthenticationMiddleware(lambda request: None).process_request(request)
        if loaded:
            await request.auser()
        return logged_in_user(request)

    assert asyncio.run(ask(loaded=True)) == "1"
    with pytest.raises(ConfigurationError, match=r"with @login_required or await request\.auser"):
        asyncio.run(ask(loaded=False))


def test_who_logs_in_in_the_request_is_the_user():
    from django.contrib.auth.models import AnonymousUser

    from tests.integrations.django_project import Person

    request = RequestFactory().get("/")
    request._acached_user = Person(1)
    request.user = Person(2)
    assert logged_in_user(request) == "2"
    request.user = AnonymousUser()
    with pytest.raises(ConfigurationError, match="nobody is logged in"):
        logged_in_user(request)
    with pytest.raises(ConfigurationError, match="nobody is logged in"):
        logged_in_user()
