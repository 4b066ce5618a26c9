"""The Flask site of the integration tests, with the headers of a house that forbids styles in a page."""

from __future__ import annotations

from flask import request

from tests.integrations.sites import flask_site
from tests.integrations.sites.licence import guard_of_the_site

STRICT = "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"


def served():
    app = flask_site.build(guard_of_the_site())

    @app.after_request
    def add_policy(response):
        if "strict" in request.args:
            response.headers["Content-Security-Policy"] = STRICT
        return response

    return app
