"""What surrounds the views of a Django project: templates, checks, the command, signals, licences in tests."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import unittest

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import CommandError
from django.dispatch import receiver
from django.http import HttpResponse
from django.template import TemplateSyntaxError, engines
from django.template.defaulttags import NowNode
from django.test import Client, SimpleTestCase, override_settings
from django.utils.decorators import method_decorator
from django.views import View

import meterguard
from meterguard import ConfigurationError, EntitlementDenied, requires_entitlement
from meterguard.integrations.django import registered, signals
from meterguard.integrations.django.test import override_entitlements
from meterguard.integrations.django.views import EntitlementRequiredMixin
from tests.integrations.django_project import MIDDLEWARE, project, set_up

set_up()


@pytest.fixture
def told(settings):
    """``settings.METERGUARD`` for the licence."""
    return {name.upper(): value for name, value in settings.items()} | {"DENIAL_TTL": 0}


@pytest.fixture
def licensed(told):
    """A project with that licence, and no views."""
    with project({}, told):
        yield


def view(request):
    return HttpResponse("view")


def test_starting_a_project_imports_no_boto3_and_starts_no_thread():
    program = """
import sys, threading, django
from django.conf import settings
settings.configure(INSTALLED_APPS=["meterguard.integrations.django"], METERGUARD={"PRODUCT_SKU": "ACME-1"})
django.setup()
assert "boto3" not in sys.modules, "boto3 is imported"
assert threading.active_count() == 1, threading.enumerate()
from django.core.management import call_command
call_command("check", "--deploy", "--tag", "meterguard")
assert "boto3" not in sys.modules, "boto3 is imported by checks"
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, "meterguard.W003" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize("module", [".apps", ".middleware", ".views", ".test", ".signals"])
def test_without_django_the_extra_is_named(module):
    program = f"""
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name in ("django", "asgiref"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Without())
import meterguard
try:
    import meterguard.integrations.django{module}
except meterguard.MissingExtra as missing:
    print(missing)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'meterguard[django]'" in done.stdout, done.stderr


def test_settings_may_name_what_the_app_has(tmp_path):
    (tmp_path / "settings_of_mine.py").write_text("""
from meterguard.integrations import HttpOptions, Refusal
from meterguard.integrations.django import logged_in_user
INSTALLED_APPS = ["meterguard.integrations.django"]
METERGUARD = {"ENTITLEMENT": ("Seats", 1, "Count"), "ENTITLEMENT_OPTIONS": {"per": logged_in_user}}
MIDDLEWARE = ["meterguard.integrations.django.middleware.EntitlementMiddleware"]
""")
    command = [sys.executable, "-m", "django", "check", "--pythonpath", tmp_path, "--settings", "settings_of_mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


# -- templates ---------------------------------------------------------------------------------------


TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"context_processors": ["meterguard.integrations.django.context_processors.entitled"]},
        "APP_DIRS": True,
    }
]


def rendered(text, **context):
    with override_settings(TEMPLATES=TEMPLATES):
        return engines["django"].from_string("{% load meterguard %}" + text).render(context)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{% entitled "Export" %}yes{% else %}no{% endentitled %}', "yes"),
        ('{% entitled "Analytics" %}yes{% else %}no{% endentitled %}', "no"),
        ('{% entitled "Analytics" %}yes{% endentitled %}', ""),
        ('{% entitled "Seats" 3 %}yes{% else %}no{% endentitled %}', "yes"),
        ('{% entitled "Seats" 4 "Count" %}yes{% else %}no{% endentitled %}', "no"),
        ("{% entitled feature %}{{ feature }}{% endentitled %}", "Export"),
        ('{% entitled "Export" %}{% entitled "Analytics" %}both{% else %}one{% endentitled %}{% endentitled %}', "one"),
    ],
)
def test_templates_ask_without_taking_a_unit(licensed, seats, text, shown):
    assert rendered(text, feature="Export") == shown
    assert seats() == 0


@pytest.mark.parametrize(
    "text",
    [
        "{% entitled %}{% endentitled %}",
        '{% entitled "Seats" 1 "Count" "more" %}{% endentitled %}',
        '{% entitled "Seats" %}',
        '{% entitled "Export" %}{% else %}{% else %}{% endentitled %}',
    ],
)
def test_a_tag_that_is_written_wrongly_says_so(licensed, text):
    with pytest.raises(TemplateSyntaxError):
        rendered(text)


def test_a_tag_that_asks_wrongly_is_a_mistake(licensed):
    with pytest.raises(ConfigurationError, match="value must be"):
        rendered('{% entitled "Seats" 0 %}{% endentitled %}')


def test_an_outage_breaks_no_page(lm, told):
    with project({}, told | {"TIMEOUT": 1.5}), lm.down():
        assert rendered('{% entitled "Export" %}yes{% else %}no{% endentitled %}') == "no"


def test_the_context_processor_answers_when_it_is_looked_at(lm, licensed):
    def show(text):
        with override_settings(TEMPLATES=TEMPLATES):
            return engines["django"].from_string(text).render({}, request=object())

    assert show("nothing asked") == "nothing asked"
    assert lm.requests == []
    assert show("{% if entitled.Export %}yes{% endif %}{% if entitled.Analytics %}no{% endif %}") == "yes"


def test_the_context_processor_serves_jinja(licensed):
    from meterguard.integrations.django.context_processors import entitled

    asked = entitled(None)["entitled"]
    assert (asked("Seats", 3), asked("Seats", 4, "Count"), asked["Export"]) == (True, False, True)
    with pytest.raises(TypeError, match="no list"):
        list(asked)


def test_nodes_of_a_tag_are_found_by_djangos_tools(licensed):
    text = "{% load meterguard %}{% entitled 'Export' %}{% now 'Y' %}{% else %}{% now 'm' %}{% endentitled %}"
    with override_settings(TEMPLATES=TEMPLATES):
        nodes = engines["django"].from_string(text).template.nodelist
    assert len(nodes.get_nodes_by_type(NowNode)) == 2


# -- checks ------------------------------------------------------------------------------------------


def found(**more):
    """What the checks say: id and text."""
    return {one.id: one for one in checks.run_checks(tags=["meterguard"], **more)}


@method_decorator(requires_entitlement("Export"), name="dispatch")
class Dispatched(View):
    def get(self, request):
        return HttpResponse("dispatched")


class Mixed(EntitlementRequiredMixin, View):
    entitlement_required = "Export"

    async def get(self, request):
        return HttpResponse("mixed")


class Methodical(View):
    @requires_entitlement("Export")
    def get(self, request):
        return HttpResponse("method")

    @method_decorator(requires_entitlement("Export"))
    def post(self, request):
        return HttpResponse("method")


GUARDED = {
    "function": requires_entitlement("Export")(lambda request: HttpResponse("function")),
    "dispatch": Dispatched.as_view(),
    "mixin": Mixed.as_view(),
    "method": Methodical.as_view(),
}


def bypassing():
    """The view that is registered, whose guard has another name."""

    def open_view(request):
        return HttpResponse("open")

    requires_entitlement("Export")(open_view)
    return open_view


def test_nothing_is_wrong_with_what_is_right(lm, told):
    with project(GUARDED | {"view": view}, told):
        assert found(include_deployment_checks=True) == {}
    assert lm.requests == []


def test_a_wrong_setting(told):
    with project({}, told | {"GRACES": 1}, MIDDLEWARE=[]):
        assert list(found()) == ["meterguard.E001"]
        problem = found()["meterguard.E001"]
        assert (problem.level, "has no setting GRACES" in problem.msg) == (checks.ERROR, True)
        assert "lets nobody through" in problem.hint


@pytest.mark.parametrize("debug", [True, False])
def test_a_guard_that_never_runs(told, debug):
    class Report(View):
        get = bypassing()

    with project({"right": GUARDED["function"], "open": bypassing(), "r": Report.as_view()}, told, DEBUG=debug):
        problems = checks.run_checks(tags=["meterguard"])
        assert [one.msg.split()[0] for one in problems] == ["'open'", "'r"]
        id_, level = ("meterguard.E002", checks.ERROR) if debug else ("meterguard.W002", checks.WARNING)
        assert {(one.id, one.level) for one in problems} == {(id_, level)}


def test_a_guard_that_never_runs_in_a_view_set(told):
    viewsets = pytest.importorskip("rest_framework.viewsets")
    reports = type("Reports", (viewsets.ViewSet,), {"list": bypassing(), "create": GUARDED["function"]})
    with project({"r": reports.as_view({"get": "list", "post": "create"})}, told):
        assert [one.msg for one in checks.run_checks(tags=["meterguard"])] == [
            "'r (GET)' is run without the guard that stands around its view."
        ]


@pytest.mark.parametrize("route", GUARDED)
def test_guarded_views_without_the_middleware(told, route):
    with project({route: GUARDED[route]}, told, MIDDLEWARE=[]):
        problem = found()["meterguard.W001"]
        assert MIDDLEWARE in problem.hint
    with project({"view": view}, told, MIDDLEWARE=[]):
        assert found() == {}


def test_a_site_that_only_its_settings_guard(told):
    with project({}, told | {"ENTITLEMENT": "Export"}, MIDDLEWARE=["django.middleware.common.CommonMiddleware"]):
        problem = found()["meterguard.E003"]
        assert (problem.level, "the site is not guarded" in problem.msg) == (checks.ERROR, True)


def test_what_is_missing_is_told_before_it_is_deployed(told):
    with project({}, told | {"PRODUCT_SKU": None}):
        assert found() == {}
        assert "set METERGUARD_PRODUCT_SKU" in found(include_deployment_checks=True)["meterguard.W003"].msg
    with project({}, told | {"ENABLED": False}):
        assert list(found(include_deployment_checks=True)) == ["meterguard.W004"]


# -- the command -------------------------------------------------------------------------------------


def run(*arguments):
    """Exit code, stdout and stderr of ``manage.py meterguard``."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("meterguard", *arguments, stdout=out, stderr=err)
    except SystemExit as exit_:
        return exit_.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_it_lists_guards_that_never_run(told):
    with project(GUARDED, told):
        assert run("audit") == (0, "", "every guard is run\n")
        assert run("audit", "--json") == (0, "[]\n", "")
    with project(GUARDED | {"open": bypassing()}, told):
        assert run("audit") == (1, "open\n", "")
        assert run("audit", "--json") == (1, '["open"]\n', "")


def test_it_examines_a_project(lm, licence, told):
    with project(GUARDED, told):
        code, out, err = run("doctor", "--json", "--offline")
        results = {one["check"]: one["result"] for one in json.loads(out)["findings"]}
        checks = ("settings", "options", "trust", "connection", "region", "endpoint", "proxy", "certificates", "models")
        asked = dict.fromkeys((*checks, "licence", "ledger", "store", "guards"), "ok") | {"licence": "skipped"}
        assert results == asked
        assert (code, err, lm.requests) == (0, "", [])
        code, out, _ = run("doctor", "--live")
        assert (code, "Seats: 0 of 3 Count in use" in out) == (0, True)
        assert licence.key_fingerprint not in out
        assert lm.calls("CheckoutLicense") == 0


def test_it_says_what_is_wrong_and_what_to_do(told):
    with project({"open": bypassing()}, told | {"GRACES": 1}):
        code, out, _ = run("doctor")
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()] == [["failed", "settings"], ["failed", "guards"]]
    assert "has no setting GRACES" in out


@pytest.mark.parametrize("wrong", [[], ["nonsense"], ["audit", "--live"]])
def test_it_is_asked_wrongly(licensed, wrong):
    with pytest.raises(CommandError):
        run(*wrong)


def test_included_routes_are_found(told):
    from django.urls import include, path

    from tests.integrations.django_project import urls

    with project({}, told, ROOT_URLCONF=urls({"a": view})):
        assert [route for route, _ in registered()] == ["a"]
    outer = urls({})
    outer.urlpatterns = [path("outer/", include([path("<name>", Methodical.as_view())]))]
    with project({}, told, ROOT_URLCONF=outer):
        found = {route for route, _ in registered()}
    assert found == {"outer/<name>", "outer/<name> (GET)", "outer/<name> (POST)", "outer/<name> (OPTIONS)"}


# -- signals -----------------------------------------------------------------------------------------


@pytest.fixture
def heard():
    """Signals, as they come: sender and kind of event."""
    told = []

    def listen(sender, event, **_):
        told.append((sender, type(event).__name__))

    names = ("entitlement_denied", "lease_checked_out", "lease_renewed", "lease_checked_in")
    for name in names:
        getattr(signals, name).connect(listen)
    yield told
    for name in names:
        getattr(signals, name).disconnect(listen)


SEAT_AND_NO = ["LeaseCheckedOut", "LeaseCheckedIn", "EntitlementRefused"]


def a_seat_and_a_no():
    with requires_entitlement("Seats", 1, "Count", hold="call"):
        pass
    with pytest.raises(EntitlementDenied), requires_entitlement("Analytics"):
        pass


def test_signals_tell_what_happens(licensed, told, heard):
    a_seat_and_a_no()
    assert heard == [(meterguard.get_guard(), kind) for kind in SEAT_AND_NO]
    heard.clear()
    with override_settings(METERGUARD=told | {"LINGER": 5}):
        a_seat_and_a_no()
    assert [kind for _, kind in heard] == SEAT_AND_NO, "each once, also by settings that were changed"


def test_signals_tell_of_the_licence_of_a_test(licensed, heard):
    with override_entitlements(Seats=1) as control:
        a_seat_and_a_no()
    assert heard == [(control.guard, kind) for kind in SEAT_AND_NO]


def test_a_renewal_is_told(lm, licence, told, heard):
    lm.update_license(licence, ttl=5)
    with project({}, told | {"REFRESH_AHEAD": 0.9}), requires_entitlement("Export"):
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        meterguard.get_guard().close()
    assert "LeaseRenewed" in [kind for _, kind in heard]


def test_a_receiver_that_fails_breaks_nothing(licensed, heard, caplog):
    @receiver(signals.lease_checked_out)
    def fail(**_):
        raise ZeroDivisionError

    try:
        a_seat_and_a_no()
    finally:
        signals.lease_checked_out.disconnect(fail)
    assert [kind for _, kind in heard] == SEAT_AND_NO


# -- licences in tests -------------------------------------------------------------------------------


export = requires_entitlement("Export")(lambda: "exported")


def test_a_licence_for_a_block_a_function_and_a_coroutine(lm, licensed):
    @override_entitlements(Export=True)
    def with_export():
        return export()

    @override_entitlements(Seats=2)
    async def with_seats(control):
        async with requires_entitlement("Seats", 2, "Count"):
            return control.in_use("Seats")

    with override_entitlements({"Export": False}, options={"denial_ttl": 1}), pytest.raises(EntitlementDenied):
        export()
    for _ in range(2):
        assert (with_export(), asyncio.run(with_seats())) == ("exported", 2)
    assert lm.requests == []


def test_a_licence_for_each_test_of_a_class(lm, licensed):
    views = {"export": requires_entitlement("Seats", 1, "Count")(lambda request: HttpResponse("exported"))}

    @override_entitlements(Seats=1)
    class Tests(SimpleTestCase):
        def setUp(self):
            self.before = self.control.calls

        def test_sync(self):
            with project(views, {}):
                assert self.client.get("/export").status_code == 200
            self.control.assert_checked_out("Seats", 1)

        async def test_async(self):
            with project(views, {}):
                assert (await self.async_client.get("/export")).status_code == 200
                self.control.deny("Seats")
                assert (await self.async_client.get("/export")).status_code == 403

        @override_entitlements(Seats=False)
        def test_inner(self):
            with project(views, {}):
                assert self.client.get("/export").status_code == 403

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
    assert (result.testsRun, result.errors, result.failures) == (3, [], [])
    assert lm.requests == []


def test_only_a_test_class_is_decorated():
    with pytest.raises(TypeError):
        override_entitlements(Seats=1)(object)


def test_settings_that_change_meanwhile_leave_the_licence_of_the_test(lm, licensed, told):
    guard = meterguard.get_guard()
    views = {"export": requires_entitlement("Analytics")(lambda request: HttpResponse("exported"))}
    with override_entitlements(Export=True):
        with project(views, told | {"DENIED_STATUS": 402, "GRACE": 7}):
            assert export() == "exported"
            assert Client().get("/export").status_code == 402
        assert export() == "exported"
    assert meterguard.get_guard() is guard
    assert lm.requests == []
    assert export() == "exported"
    assert lm.calls("CheckoutLicense") == 1
