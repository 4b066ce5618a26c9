"""``meterguard doctor``."""

from __future__ import annotations

import json

import pytest

APP = """
from flask import Flask
from meterguard import requires_entitlement

def create_app():
    app = Flask("site")

    @app.get("/right")
    @requires_entitlement("Export")
    def right(): ...

    if {wrong}:
        @requires_entitlement("Export")
        @app.get("/open")
        def bypassed(): ...
    return app

app = create_app()
"""


DJANGO = """
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path
from meterguard import requires_entitlement
from meterguard.integrations.asgi import with_lifespan

def report(request): ...

guarded = requires_entitlement("Export")(report)
urlpatterns = [path("report", report if {wrong} else guarded)]
settings.configure(ROOT_URLCONF=__name__, INSTALLED_APPS=["meterguard.integrations.django"])
application = get_wsgi_application()
asynchronous = with_lifespan(get_asgi_application())
"""


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")])


@pytest.fixture
def doctor(run, lm, licence):
    """``doctor(*options, **variables)``: its exit code, and each finding's status and detail by name."""
    settings = {
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
    }

    def examine(*options, **variables):
        done = run("doctor", "--json", *options, **settings | variables)
        assert licence.key_fingerprint not in done.stdout + done.stderr
        findings = json.loads(done.stdout)
        return done.returncode, {one["name"]: (one["status"], one["detail"]) for one in findings}

    return examine


def test_a_set_up_that_is_right(doctor, lm):
    code, found = doctor()
    assert (code, {name: status for name, (status, _) in found.items()}) == (
        0,
        {"settings": "ok", "connection": "ok", "licence": "skipped"},
    )
    assert lm.requests == []


def test_live_it_tells_what_is_in_use_and_takes_nothing(doctor, lm):
    code, found = doctor("--live")
    assert (code, found["licence"]) == (0, ("ok", "Seats: 0 of 3 Count in use"))
    assert lm.calls("CheckoutLicense") == 0


def test_what_is_missing_is_named(doctor):
    code, found = doctor(METERGUARD_PRODUCT_SKU="")
    assert (code, list(found)) == (1, ["settings"])
    assert "set METERGUARD_PRODUCT_SKU" in found["settings"][1]


def test_without_a_region(doctor):
    code, found = doctor(AWS_REGION="", AWS_DEFAULT_REGION="")
    assert (code, found["connection"][0]) == (1, "failed")
    assert "no AWS Region is set" in found["connection"][1]


def test_what_iam_refuses(doctor, lm):
    with lm.faults.active("ListReceivedLicenses", error="AccessDeniedException"):
        code, found = doctor("--live")
    assert (code, found["licence"][0]) == (1, "failed")
    assert "license-manager:GetLicenseUsage" in found["licence"][1]


@pytest.mark.parametrize("attribute", ["app", "create_app()"])
@pytest.mark.parametrize("wrong", [False, True])
def test_it_searches_an_application(doctor, tmp_path, attribute, wrong):
    (tmp_path / "site_of_mine.py").write_text(APP.format(wrong=wrong))
    code, found = doctor("--app", f"site_of_mine:{attribute}")
    assert (code, found["guards"][0]) == ((1, "failed") if wrong else (0, "ok"))
    assert ("bypassed" in found["guards"][1]) is wrong


@pytest.mark.parametrize("attribute", ["application", "asynchronous"])
@pytest.mark.parametrize("wrong", [False, True])
def test_it_searches_a_django_project(doctor, tmp_path, attribute, wrong):
    (tmp_path / "project_of_mine.py").write_text(DJANGO.format(wrong=wrong))
    code, found = doctor("--app", f"project_of_mine:{attribute}")
    assert (code, found["guards"][0]) == ((1, "failed") if wrong else (0, "ok"))
    assert (": report;" in found["guards"][1]) is wrong


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("site", "is not of the form module:attribute"),
        ("no_such:app", "ModuleNotFoundError: No module named 'no_such'"),
        ("json:dumps", "cannot be searched for guards; what can be is"),
    ],
)
def test_what_is_no_application(run, app, told):
    done = run("doctor", "--app", app)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in " ".join(done.stderr.replace("│", " ").split())


def test_people_get_lines(run):
    done = run("doctor")
    assert done.returncode == 1
    assert done.stdout.startswith("failed  settings    product_sku is missing")
