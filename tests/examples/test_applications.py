"""The applications: one for each framework, each behind a real server, and all asked the same."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
from http.client import HTTPConnection

import pytest

from tests.examples.conftest import EXAMPLES
from tests.house.source import ROOT
from tests.integrations.serving import Server

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
TAKE, RETURN = "CheckoutLicense Seats 1", "CheckInLicense"


def cookie(server, user):
    """Log in where a form is posted and a session begins."""
    connection = HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=20)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", f"user={user}", form)
    answer = connection.getresponse()
    assert answer.status == 302
    connection.close()
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def password(_server, user):
    """Log in where each request says who it is from."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:x".encode()).decode()}


APPLICATIONS = {
    "flask": ("gunicorn", "flask_app:app", cookie),
    "django": ("gunicorn", "django_app:application", cookie),
    "drf": ("gunicorn", "drf_api:application", password),
    "fastapi": ("uvicorn", "fastapi_app:app", password),
}


@pytest.fixture
def serve_application(licence, tmp_path):
    """``serve_application(name)``: the application, served. Its ``as_user("ana")`` has the headers of a user."""
    servers = []

    def serve(name, app=None):
        kind, example, log_in = APPLICATIONS[name]
        path = {"PYTHONPATH": f"{EXAMPLES}:{ROOT}", "METERGUARD_DENIAL_TTL": "0"}
        server = Server(kind, app or example, env=path, cwd=tmp_path, is_factory=False)
        server.as_user = lambda user: log_in(server, user)
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.kill()


@pytest.fixture(params=APPLICATIONS)
def site(request, serve_application):
    return serve_application(request.param)


@pytest.fixture(params=APPLICATIONS)
def impatient_site(request, serve_application, tmp_path):
    """The application under a guard that gives up after two seconds instead of ten."""
    module, _, app = APPLICATIONS[request.param][1].partition(":")
    program = f"import meterguard\nfrom {module} import {app}\n\nmeterguard.configure(timeout=2, denial_ttl=0)\n"
    (tmp_path / "impatient.py").write_text(program, "utf-8")
    return serve_application(request.param, f"impatient:{app}")


def told(reply):
    """Status, type of the problem, and when to come back."""
    kind = json.loads(reply.body)["type"].rpartition("/")[2]
    return reply.status, kind, reply.headers["Retry-After"]


def test_what_is_licensed_is_served(site, asked):
    home = site.get("/")
    assert ("Export" in home.body, home.status) == (True, 200)
    for _ in range(3):
        assert site.get("/export/june").status == 200
    assert asked().count("CheckoutLicense Export") == 1


def test_what_is_not_licensed_is_refused(site):
    assert told(site.get("/archive/may")) == (403, "not-entitled", None)
    page = site.get("/archive/may", Accept=BROWSER)
    assert (page.status, page.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "Archive" in page.body


def test_each_user_has_a_seat_until_none_is_free(site, lm, licence):
    assert site.get("/reports/june").status == 401
    for user in ("ana", "ben", "ana", "cleo"):
        reply = site.get("/reports/june", **site.as_user(user))
        assert (reply.status, json.loads(reply.body)) == (200, {"report": "june", "user": user, "seat": True})
    assert lm.usage(licence)["Seats"] == 3
    assert told(site.get("/reports/june", **site.as_user("dora"))) == (429, "entitlement-exhausted", "30")
    page = site.get("/reports/june", Accept=BROWSER, **site.as_user("dora"))
    assert (page.status, "Try again" in page.body) == (429, True)
    assert site.get("/reports/june", **site.as_user("ana")).status == 200


def test_a_streamed_job_gives_its_seat_back(site, lm, licence, asked):
    reply = site.get("/jobs/nightly")
    assert reply.body.splitlines() == [f"nightly: step {step}" for step in range(3)]
    lm.wait_for_calls("CheckInLicense", done=True)
    assert asked() == [TAKE, RETURN]


def test_an_outage_is_no_denial_and_ends_without_a_restart(impatient_site, lm):
    site = impatient_site
    with lm.down():
        status, kind, later = told(site.get("/export/june"))
        assert (status, kind) == (503, "entitlement-unavailable")
        assert int(later) >= 1
        assert site.get("/health").status == 200
    assert site.get("/export/june").status == 200


def test_grace_carries_over_the_end_of_a_lease(site, lm, licence):
    lm.update_license(licence, ttl=2)
    assert site.get("/export/june").status == 200
    with lm.down():
        ends = time.monotonic() + 2.2
        while time.monotonic() < ends:
            assert site.get("/export/june").status == 200
    assert site.get("/export/june").status == 200


def test_nothing_is_left_at_shutdown(site, nothing_left):
    for user in ("ana", "ben"):
        assert site.get("/reports/june", **site.as_user(user)).status == 200
    assert not nothing_left()
    site.stop()
    assert nothing_left()
