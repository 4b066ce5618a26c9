"""Flask views behind a licence, with the plain decorator and two error handlers.

Set up as for quickstart.py, then run:

    flask --app examples/flask_view.py run
    curl -i http://127.0.0.1:5000/report/june
    curl -i http://127.0.0.1:5000/archive
"""

from math import ceil
from typing import Any

from flask import Flask

from meterguard import EntitlementDenied, EntitlementUnavailable, requires_entitlement

app = Flask(__name__)


# The gate goes below the route: what the route registers is the guarded view.
@app.get("/report/<name>")
@requires_entitlement("Seats", 1, "Count")
def report(name: str) -> dict[str, str]:
    return {"report": name}


@app.get("/archive")
@requires_entitlement("Archive")
def archive() -> dict[str, str]:
    return {"archive": "everything"}


# A no and an outage are different answers. The texts of the exceptions are for the operator, not for visitors.
@app.errorhandler(EntitlementDenied)
def not_entitled(denied: EntitlementDenied) -> tuple[dict[str, Any], int]:
    app.logger.warning("denied: %s", denied)
    return {"error": "not-entitled"}, 403


@app.errorhandler(EntitlementUnavailable)
def unavailable(unknown: EntitlementUnavailable) -> tuple[dict[str, Any], int, dict[str, str]]:
    app.logger.warning("unavailable: %s", unknown)
    return {"error": "entitlement-unavailable"}, 503, {"Retry-After": str(ceil(unknown.retry_after or 30))}
