"""The site of test_every_framework.py, in Flask."""

from __future__ import annotations

import threading

from flask import Flask, Response

from meterguard.integrations.flask import FlaskMeterGuard
from tests.integrations.sites.licence import books, guard_of_the_site


def build(guard):
    app = Flask(__name__)
    FlaskMeterGuard(app, guard)
    go_on = threading.Event()

    @app.get("/plain")
    def plain():
        return {"page": "plain"}

    @app.get("/export/<name>")
    @guard.requires_entitlement("Export")
    def export(name):
        return {"page": name}

    @app.get("/seat")
    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    def seat():
        return {"page": "seat"}

    @app.get("/analytics")
    @guard.requires_entitlement("Analytics")
    def analytics():
        raise AssertionError("never run")

    @app.get("/mistake")
    @guard.requires_entitlement("Seats", lambda: -1, "Count")
    def mistake():
        raise AssertionError("never run")

    @app.get("/stream")
    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    def stream():
        def chunks():
            yield "first\n"
            go_on.wait(20)
            yield "last\n"

        return Response(chunks(), mimetype="text/plain")

    @app.get("/endless")
    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    def endless():
        def chunks():
            while not go_on.wait(0.05):
                yield "more" * 10_000 + "\n"

        return Response(chunks(), mimetype="text/plain")

    @app.get("/page")
    @guard.consumes_entitlement("Pages", 1)
    def page():
        return {"page": "drawn"}

    @app.get("/broken")
    @guard.consumes_entitlement("Pages", 1)
    def broken():
        raise OSError("the printer burns")

    @app.get("/too-many")
    @guard.consumes_entitlement("Pages", 100)
    def too_many():
        raise AssertionError("never run")

    @app.get("/endless-pages")
    @guard.consumes_entitlement("Pages", 2)
    def endless_pages():
        def chunks():
            while not go_on.wait(0.05):
                yield "more" * 10_000 + "\n"

        return Response(chunks(), mimetype="text/plain")

    @app.get("/torn-pages")
    @guard.consumes_entitlement("Pages", 2)
    def torn_pages():
        def chunks():
            yield "first\n"
            raise OSError("the printer burns")

        return Response(chunks(), mimetype="text/plain")

    @app.get("/books")
    def kept():
        return books(guard)

    @app.get("/go-on")
    def release():
        go_on.set()
        return {"page": "go-on"}

    return app


def served():
    return build(guard_of_the_site())
