"""A reporting service in Flask: a seat for each user, a group of views behind a feature, and a streamed job.

Set up as for quickstart.py, then run:

    flask --app examples/flask_app.py run
    curl -ic jar -d user=ana http://127.0.0.1:5000/login
    curl -ib jar http://127.0.0.1:5000/reports/june
    curl -i http://127.0.0.1:5000/archive/may
"""

from collections.abc import Iterator

from flask import Blueprint, Flask, Response, abort, redirect, render_template_string, request, session
from werkzeug.wrappers import Response as AnyResponse

from meterguard import requires_entitlement
from meterguard.integrations.flask import FlaskMeterGuard, logged_in_user

HOME = """<!doctype html><title>Reports</title>
<h1>Reports</h1>
<ul>
  <li><a href="/reports/june">June</a></li>
  {% if entitled("Export") %}<li><a href="/export/june">Export June</a></li>{% endif %}
  {% if entitled("Archive") %}<li><a href="/archive/may">Archive</a></li>{% endif %}
</ul>"""

app = Flask(__name__)
app.config.update(METERGUARD_LINGER=900)
app.secret_key = "replace me"  # noqa: S105
licences = FlaskMeterGuard()


@app.before_request
def log_in_first() -> None:
    if request.path.startswith("/reports/") and "user_id" not in session:
        abort(401)


@app.get("/")
def home() -> str:
    return render_template_string(HOME)


@app.post("/login")
def login() -> AnyResponse:
    session["user_id"] = request.form["user"]
    return redirect("/")


# The gate goes below the route: what the route registers is the guarded view.
@app.get("/reports/<name>")
@requires_entitlement("Seats", 1, "Count", per=logged_in_user)
def report(name: str) -> dict[str, str | bool]:
    return {"report": name, "user": session["user_id"], "seat": True}


# A job's seat is held until its last line is sent, or the client is gone.
@app.get("/jobs/<name>")
@requires_entitlement("Seats", 1, "Count", hold="call")
def job(name: str) -> Response:
    def lines() -> Iterator[str]:
        for step in range(3):
            yield f"{name}: step {step}\n"

    return Response(lines(), mimetype="text/plain")


export = Blueprint("export", __name__, url_prefix="/export")
licences.protect(export, "Export")


@export.get("/<name>")
def csv(name: str) -> Response:
    return Response(f"report\n{name}\n", mimetype="text/csv")


archive = Blueprint("archive", __name__, url_prefix="/archive")
licences.protect(archive, "Archive")


@archive.get("/<name>")
def archived(name: str) -> dict[str, str]:
    return {"archived": name}


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ok": True}


app.register_blueprint(export)
app.register_blueprint(archive)
licences.init_app(app)
