"""The integration of the page "Write an integration", behind a server, and used as people use it."""

from __future__ import annotations

import http.client
import importlib.util
import json
import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import bottle
import pytest

from tests.examples.conftest import EXAMPLES

FIRST, LAST = b"a" * 100_000, b"b"


@pytest.fixture
def plugin():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("bottle_plugin", EXAMPLES / "bottle_plugin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EntitlementPlugin


@pytest.fixture
def app(lm, licence, make_guard, plugin):
    app = bottle.Bottle()
    app.install(plugin(make_guard(lm, licence, denial_ttl=0)))
    return app


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def served(app):
    """``(status, headers, response)`` of a path, from a server in this process."""
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        connections = []

        def ask(path, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
            connections.append(connection)
            connection.request("GET", path, headers=headers)
            return connection.getresponse()

        try:
            yield ask
        finally:
            for connection in connections:
                connection.close()
            server.shutdown()
            thread.join()


def seats(lm):
    return lm.usage("ACME-1")["Seats"]


def test_a_route_that_is_covered_holds_its_seat_for_the_view(lm, app):
    during = []

    @app.get("/report/<name>", entitlement=("Seats", 1, "Count"))
    def report(name):
        during.append(seats(lm))
        return name

    app.get("/free", callback=lambda: "free")
    with served(app) as ask:
        assert (ask("/report/june").read(), ask("/free").read()) == (b"june", b"free")
    assert (during, seats(lm), lm.calls("CheckInLicense")) == ([1], 0, 1)


def test_refusals_are_answered_as_by_every_integration(lm, licence, make_guard, app):
    app.get("/no", entitlement=("Analytics",), callback=lambda: "never")
    app.get("/full", entitlement=("Seats", 1, "Count"), callback=lambda: "never")
    app.get("/down", entitlement=("Printing",), callback=lambda: "never")
    with served(app) as ask, make_guard(lm, licence).requires_entitlement("Seats", 3, "Count"):
        no, full = ask("/no"), ask("/full")
        page = ask("/no", Accept="text/html")
        lm.faults.add("CheckoutLicense", error="ServerInternalException", headers={"Retry-After": "60"})
        down = ask("/down")
        assert [one.status for one in (no, full, page, down)] == [403, 429, 403, 503]
        assert (full.headers["Retry-After"], down.headers["Retry-After"]) == ("30", "60")
        assert no.headers["Content-Type"] == "application/problem+json"
        assert json.loads(no.read())["entitlement"] == "Analytics"
        assert b"<!doctype html>" in page.read()


def test_a_view_that_fails_leaves_no_seat(lm, app):
    app.get("/broken", entitlement=("Seats", 1, "Count"), callback=lambda: 1 / 0)
    with served(app) as ask:
        assert ask("/broken").status == 500
    assert (seats(lm), lm.calls("CheckInLicense")) == (0, 1)


def test_a_stream_keeps_its_seat_to_the_last_byte(lm, app):
    may_go_on = threading.Event()

    @app.get("/stream", entitlement=("Seats", 1, "Count"))
    def stream():
        yield FIRST
        assert may_go_on.wait(30)
        yield LAST

    with served(app) as ask:
        response = ask("/stream")
        assert response.read(len(FIRST)) == FIRST
        assert seats(lm) == 1
        may_go_on.set()
        assert response.read() == LAST
        lm.wait_for_calls("CheckInLicense", done=True)
    assert seats(lm) == 0


def test_without_a_guard_it_asks_the_default_one(lm, licence, plugin):
    app = bottle.Bottle()
    app.install(plugin())
    app.get("/", entitlement=("Export",), callback=lambda: "exported")
    with served(app) as ask:
        assert ask("/").read() == b"exported"


def test_it_is_thirty_lines_of_public_names():
    text = (EXAMPLES / "bottle_plugin.py").read_text("utf-8")
    _, _, program = text.split('"""', maxsplit=2)
    assert len([line for line in program.splitlines() if line.strip() and not line.strip().startswith('"""')]) <= 30
    assert "._" not in text
