"""The pytest plugin, as projects use it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from meterguard import MeterGuard
from meterguard.emulator import Emulator
from meterguard.testing import point_at

APP = """
    from meterguard import requires_entitlement

    @requires_entitlement("Seats", 1, "Count")
    def edit():
        return "edited"

    seat = requires_entitlement("Seats", 1, "Count", hold="call")
"""


@pytest.fixture
def kept_modules():
    """What runs in this process import. pytester forgets it in the end, but packages do not forget their modules: half
    of them would come back from there, and meet the other half imported anew."""
    kept = {}
    yield kept
    sys.modules.update(kept)


@pytest.fixture
def project(kept_modules, pytester, monkeypatch):
    """``project(tests, *options, ini=...)``: the outcome of a project's tests."""
    monkeypatch.syspath_prepend(pytester.path)

    class Keeping:
        def pytest_unconfigure(self):
            files = ((name, getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items()))
            kept_modules.update(
                (name, sys.modules[name]) for name, file in files if not file.startswith(str(pytester.path))
            )

    def run(tests, *options, ini=""):
        pytester.makepyfile(app_of_mine=APP)
        pytester.makepyfile(test_it=tests)
        pytester.makeini(f"[pytest]\naddopts = -p no:cacheprovider -p no:randomly\nfilterwarnings = default\n{ini}")
        if options:
            return pytester.runpytest_subprocess(*options)
        return pytester.runpytest_inprocess(plugins=[Keeping()])

    return run


def test_the_fixture_grants_denies_and_tells(project):
    project(
        """
        import pytest
        from app_of_mine import edit
        from meterguard import EntitlementDenied

        def test_granted(meterguard):
            meterguard.grant("Seats", 5)
            assert edit() == "edited"
            meterguard.assert_checked_out("Seats", 1)
            assert meterguard.calls == ["CheckoutLicense"]

        def test_each_test_has_a_licence_of_its_own(meterguard):
            with pytest.raises(EntitlementDenied):
                edit()
            meterguard.assert_all_checked_in()
        """
    ).assert_outcomes(passed=2)


def test_the_marker_says_it_before_the_test_begins(project):
    project(
        """
        import pytest, unittest
        from app_of_mine import edit
        from meterguard import EntitlementDenied, get_guard

        pytestmark = pytest.mark.meterguard(grant={"Seats": 5, "Export": True})

        def test_without_the_fixture():
            assert edit() == "edited"

        @pytest.mark.meterguard(deny=["Seats"], on_unknown="deny")
        def test_the_closest_has_the_last_word(meterguard):
            with pytest.raises(EntitlementDenied):
                edit()
            assert meterguard.guard.engine.policy.on_unknown == "deny"

        @pytest.mark.meterguard(exhaust=["Seats"])
        def test_exhausted(meterguard):
            with pytest.raises(EntitlementDenied) as denied:
                edit()
            assert denied.value.is_exhausted
        """
    ).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("'Seats'", "takes keywords only"),
        ("grant=['Seats']", "grant= of @pytest.mark.meterguard must be a dict"),
        ("deny='Seats'", "deny= of @pytest.mark.meterguard must be a list of names"),
        ("leaks='loud'", "leaks must be one of error, warn, off; got 'loud'"),
        ("on_unused=True", "on_unused must be one of error, warn, off; got True"),
        ("graces=1", "unexpected keyword argument 'graces'"),
        ("grant={'Seats': 1.5}", "what is granted must be"),
    ],
)
def test_a_wrong_marker_is_told(project, arguments, told):
    result = project(f"import pytest\n@pytest.mark.meterguard({arguments})\ndef test_it(meterguard): ...")
    result.assert_outcomes(errors=1)
    assert told in result.stdout.str()


LEAKING = """
    import pytest
    from app_of_mine import seat

    @pytest.mark.meterguard(grant={"Seats": 5})
    def test_it():
        seat.__enter__()
"""


@pytest.mark.parametrize(
    ("leaks", "outcome"),
    [
        ("error", {"passed": 1, "errors": 1}),
        ("warn", {"passed": 1, "warnings": 1}),
        ("off", {"passed": 1}),
        (None, {"passed": 1, "warnings": 1}),
    ],
)
def test_a_seat_that_is_not_given_back(project, leaks, outcome):
    result = project(LEAKING, ini="" if leaks is None else f"meterguard_leaks = {leaks}")
    result.assert_outcomes(**outcome)
    assert ("test_it.py::test_it did not give back Seats (1 Count)" in result.stdout.str()) is (leaks != "off")


@pytest.mark.parametrize(
    ("leaks", "outcome"), [("warn", {"passed": 1, "warnings": 1}), ("error", {"passed": 1, "errors": 1})]
)
def test_a_charge_that_is_left_open(project, leaks, outcome):
    result = project(
        """
        from meterguard import consumes_entitlement

        kept = []

        def test_it(meterguard):
            meterguard.grant("Pages", 5)
            kept.append(consumes_entitlement("Pages", 2).enter())
            meterguard.assert_charged()
        """,
        ini=f"meterguard_leaks = {leaks}",
    )
    result.assert_outcomes(**outcome)
    assert (
        "test_it.py::test_it did not give back 2 Count of Pages: a gate with hold='call', or a draw,"
        in result.stdout.str()
    )


def test_charges_are_asserted_with_the_fixture(project):
    result = project(
        """
        import pytest
        from meterguard import consumes_entitlement, meters_usage

        @pytest.mark.meterguard(grant={"Pages": 5})
        class TestCharges:
            def test_right(self, meterguard):
                with consumes_entitlement("Pages", 2), meters_usage("Calls"):
                    pass
                meterguard.assert_charged(Pages=2)
                assert (meterguard.charged("Pages"), meterguard.metered("Calls")) == (2, 1)

            def test_wrong(self, meterguard):
                meterguard.assert_charged(Pages=2)
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "AssertionError: 2 of Pages should be charged; charged: nothing" in result.stdout.str()


def test_a_program_that_runs_offline_is_tested_with_the_fixture(a_server, project):
    project(
        """
        import pytest
        from app_of_mine import edit
        from meterguard import EntitlementUnavailable, UntrustedLease

        @pytest.mark.meterguard(grant={"Seats": 5}, borrowed=True, on_unknown="deny", on_unused="error", leaks="error")
        class TestOffline:
            def test_borrowed(self, meterguard, meterguard_clock):
                meterguard.borrow("Seats", 2)
                with meterguard.offline():
                    assert edit() == "edited"
                    meterguard_clock.shift(86_401)
                    with pytest.raises(EntitlementUnavailable):
                        edit()

            def test_not_borrowed(self, meterguard):
                with meterguard.offline(), pytest.raises(EntitlementUnavailable):
                    edit()
                assert edit() == "edited"

            def test_borrowed_and_not_used(self, meterguard):
                meterguard.borrow("Seats", 2)

        @pytest.mark.meterguard(grant={"Seats": 5}, verify_signature="required")
        def test_forged(meterguard):
            meterguard.emulator.faults.add("CheckoutLicense", tamper="key")
            with pytest.raises(UntrustedLease):
                edit()
            assert edit() == "edited"
        """
    ).assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("on_unused", "outcome"),
    [
        ("on_unused='error'", {"passed": 2, "errors": 1}),
        ("on_unused='warn'", {"passed": 2, "warnings": 1}),
        ("on_unused='off'", {"passed": 2}),
        ("", {"passed": 2}),
    ],
)
def test_a_grant_that_nobody_asks_for(project, on_unused, outcome):
    tests = f"""
        import pytest
        from app_of_mine import edit

        pytestmark = pytest.mark.meterguard(grant={{"Seats": 5, "Export": True}}, deny=["Export"], {on_unused})

        def test_used():
            edit()

        def test_unused(): ...
    """
    result = project(tests)
    result.assert_outcomes(**outcome)
    told = "test_it.py::test_unused never asked for Seats, which it was granted"
    assert (told in result.stdout.str()) is ("errors" in outcome or "warnings" in outcome)


def test_a_wrong_setting_is_told(project):
    result = project("def test_it(): ...", ini="meterguard_leaks = loud")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the ini option meterguard_leaks must be one of error, warn, off" in result.stderr.str()


ASKING_AWS = """
    import meterguard, pytest

    {mark}
    def test_it(monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of a developer")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of production")
        guard = meterguard.MeterGuard("ACME-1", "issuer", region_name="eu-west-1")
        guard.engine.registry.exchange.service.connect()
"""


@pytest.mark.parametrize(
    ("mark", "ini", "is_allowed"),
    [("", "", False), ("@pytest.mark.meterguard_live", "", True), ("", "meterguard_allow_aws = true", True)],
)
def test_no_aws_by_accident(project, mark, ini, is_allowed):
    result = project(ASKING_AWS.replace("{mark}", mark), ini=ini)
    result.assert_outcomes(passed=is_allowed, failed=not is_allowed)
    assert ("lead to license-manager.eu-west-1.amazonaws.com" in result.stdout.str()) is not is_allowed


ASKING_WHILE_IMPORTED = """
    import meterguard

    try:
        guard = meterguard.MeterGuard("ACME-1", "issuer", region_name="eu-west-1")
        guard.engine.registry.exchange.service.connect()
        refused = None
    except meterguard.ConfigurationError as error:
        refused = str(error)

    def test_it():
        assert "lead to license-manager.eu-west-1.amazonaws.com" in refused
"""


@pytest.mark.parametrize("ini", ["", "meterguard_allow_aws = true"])
def test_nor_while_tests_are_collected(project, monkeypatch, ini):
    monkeypatch.delenv("METERGUARD_LOOPBACK_ONLY")
    project(ASKING_WHILE_IMPORTED, ini=ini).assert_outcomes(passed=not ini, failed=bool(ini))
    assert "METERGUARD_LOOPBACK_ONLY" not in os.environ, "it is as it was before"


def test_nor_where_a_conftest_names_the_plugin(project, pytester, monkeypatch):
    monkeypatch.delenv("METERGUARD_LOOPBACK_ONLY")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("pytest_plugins = 'meterguard.pytest_plugin'")
    tests = """
        import os

        def test_it(request):
            assert not request.config.pluginmanager.hasplugin("xdist")
            assert os.environ["METERGUARD_LOOPBACK_ONLY"] == "1"
    """
    project(tests, "-p", "no:timeout").assert_outcomes(passed=1)


@pytest.mark.parametrize("fixtures", ["meterguard, meterguard_emulator", "meterguard_emulator, meterguard"])
def test_the_fixture_on_a_port_too(project, a_server, fixtures):
    project(
        f"""
        import boto3
        from app_of_mine import edit

        def test_it({fixtures}):
            meterguard.grant("Seats", 5)
            assert edit() == "edited"
            (licence,) = boto3.client("license-manager").list_received_licenses()["Licenses"]
            assert meterguard_emulator.usage(licence["LicenseArn"]) == {{"Seats": 1}}
            assert meterguard.calls == ["CheckoutLicense"], "what others ask is not the guard's"
        """
    ).assert_outcomes(passed=1)


def test_a_project_with_fixtures_of_the_same_names_keeps_its_own(project, pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def meterguard():
            return "mine"
        """
    )
    project("def test_it(meterguard):\n    assert meterguard == 'mine'").assert_outcomes(passed=1)


def test_without_the_plugin_there_is_nothing_of_it(project, monkeypatch):
    monkeypatch.delenv("METERGUARD_LOOPBACK_ONLY")
    tests = """
        import os, sys

        def test_it(request):
            assert "METERGUARD_LOOPBACK_ONLY" not in os.environ
            assert not [name for name in sys.modules if name.startswith("meterguard")]
    """
    project(tests, "-p", "no:meterguard").assert_outcomes(passed=1)


def test_the_emulator_and_the_clock(project, a_server):
    project(
        """
        import boto3, os
        from app_of_mine import edit
        from meterguard.default import current_guard

        def test_it(meterguard_emulator, meterguard_clock, monkeypatch):
            licence = meterguard_emulator.add_license("ACME-1", entitlements=[("Seats", 3, "Count")], ttl=3600)
            monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
            monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
            assert boto3.client("license-manager").list_received_licenses()["Licenses"]
            edit()
            edit()
            assert meterguard_emulator.calls("CheckoutLicense") == 1
            meterguard_clock.shift(3601)
            edit()
            assert meterguard_emulator.calls("CheckoutLicense") == 2

        def test_aws_marketplace(meterguard, meterguard_emulator):
            now = meterguard.emulator.clock.datetime()
            metering = boto3.client("meteringmarketplace")
            metering.meter_usage(ProductCode="p", Timestamp=now, UsageDimension="pages", UsageQuantityAsDecimal="2.5")
            assert boto3.client("marketplace-entitlement").get_entitlements(ProductCode="p")["Entitlements"] == []
            assert meterguard.billed("pages") * 2 == 5

        def test_afterwards_all_is_as_it_was():
            assert [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")] == []
            assert current_guard() is None

        def test_the_clock_of_a_control(meterguard, meterguard_clock):
            meterguard.grant("Seats", 1)
            edit()
            meterguard_clock.shift(3601)
            meterguard.assert_all_checked_in()
            edit()
            assert meterguard.calls == ["CheckoutLicense"] * 2
        """
    ).assert_outcomes(passed=4)


def test_a_guard_that_trusts_no_environment(project, a_server):
    project(
        """
        import pytest
        from meterguard import ConfigurationError, MeterGuard
        from meterguard.testing import override

        def test_is_pointed_at_the_emulator(meterguard_emulator):
            licence = meterguard_emulator.add_license("ACME-1", entitlements=[("Export", None, "None")])
            with MeterGuard("ACME-1", licence.key_fingerprint, trust_env=False) as guard:
                assert guard.has_entitlement("Export")

        def test_afterwards_it_is_kept_from_aws():
            with MeterGuard("ACME-1", "issuer", trust_env=False, region_name="us-east-1") as guard:
                with pytest.raises(ConfigurationError, match="meterguard.testing.point_at"):
                    guard.has_entitlement("Export")

        @pytest.mark.meterguard(grant={"Export": True}, trust_env=False)
        def test_of_the_fixture(meterguard):
            assert meterguard.guard.has_entitlement("Export")

        def test_of_an_override():
            with override(Export=True, options={"trust_env": False}) as control:
                assert control.guard.has_entitlement("Export")
        """
    ).assert_outcomes(passed=4)


def test_without_a_fixture_it_is_pointed_at_an_emulator_that_answers_in_the_process(monkeypatch):
    monkeypatch.setenv("METERGUARD_LOOPBACK_ONLY", "1")
    with Emulator().in_process() as lm, point_at(lm.url):
        licence = lm.add_license("ACME-1", entitlements=[("Export", None, "None")])
        with MeterGuard("ACME-1", licence.key_fingerprint, trust_env=False) as guard:
            assert guard.has_entitlement("Export")


def test_under_xdist(project):
    tests = """
        import pytest
        from app_of_mine import edit

        @pytest.mark.parametrize("number", range(8))
        def test_it(meterguard, number):
            meterguard.grant("Seats", 1)
            assert edit() == "edited"
    """
    project(tests, "-n", "2").assert_outcomes(passed=8)


def test_unittest_runs_under_it(project):
    project(
        """
        import unittest
        from app_of_mine import edit
        from meterguard.testing import override

        class EditTest(unittest.TestCase):
            @override(Seats=1)
            def test_edit(self):
                self.assertEqual(edit(), "edited")
        """
    ).assert_outcomes(passed=1)


def test_loading_it_imports_nothing_heavy():
    program = "import sys, meterguard.pytest_plugin; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.startswith("meterguard")}
    assert ours == {"meterguard", "meterguard.pytest_plugin"}
    assert not loaded & {"boto3", "botocore", "wrapt", "cachetools", "starlette"}


def test_the_plugin_is_what_pytest_loads(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("meterguard")
