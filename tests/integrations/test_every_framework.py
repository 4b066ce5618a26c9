"""One table of behaviours over all frameworks, each behind a real server. A new integration is a line in SITES."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time

import pytest

from meterguard.emulator import Emulator
from tests.integrations.serving import Server

SITES = {
    "flask": ("gunicorn", "tests.integrations.sites.flask_site:served"),
    "django": ("gunicorn", "tests.integrations.sites.django_site:served"),
    "django-async": ("uvicorn", "tests.integrations.sites.django_site:served_async"),
    "drf": ("gunicorn", "tests.integrations.sites.drf_site:served"),
    "starlette": ("uvicorn", "tests.integrations.sites.starlette_site:served"),
    "fastapi": ("uvicorn", "tests.integrations.sites.fastapi_site:served"),
}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Site:
    """A site, its License Manager and its licence."""

    def __init__(self, name, lm, *, ttl=3600):
        kind, factory = SITES[name]
        self.lm = lm
        entitlements = [("Seats", 3, "Count"), ("Export", None, "None"), ("Pages", 50, "Count")]
        self.licence = lm.add_license(f"ACME-{name}", entitlements=entitlements, ttl=ttl)
        environment = {
            "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
            "AWS_REGION": lm.region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "METERGUARD_PRODUCT_SKU": self.licence.product_sku,
            "METERGUARD_KEY_FINGERPRINT": self.licence.key_fingerprint,
        }
        self.server = Server(kind, factory, env=environment)
        self.get, self.open = self.server.get, self.server.open

    def seats(self):
        return self.lm.usage(self.licence.product_sku)["Seats"]

    def wait_for_seats(self, number):
        """What a server does after it has sent the last byte, the client does not see."""
        deadline = time.monotonic() + 10
        while self.seats() != number:
            assert time.monotonic() < deadline, f"{self.seats()} seats are taken, not {number}"
            time.sleep(0.01)

    def books(self):
        return json.loads(self.get("/books").body)

    def wait_for_books(self, **wanted):
        """Likewise."""
        deadline = time.monotonic() + 10
        while (found := self.books()) != wanted:
            assert time.monotonic() < deadline, f"{found} is in the books, not {wanted}"
            time.sleep(0.01)

    def assert_tells_no_secret(self, reply):
        told = f"{reply.headers}{reply.body}"
        tokens = [checkout.token for checkout in self.lm.checkouts()]
        for secret in ("arn:", self.licence.key_fingerprint, self.licence.arn.rsplit(":", 1)[1], *tokens):
            assert secret not in told


@pytest.fixture(scope="module", params=SITES)
def shared_site(request):
    with Emulator() as lm:
        site = Site(request.param, lm)
        yield site
        site.server.kill()


@pytest.fixture
def site(shared_site):
    yield shared_site
    shared_site.lm.faults.clear()


@pytest.fixture(params=SITES)
def new_site(request, lm):
    """``new_site(ttl=...)``: one that only this test uses."""
    sites = []

    def make(**options):
        sites.append(Site(request.param, lm, **options))
        return sites[-1]

    yield make
    for one in sites:
        one.server.kill()


def problem(reply, status, slug):
    assert (reply.status, reply.headers["Content-Type"]) == (status, "application/problem+json")
    document = json.loads(reply.body)
    assert (document["status"], document["type"].rpartition("/")[2]) == (status, slug)
    return document


# -- yes ---------------------------------------------------------------------------------------------


def test_what_the_licence_covers_is_served(site):
    for _ in range(3):
        reply = site.get("/export/june")
        assert (reply.status, json.loads(reply.body)) == (200, {"page": "june"})
    assert site.get("/plain").status == 200


def test_a_seat_of_its_own_is_back_after_the_response(site):
    assert site.get("/seat").status == 200
    site.wait_for_seats(0)


# -- no ----------------------------------------------------------------------------------------------


def test_a_program_gets_a_problem_document(site):
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "application/json, text/html"}):
        reply = site.get("/analytics", **accept)
        document = problem(reply, 403, "not-entitled")
        assert (document["entitlement"], document["unit"], document["instance"]) == ("Analytics", "None", "/analytics")
        assert reply.headers["Retry-After"] is None
        site.assert_tells_no_secret(reply)


def test_a_person_gets_a_page(site):
    reply = site.get("/analytics", Accept=BROWSER)
    assert (reply.status, reply.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "<h1>Not included in the licence</h1>" in reply.body
    assert "Accept" in reply.headers["Vary"]
    site.assert_tells_no_secret(reply)


def test_iam_refuses(site):
    """Neither a program nor a person is told that the licence lacks something, for nobody could look."""
    with site.lm.faults.active("CheckoutLicense", error="AccessDeniedException"):
        reply = site.get("/analytics")
        page = site.get("/analytics", Accept=BROWSER)
    document = problem(reply, 403, "not-entitled")
    assert document["reason"] == "refused"
    assert document["detail"].startswith("This application is not allowed to ask for its licence. Tell ")
    assert (page.status, page.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "<h1>Not allowed to ask for the licence</h1>" in page.body
    assert document["detail"] in page.body
    for told in (reply, page):
        assert "Not included" not in told.body
        assert not re.search(r"IAM|AccessDenied|arn:|AWS|role|credential", told.body)
        site.assert_tells_no_secret(told)


def test_all_seats_are_taken(site, make_guard):
    others = make_guard(site.lm, site.licence)
    with others.requires_entitlement("Seats", 3, "Count", hold="call"):
        reply = site.get("/seat")
        page = site.get("/seat", Accept=BROWSER)
    assert problem(reply, 429, "entitlement-exhausted")["retry_after"] == int(reply.headers["Retry-After"]) == 30
    assert (page.status, page.headers["Retry-After"]) == (429, "30")
    assert '<a href="">Try again</a>' in page.body
    site.assert_tells_no_secret(reply)
    assert site.get("/seat").status == 200


def test_exhaustion_that_cannot_be_proven_is_a_plain_no(new_site, make_guard):
    site = new_site()
    others = make_guard(site.lm, site.licence)
    with (
        site.lm.faults.active("GetLicenseUsage", error="AccessDeniedException"),
        others.requires_entitlement("Seats", 3, "Count", hold="call"),
    ):
        assert problem(site.get("/seat"), 403, "not-entitled")["reason"] == "not_entitled"


# -- neither -----------------------------------------------------------------------------------------


def test_the_service_is_down_and_comes_back(new_site, monkeypatch):
    monkeypatch.setenv("SITE_TIMEOUT", "1.5")
    site = new_site()
    with site.lm.down():
        reply = site.get("/seat")
        assert problem(reply, 503, "entitlement-unavailable")
        assert int(reply.headers["Retry-After"]) >= 1
        assert site.get("/plain").status == 200
        page = site.get("/page")
        assert problem(page, 503, "entitlement-unavailable")["entitlement"] == "Pages"
        assert int(page.headers["Retry-After"]) >= 1
    for one in (reply, page):
        site.assert_tells_no_secret(one)
    assert site.get("/seat").status == 200, "recovery needs no restart"
    deadline = time.monotonic() + 10
    while site.get("/page").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    site.wait_for_books(charged=1, reserved=0)


def test_grace_carries_what_was_served_before(new_site, monkeypatch):
    monkeypatch.setenv("SITE_TIMEOUT", "1.5")
    site = new_site(ttl=1)
    assert site.get("/export/june").status == 200
    with site.lm.down():
        time.sleep(1.2)  # in the server's own process, where a test moves no clock
        assert site.get("/export/june").status == 200
        assert site.get("/seat").status == 503


def test_a_mistake_in_the_set_up_tells_clients_nothing(site):
    reply = site.get("/mistake")
    document = json.loads(reply.body)
    assert (reply.status, document["title"], document["type"]) == (500, "Internal Server Error", "about:blank")
    assert "value" not in reply.body


# -- streams -----------------------------------------------------------------------------------------


def test_a_seat_lives_to_the_last_byte_of_a_stream(new_site):
    site = new_site()
    connection, response = site.open("/stream")
    assert response.readline() == b"first\n"
    assert site.seats() == 1
    assert site.get("/go-on").status == 200
    assert response.read() == b"last\n"
    connection.close()
    site.wait_for_seats(0)
    assert (site.lm.calls("CheckoutLicense"), site.lm.calls("CheckInLicense")) == (1, 1)


def test_a_client_that_goes_half_way_leaves_no_seat(new_site):
    site = new_site()
    connection, response = site.open("/endless")
    assert response.readline().startswith(b"more")
    assert site.seats() == 1
    response.close()
    connection.close()
    site.wait_for_seats(0)
    assert (site.lm.calls("CheckoutLicense"), site.lm.calls("CheckInLicense")) == (1, 1)


# -- draws -------------------------------------------------------------------------------------------


def test_a_request_is_charged_once_and_not_when_its_view_raises(site):
    before = site.books()["charged"]
    for _ in range(3):
        assert json.loads(site.get("/page").body) == {"page": "drawn"}
    site.wait_for_books(charged=before + 3, reserved=0)
    assert site.get("/broken").status in (404, 500)
    site.wait_for_books(charged=before + 3, reserved=0)


def test_a_draw_that_is_denied_is_answered_like_a_gate(site):
    before = site.books()
    reply = site.get("/too-many")
    document = problem(reply, 403, "not-entitled")
    assert (document["entitlement"], document["requested"], document["unit"]) == ("Pages", 100, "Count")
    site.assert_tells_no_secret(reply)
    assert site.books() == before


def test_a_client_that_goes_half_way_is_charged_once(site):
    before = site.books()["charged"]
    connection, response = site.open("/endless-pages")
    assert response.readline().startswith(b"more")
    assert site.books() == {"charged": before, "reserved": 2}
    response.close()
    connection.close()
    site.wait_for_books(charged=before + 2, reserved=0)


def test_a_stream_that_breaks_off_is_not_charged(site):
    before = site.books()["charged"]
    connection, response = site.open("/torn-pages")
    with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
        response.read()
    connection.close()
    site.wait_for_books(charged=before, reserved=0)


# -- the end -----------------------------------------------------------------------------------------


def test_a_stopped_server_leaves_nothing_checked_out(new_site):
    site = new_site()
    assert site.get("/export/june").status == 200
    assert len(site.lm.checkouts()) == 1
    site.server.stop()
    assert site.lm.checkouts() == []
