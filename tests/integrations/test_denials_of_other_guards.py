"""A denial proves itself: an answer depends on the guard that was denied, and not on the one that is installed."""

from __future__ import annotations

import pytest

from meterguard import EntitlementDenied, requires_entitlement
from meterguard.integrations import fastapi as fastapi_integration
from meterguard.integrations.flask import FlaskMeterGuard

QUESTIONS = ("GetLicenseUsage", "ListReceivedLicenses", "ListLicenses")


@pytest.fixture
def other(lm, make_guard):
    """A guard of product A, whose licence has no seats."""
    return make_guard(lm, lm.add_license("A", entitlements=[("Export", None, "None")]), denial_ttl=0)


@pytest.fixture
def full(lm, licence, make_guard):
    """A guard of a product, all of whose seats somebody else uses."""
    with make_guard(lm, licence).requires_entitlement("Seats", 3, "Count", hold="call"):
        yield make_guard(lm, licence, denial_ttl=0)


def ask_flask(installed, **gates):
    import flask

    app = flask.Flask("site")
    FlaskMeterGuard(app, installed)
    for path, gate in gates.items():
        app.add_url_rule(f"/{path}", path, gate(lambda: "served"))
    with app.test_client() as client:
        return {path: client.get(f"/{path}") for path in gates}


def ask_fastapi(installed, **gates):
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    app = FastAPI()
    fastapi_integration.install(app, installed)
    for path, gate in gates.items():

        @gate
        async def view():
            return "served"

        app.get(f"/{path}")(view)
    with TestClient(app) as client:
        return {path: client.get(f"/{path}") for path in gates}


@pytest.mark.parametrize("ask", [ask_flask, ask_fastapi])
def test_the_guard_that_was_denied_counts(lm, other, full, ask):
    seat = ("Seats", 1, "Count")
    theirs, ours = requires_entitlement(*seat, guard=other), requires_entitlement(*seat, guard=full)
    replies = ask(full, theirs=theirs, ours=ours)
    assert {path: reply.status_code for path, reply in replies.items()} == {"theirs": 403, "ours": 429}
    assert replies["ours"].headers["Retry-After"] == "30"
    assert "Retry-After" not in replies["theirs"].headers


@pytest.mark.parametrize("ask", [ask_flask, ask_fastapi])
def test_exhaustion_of_another_guard_than_the_installed_is_told(lm, other, full, ask):
    replies = ask(other, ours=requires_entitlement("Seats", 1, "Count", guard=full))
    assert replies["ours"].status_code == 429


def test_the_handler_asks_nothing(lm, full):
    with pytest.raises(EntitlementDenied) as denied:
        requires_entitlement("Seats", 1, "Count", guard=full)(lambda: None)()
    asked = [one for one in lm.requests if one.operation in QUESTIONS]

    def view_raises(_):
        def view():
            raise denied.value

        return view

    assert ask_flask(full, late=view_raises)["late"].status_code == 429
    assert [one for one in lm.requests if one.operation in QUESTIONS] == asked
