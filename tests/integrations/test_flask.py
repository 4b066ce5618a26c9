"""What only the Flask extension does."""

from __future__ import annotations

import contextlib
import logging

import pytest
from flask import Blueprint, Flask, Response, render_template_string, request, session
from flask.views import MethodView

import meterguard
from meterguard import ConfigurationError, EntitlementDenied, MeterGuardError
from meterguard.integrations.flask import (
    FlaskMeterGuard,
    current_meterguard,
    entitlement_denied,
    lease_checked_in,
    lease_checked_out,
    logged_in_user,
)


@pytest.fixture
def app():
    app = Flask("site")
    app.secret_key = "of the test"
    return app


@pytest.fixture
def extension(app, guard):
    return FlaskMeterGuard(app, guard)


@pytest.fixture
def browse(app):
    """``browse(path)``: status and text."""

    def get(path, *, method="GET", **headers):
        with app.test_client().open(path, method=method, headers=headers) as response:
            return response.status_code, response.get_data(as_text=True)

    return get


def status(browse, path, **more):
    return browse(path, **more)[0]


# -- set-up ------------------------------------------------------------------------------------------


def test_settings_make_the_default_guard_and_the_extension_serves_many_apps(settings, browse, app):
    extension = FlaskMeterGuard()
    app.config.from_mapping({f"METERGUARD_{name.upper()}": value for name, value in settings.items()})
    extension.init_app(app)
    other = Flask("other")
    extension.init_app(other)

    @app.get("/export")
    @meterguard.requires_entitlement("Export")
    def export():
        assert current_meterguard._get_current_object() is meterguard.get_guard()
        return "exported"

    assert browse("/export") == (200, "exported")


def test_an_argument_beats_a_setting(app, guard, browse):
    app.config["METERGUARD_DENIED_STATUS"] = 451
    FlaskMeterGuard(app, guard, denied_status=402)

    @app.get("/")
    @guard.requires_entitlement("Analytics")
    def index():
        raise AssertionError("never run")

    assert status(browse, "/") == 402


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("METERGUARD_GRACES", 5, "app.config (METERGUARD_...) has no setting GRACES; there are"),
        ("METERGUARD_GRACE", -1, "grace must be"),
        ("METERGUARD_DENIED_STATUS", 200, "denied_status must be an HTTP status from 400 to 599; got 200"),
        ("METERGUARD_DENIED_STATUS", True, "denied_status must be an HTTP status"),
        ("METERGUARD_RETRY_AFTER", 0, "retry_after must be a positive number of seconds; got 0"),
        ("METERGUARD_EXEMPT", "/health", "exempt must be a list of patterns"),
        ("METERGUARD_CUSTOMIZE", "text", "customize must be a callable"),
        ("METERGUARD_ENABLED", "no", "enabled must be True or False; got 'no'"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(app, setting, value, told):
    app.config[setting] = value
    with pytest.raises(ConfigurationError) as caught:
        FlaskMeterGuard(app)
    assert told in str(caught.value)


def test_an_unknown_argument_is_refused():
    with pytest.raises(
        ConfigurationError, match="FlaskMeterGuard has no setting lingers; there are authority, beneficiary"
    ):
        FlaskMeterGuard(lingers=3)


def test_a_guard_and_what_makes_another_are_one_too_many(guard):
    with pytest.raises(ConfigurationError, match="got a guard, and grace to make another"):
        FlaskMeterGuard(guard=guard, grace=3)


def test_an_app_is_set_up_once(app, extension):
    with pytest.raises(ConfigurationError, match="has a FlaskMeterGuard already"):
        extension.init_app(app)


def test_without_it_the_proxy_names_the_fix(app):
    with app.app_context(), pytest.raises(ConfigurationError, match=r"call FlaskMeterGuard\(app\) or init_app"):
        current_meterguard.leases()


def test_set_up_asks_nobody(lm, app, settings):
    FlaskMeterGuard(app, **settings)
    assert lm.requests == []


def test_the_off_switch_lets_everything_through(lm, app, browse):
    app.config["METERGUARD_ENABLED"] = False
    extension = FlaskMeterGuard(app)

    @app.get("/plain")
    @meterguard.requires_entitlement("Seats", 1, "Count", pass_lease="lease")
    def plain(lease):
        return f"{lease.is_live}"

    @app.get("/more")
    @extension.requires("Analytics", hold="call")
    def more():
        return str(meterguard.has_entitlement("Anything"))

    assert (browse("/plain"), browse("/more")) == ((200, "False"), (200, "True"))
    assert lm.requests == []


# -- blueprints --------------------------------------------------------------------------------------


@pytest.fixture
def blueprint(app, extension):
    """``blueprint(**declaration)``: a protected one with another in it, both registered."""

    def make(name, value=None, unit=None, **options):
        outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner", url_prefix="/inner")
        extension.protect(outer, name, value, unit, **options)
        outer.add_url_rule("/view", view_func=lambda: "view", endpoint="view")
        outer.add_url_rule("/free", view_func=extension.exempt(lambda: "free"), endpoint="free")
        outer.add_url_rule("/health", view_func=lambda: "well", endpoint="health")
        outer.add_url_rule("/stream", view_func=lambda: Response(iter("ab")), endpoint="stream")
        outer.add_url_rule("/broken", view_func=lambda: 1 / 0, endpoint="broken")
        inner.add_url_rule("/view", view_func=lambda: "inner", endpoint="view")
        outer.register_blueprint(inner)
        app.register_blueprint(outer)
        app.add_url_rule("/outside", view_func=lambda: "outside", endpoint="outside")

    return make


def test_a_blueprint_and_those_in_it_are_guarded(blueprint, browse):
    blueprint("Analytics")
    assert {status(browse, path) for path in ("/view", "/inner/view")} == {403}
    assert {status(browse, path) for path in ("/outside", "/free", "/health")} == {200}


def test_options_and_head(blueprint, browse):
    blueprint("Analytics")
    assert (status(browse, "/view", method="OPTIONS"), status(browse, "/view", method="HEAD")) == (200, 403)


def test_a_licensed_blueprint_serves(blueprint, browse, lm):
    blueprint("Export")
    assert [browse("/view"), browse("/inner/view"), browse("/view")] == [(200, "view"), (200, "inner"), (200, "view")]
    assert lm.calls("CheckoutLicense") == 1


@pytest.mark.parametrize("path", ["/view", "/stream", "/broken"])
def test_a_blueprints_seat_is_held_for_the_whole_request(app, blueprint, lm, seats, path):
    blueprint("Seats", 1, "Count", hold="call")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    during = []
    app.view_functions = {
        endpoint: lambda view=view: during.append(seats()) or view() for endpoint, view in app.view_functions.items()
    }
    with app.test_client().open(path) as response:
        if path == "/stream":
            assert seats() == 1, "the response is not sent yet"
        response.get_data()
    assert (during, seats(), lm.calls("CheckInLicense")) == ([1], 0, 1)


def test_protecting_comes_before_registering(app, extension):
    late = Blueprint("late", "late")
    app.register_blueprint(late)
    with pytest.raises(ConfigurationError, match="call protect"):
        extension.protect(late, "Export")


@pytest.mark.parametrize("option", ["fallback", "default", "pass_lease"])
def test_protecting_has_no_options_of_one_view(extension, option):
    with pytest.raises(ConfigurationError, match=f"{option}= goes with a decorated view"):
        extension.protect(Blueprint("b", "b"), "Export", **{option: len})


def test_a_wrong_declaration_is_refused_where_it_stands(extension):
    with pytest.raises(ConfigurationError, match="value must be"):
        extension.protect(Blueprint("b", "b"), "Seats", 0, "Count")
    with pytest.raises(ConfigurationError, match="value must be"):
        extension.requires("Seats", 0, "Count")


# -- views -------------------------------------------------------------------------------------------


def test_methods_of_a_class_are_guarded(app, extension, guard, browse):
    class Report(MethodView):
        decorators = (extension.requires("Export"),)

        def get(self):
            return "read"

        @guard.requires_entitlement("Analytics")
        def post(self):
            raise AssertionError("never run")

    app.add_url_rule("/report", view_func=Report.as_view("report"))
    assert (browse("/report"), status(browse, "/report", method="POST")) == ((200, "read"), 403)


def test_an_exempt_class_is_spared(app, extension, browse):
    @extension.exempt
    class Free(MethodView):
        def get(self):
            return "free"

    extension.protect(app, "Analytics")
    app.add_url_rule("/free", view_func=Free.as_view("free"))
    app.add_url_rule("/bound", view_func=lambda: "bound", endpoint="bound")
    assert (status(browse, "/free"), status(browse, "/bound")) == (200, 403)


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_async_views(app, extension, guard, browse, seats, hold):
    gate = guard.requires_entitlement("Seats", 1, "Count", hold=hold)

    @app.get("/plain")
    @gate
    async def plain():
        return str(seats())

    @app.get("/extended")
    @extension.requires("Seats", 1, "Count", hold=hold)
    async def extended():
        return str(seats())

    for _ in range(3):  # each in an event loop of its own
        assert (browse("/plain"), browse("/extended")) == ((200, "1"), (200, "1"))
    assert seats() == (1 if hold == "shared" else 0)


@pytest.mark.parametrize("shape", ["generator", "tuple", "response", "async"])
def test_every_shape_of_a_stream_keeps_its_seat(app, guard, seats, shape):
    gate = guard.requires_entitlement("Seats", 1, "Count", hold="call")

    def chunks():
        yield "a"
        yield "b"

    async def asynchronous():
        return Response(chunks())

    views = {
        "generator": lambda: chunks(),
        "tuple": lambda: (chunks(), 200, {"X-Kind": "tuple"}),
        "response": lambda: Response(chunks()),
        "async": asynchronous,
    }
    app.add_url_rule("/stream", view_func=gate(views[shape]), endpoint="stream")
    with app.test_client().get("/stream") as response:
        during = [(chunk, seats()) for chunk in response.response]
    assert during[:2] == [(b"a", 1), (b"b", 1)]
    assert seats() == 0


def test_what_a_view_may_say_for_itself(app, extension, browse):
    @app.route("/write", methods=["GET", "POST"])
    @extension.requires("Analytics", methods=["POST"])
    def write():
        return "written"

    @app.get("/spared")
    @extension.requires("Analytics", exempt_when=lambda: request.args.get("free") == "yes")
    def spared():
        return "spared"

    @app.get("/own")
    @extension.requires("Analytics", on_denied=lambda error: (f"no {error.missing[0].name}", 418))
    def own():
        raise AssertionError("never run")

    @app.get("/sent")
    @extension.requires("Analytics", redirect_to="/buy")
    def sent():
        raise AssertionError("never run")

    assert [status(browse, "/write", method=method) for method in ("GET", "HEAD", "POST")] == [200, 200, 403]
    assert [status(browse, path) for path in ("/spared?free=yes", "/spared")] == [200, 403]
    assert browse("/own") == (418, "no Analytics")
    assert [status(browse, "/sent", Accept=accept) for accept in ("text/html", "application/json")] == [302, 403]


def test_a_view_keeps_its_name_and_arguments(app, extension, guard):
    @app.get("/<int:number>")
    @extension.requires("Export")
    def by_number(number):
        """Its docstring."""
        return str(number)

    assert (by_number.__name__, by_number.__doc__) == ("by_number", "Its docstring.")
    assert app.test_client().get("/7").text == "7"


# -- answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [EntitlementDenied, MeterGuardError])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_application_stays(app, guard, browse, kind, when):
    if when == "before":
        app.register_error_handler(kind, lambda error: ("mine", 499))
    FlaskMeterGuard(app, guard)
    if when == "after":
        app.register_error_handler(EntitlementDenied, lambda error: ("mine", 499))
    app.add_url_rule("/", view_func=guard.requires_entitlement("Analytics")(lambda: ""), endpoint="index")
    assert browse("/") == (499, "mine")


def test_texts_statuses_and_pages_are_the_applications(app, guard, browse):
    def customize(refusal):
        from dataclasses import replace

        return replace(refusal, title="Nicht enthalten", status=451) if refusal.slug == "not-entitled" else refusal

    FlaskMeterGuard(app, guard, customize=customize, html=lambda refusal: f"<h1>{refusal.title}</h1>")
    app.add_url_rule("/", view_func=guard.requires_entitlement("Analytics")(lambda: ""), endpoint="index")
    assert '"title": "Nicht enthalten"' in browse("/")[1]
    assert browse("/", Accept="text/html") == (451, "<h1>Nicht enthalten</h1>")


# -- templates, signals, commands --------------------------------------------------------------------


@pytest.mark.parametrize("built_early", [True, False])
def test_templates_ask_without_taking_a_unit(app, guard, seats, browse, built_early):
    if built_early:
        app.jinja_env.globals["early"] = True
    FlaskMeterGuard(app, guard)
    macro = "{% macro m() %}{{ entitled('Export') }}{{ 'Seats' is entitled(2, 'Count') }}{% endmacro %}{{ m() }}"
    app.add_url_rule(
        "/", view_func=lambda: render_template_string(macro + "{{ entitled('Analytics') }}"), endpoint="index"
    )
    assert browse("/") == (200, "TrueTrueFalse")
    assert seats() == 0


def test_signals_tell_what_happens(app, extension, guard, browse):
    told = []

    def listen(sender, event):
        told.append((sender, type(event).__name__))

    app.add_url_rule("/no", view_func=guard.requires_entitlement("Analytics")(lambda: ""), endpoint="no")
    app.add_url_rule(
        "/yes", view_func=guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: ""), endpoint="yes"
    )
    with contextlib.ExitStack() as stack:
        for signal in (entitlement_denied, lease_checked_out, lease_checked_in):
            stack.enter_context(signal.connected_to(listen, app))
        browse("/no")
        browse("/yes")
    assert told == [(app, "EntitlementRefused"), (app, "LeaseCheckedOut"), (app, "LeaseCheckedIn")]


def wrongly_ordered(app, guard):
    @guard.requires_entitlement("Analytics")
    @app.get("/open")
    def bypassed():
        return "unguarded"

    @app.get("/right")
    @guard.requires_entitlement("Export")
    def right():
        return "right"

    class Report(MethodView):
        @guard.requires_entitlement("Export")
        def get(self):
            return "report"

    app.add_url_rule("/report", view_func=Report.as_view("report"))


def test_a_guard_above_its_route_is_an_error_in_debug(app, extension, guard):
    wrongly_ordered(app, guard)
    app.debug = True
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"stands above the registration: bypassed\. "):
            app.test_client().get("/right")


def test_a_guard_above_its_route_is_a_warning_in_production(app, extension, guard, browse, caplog):
    wrongly_ordered(app, guard)
    with caplog.at_level(logging.WARNING, "meterguard.integrations"):
        assert [status(browse, "/right"), status(browse, "/right")] == [200, 200]
    warnings = [record.getMessage() for record in caplog.records if record.name == "meterguard.integrations"]
    assert len(warnings) == 1
    assert "bypassed. They run unguarded." in warnings[0]


def test_the_command_finds_it(app, extension, guard):
    run = app.test_cli_runner().invoke
    assert run(args=["meterguard", "audit"]).exit_code == 0
    wrongly_ordered(app, guard)
    found = run(args=["meterguard", "audit"])
    assert (found.exit_code, found.stdout) == (1, "bypassed\n")
    assert extension.audit(app) == ["bypassed"]


# -- users -------------------------------------------------------------------------------------------


def test_a_seat_for_each_user_of_the_session(app, extension, guard, seats):
    @app.get("/log-in/<user>")
    def log_in(user):
        session["user_id"] = user
        return user

    @app.get("/edit")
    @guard.requires_entitlement("Seats", 1, "Count", per=logged_in_user)
    def edit():
        return "edited"

    taken = []
    for user in ("ana", "ben", "ana"):
        client = app.test_client()
        client.get(f"/log-in/{user}")
        assert client.get("/edit").status_code == 200
        taken.append(seats())
    assert taken == [1, 2, 2]
    assert app.test_client().get("/edit").status_code == 500, "nobody is logged in"
