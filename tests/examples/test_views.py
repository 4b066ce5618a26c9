"""The web examples: through their frameworks' test clients, and as servers on the loopback interface."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.examples.conftest import EXAMPLES

TAKE, RETURN = "CheckoutLicense Seats 1", "CheckInLicense"
DENIED = "CheckoutLicense Archive 400"


def fetch(url):
    """Status, body and headers."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused), refused.headers


@pytest.fixture
def flask_client(licence):
    spec = importlib.util.spec_from_file_location("flask_view", EXAMPLES / "flask_view.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app.test_client()


def test_flask_answers(flask_client, asked):
    for _ in range(3):
        answer = flask_client.get("/report/june")
        assert (answer.status_code, answer.json) == (200, {"report": "june"})
    answer = flask_client.get("/archive")
    assert (answer.status_code, answer.json) == (403, {"error": "not-entitled"})
    assert flask_client.get("/nowhere").status_code == 404
    assert asked() == [TAKE, DENIED]


def test_flask_tells_an_outage_from_a_no(flask_client, lm, licence):
    from meterguard import configure

    configure(timeout=3)
    with lm.down():
        answer = flask_client.get("/report/june")
    assert (answer.status_code, answer.json) == (503, {"error": "entitlement-unavailable"})
    assert int(answer.headers["Retry-After"]) >= 1
    assert flask_client.get("/report/june").status_code == 200


# Django's settings are for a whole process, so each test has one of its own.
DJANGO = """
import importlib.util, json, sys
from meterguard import configure
configure(timeout=3)
spec = importlib.util.spec_from_file_location("django_view", {path!r})
module = sys.modules["django_view"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from django.test import Client
client = Client()
for path in {paths}:
    answer = client.get(path)
    print(json.dumps([answer.status_code, answer.headers.get("Retry-After"), answer.content.decode()]))
"""


def django_answers(run, *paths):
    done = run("-c", DJANGO.format(path=str(EXAMPLES / "django_view.py"), paths=paths))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_django_answers(run, asked, nothing_left):
    answers = django_answers(run, "/report/june", "/report/july", "/archive", "/nowhere")
    assert [status for status, _, _ in answers] == [200, 200, 403, 404]
    assert json.loads(answers[1][2]) == {"report": "july", "method": "GET"}
    assert json.loads(answers[2][2]) == {"error": "not-entitled"}
    assert asked() == [TAKE, DENIED, RETURN]
    assert nothing_left()


def test_django_tells_an_outage_from_a_no(run, lm, nothing_left):
    with lm.down():
        ((status, later, body), (async_status, _, _)) = django_answers(run, "/report/june", "/archive")
    assert (status, async_status) == (503, 503)
    assert json.loads(body) == {"error": "entitlement-unavailable"}
    assert int(later) >= 1
    assert nothing_left()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "flask", "--app", EXAMPLES / "flask_view.py", "run", "--port", "0"],
        [EXAMPLES / "django_view.py", "runserver", "--noreload", "127.0.0.1:0"],
    ],
    ids=["flask", "django"],
)
def test_a_server(serve, asked, nothing_left, arguments):
    with serve(*arguments) as url:
        with ThreadPoolExecutor(8) as visitors:
            answers = list(visitors.map(fetch, [f"{url}/report/june"] * 40))
        assert {status for status, _, _ in answers} == {200}
        assert answers[0][1]["report"] == "june"
        status, body, _ = fetch(f"{url}/archive")
        assert (status, body) == (403, {"error": "not-entitled"})
    assert asked() == [TAKE, DENIED, RETURN]
    assert nothing_left()
