"""``meterguard doctor``."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from contextlib import closing

import boto3
import pytest

from meterguard.diagnostics import examine
from meterguard.rows import Written
from meterguard.stores.memory_rows import MemoryRows
from meterguard.stores.sqlite_journal import journal_for
from meterguard.stores.sqlite_rows import SqliteRows
from meterguard.testing import Clock

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


@pytest.fixture(autouse=True)
def no_proxy_or_bundle(monkeypatch):
    """Without what the environment of a developer may say."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def doctor(run, licence, product):
    """``doctor(*options, **variables)``: its exit code, and each finding by the name of its check."""

    def examine(*options, **variables):
        done = run("doctor", "--json", *options, **product | variables)
        assert [
            secret for secret in (licence.key_fingerprint, licence.arn) if secret in done.stdout + done.stderr
        ] == []
        document = json.loads(done.stdout)
        assert list(document) == ["findings"]
        assert {tuple(one) for one in document["findings"]} == {("check", "result", "detail", "fix")}
        return done.returncode, {one["check"]: one for one in document["findings"]}

    return examine


ORIGINS = ("region", "endpoint", "proxy", "certificates", "models")
RIGHT = dict.fromkeys(("settings", "options", "trust", "connection", *ORIGINS, "licence", "ledger", "store"), "ok")


def results(found):
    return {name: one["result"] for name, one in found.items()}


def test_a_set_up_that_is_right(doctor, lm):
    code, found = doctor()
    assert (code, results(found)) == (0, RIGHT)
    assert [name for name, one in found.items() if one["fix"]] == ["trust"]
    assert [one.operation for one in lm.requests] == ["ListReceivedLicenses"]


def test_offline_it_asks_nothing(doctor, lm):
    code, found = doctor("--offline")
    assert (code, results(found)) == (0, RIGHT | {"licence": "skipped"})
    assert lm.requests == []


def test_live_it_tells_what_is_in_use_and_takes_nothing(doctor, lm):
    code, found = doctor("--live")
    assert (code, found["usage"]["detail"]) == (0, "Seats: 0 of 3 Count in use")
    assert lm.calls("CheckoutLicense") == 0


def test_what_is_missing_is_named(doctor):
    code, found = doctor(METERGUARD_PRODUCT_SKU="")
    assert (code, list(found)) == (1, ["settings"])
    assert "set METERGUARD_PRODUCT_SKU" in found["settings"]["detail"]


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("METERGUARD_PRODUCT_SKU", "ACME-9", "check product_sku"),
        ("METERGUARD_KEY_FINGERPRINT", "aws:444455556666:Other:issuer-fingerprint", "check key_fingerprint"),
    ],
)
def test_a_wrong_product_or_issuer_is_found(doctor, variable, value, fix):
    code, found = doctor(**{variable: value})
    assert (code, found["licence"]["result"]) == (1, "failed")
    assert found["licence"]["fix"].startswith(fix)
    assert value not in found["licence"]["detail"]


def test_without_a_region(doctor):
    code, found = doctor(AWS_REGION="", AWS_DEFAULT_REGION="")
    assert (code, found["connection"]["result"]) == (1, "failed")
    assert "no AWS Region is set" in found["connection"]["detail"]


@pytest.mark.parametrize("option", [None, "--live"])
def test_what_iam_refuses_is_unknown(doctor, lm, option):
    with lm.faults.active("ListReceivedLicenses", error="AccessDeniedException"):
        code, found = doctor(*filter(None, [option]))
    assert (code, found["licence"]["result"]) == (0, "unknown")
    assert "license-manager:ListReceivedLicenses" in found["licence"]["fix"]


def test_credentials_that_nobody_knows_are_wrong(doctor, lm):
    with lm.faults.active("ListReceivedLicenses", error="UnrecognizedClientException"):
        code, found = doctor()
    assert (code, found["licence"]["result"]) == (1, "failed")


def test_no_answer_is_told(doctor, lm):
    lm.down()
    code, found = doctor()
    assert (code, found["licence"]["result"]) == (1, "failed")
    assert found["licence"]["detail"].startswith("License Manager could not be asked: ")


@pytest.mark.parametrize("attribute", ["app", "create_app()"])
@pytest.mark.parametrize("wrong", [False, True])
def test_it_searches_an_application(doctor, tmp_path, attribute, wrong):
    (tmp_path / "site_of_mine.py").write_text(APP.format(wrong=wrong))
    code, found = doctor("--app", f"site_of_mine:{attribute}")
    assert (code, found["guards"]["result"]) == ((1, "failed") if wrong else (0, "ok"))
    assert ("bypassed" in found["guards"]["detail"]) is wrong


@pytest.mark.parametrize("attribute", ["application", "asynchronous"])
@pytest.mark.parametrize("wrong", [False, True])
def test_it_searches_a_django_project(doctor, tmp_path, attribute, wrong):
    (tmp_path / "project_of_mine.py").write_text(DJANGO.format(wrong=wrong))
    code, found = doctor("--app", f"project_of_mine:{attribute}")
    assert (code, found["guards"]["result"]) == ((1, "failed") if wrong else (0, "ok"))
    assert found["guards"]["detail"].endswith(": report") is wrong


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("site", "is not of the form module:attribute"),
        ("no_such:app", "ModuleNotFoundError: No module named 'no_such'"),
        ("json:dumps", "cannot be searched for guards; name an application of"),
        ("ends:app", "SystemExit: 3"),
        ("breaks:app", "ZeroDivisionError: two lines"),
    ],
)
def test_what_is_no_application(run, tmp_path, app, told):
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    (tmp_path / "breaks.py").write_text("raise ZeroDivisionError('two\\nlines')")
    done = run("doctor", "--app", app)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


# -- what is trusted, and where it comes from ----------------------------------------------------------


def test_it_says_that_the_environment_decides_and_what_to_set(doctor, lm):
    _, found = doctor("--offline")
    assert found["trust"]["detail"] == "whoever sets the environment of this process decides which server is asked"
    assert found["trust"]["fix"] == "where that is not you, pass trusted_keys= or trust_env=False in the program"
    assert found["options"]["detail"].startswith(
        "product_sku from METERGUARD_PRODUCT_SKU, key_fingerprint from METERGUARD_KEY_FINGERPRINT; by default: "
    )
    told = {name: found[name]["detail"] for name in ORIGINS}
    assert told == {
        "region": "us-east-1; this comes from AWS_REGION",
        "endpoint": f"{lm.url.removeprefix('http://')}; this comes from AWS_ENDPOINT_URL_LICENSE_MANAGER",
        "proxy": "none; this comes from default",
        "certificates": "those of boto3; this comes from default",
        "models": "those of boto3; this comes from default",
    }


def test_it_names_the_variables_that_lead_away_and_no_password(doctor, tmp_path):
    (tmp_path / "models" / "license-manager").mkdir(parents=True)
    (tmp_path / "authority.pem").write_text("")
    code, found = doctor(
        "--offline",
        METERGUARD_GRACE="60",
        METERGUARD_ON_UNKNOWN="allow",
        METERGUARD_LOOPBACK_ONLY="",
        AWS_ENDPOINT_URL_LICENSE_MANAGER="https://me:s3cret@license-manager.example:8443/path",
        HTTPS_PROXY="http://me:s3cret@proxy.example:3128",
        AWS_CA_BUNDLE=str(tmp_path / "authority.pem"),
        AWS_DATA_PATH=str(tmp_path / "models"),
    )
    assert "s3cret" not in str(found)
    assert code == 0
    assert "grace from METERGUARD_GRACE" in found["options"]["detail"]
    assert "on_unknown from" not in found["options"]["detail"], "it was laxer"
    told = {name: found[name]["detail"] for name in ORIGINS[1:]}
    assert told == {
        "endpoint": "license-manager.example:8443; this comes from AWS_ENDPOINT_URL_LICENSE_MANAGER",
        "proxy": "proxy.example:3128; this comes from HTTPS_PROXY",
        "certificates": f"{tmp_path / 'authority.pem'}; this comes from AWS_CA_BUNDLE",
        "models": f"{tmp_path / 'models'}; this comes from AWS_DATA_PATH",
    }


def test_it_names_awss_files(make_guard, tmp_path, lm, licence, monkeypatch):
    (tmp_path / "config").write_text(f"[default]\nregion = eu-west-1\nendpoint_url = {lm.url}\nca_bundle = /none.pem\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    guard = make_guard(lm, licence, endpoint_url=None, region_name=None)
    told = {one.check: one.detail for one in examine(guard, offline=True)}
    files = "this comes from AWS's config or credentials file"
    assert told["region"] == f"eu-west-1; {files}"
    assert told["endpoint"] == f"{lm.url.removeprefix('http://')}; {files}"
    assert told["certificates"] == f"/none.pem; {files}"


CLOSED = """
import click, meterguard

meterguard.configure("ACME-1", "aws:111122223333:Acme:issuer-fingerprint", trust_env=False, region_name="eu-west-1")

@click.command()
def app(): ...
"""


def test_it_follows_the_guard_of_an_application(doctor, tmp_path, lm):
    (tmp_path / "program_of_mine.py").write_text(CLOSED)
    code, found = doctor("--offline", "--app", "program_of_mine:app", METERGUARD_LOOPBACK_ONLY="")
    assert code == 0
    assert found["trust"]["detail"].startswith("the environment names no server, proxy or certificates; answers are")
    assert found["trust"]["fix"] is None
    options = (
        "product_sku from argument, key_fingerprint from argument, region_name from argument, trust_env from argument"
    )
    assert found["options"]["detail"].startswith(options)
    told = {name: found[name]["detail"] for name in ORIGINS}
    assert told == {
        "region": "eu-west-1; this comes from argument",
        "endpoint": "license-manager.eu-west-1.amazonaws.com; this comes from default",
        "proxy": "none; this comes from trust_env=False",
        "certificates": "those of boto3; this comes from trust_env=False",
        "models": "those of boto3; this comes from trust_env=False",
    }
    assert "METERGUARD_" not in str(found)
    assert lm.requests == []


def test_people_get_lines(run):
    done = run("doctor")
    assert done.returncode == 1
    assert done.stdout.startswith("failed  settings    product_sku is missing")


# -- borrowed licences -------------------------------------------------------------------------------

BORROWING = """
import click, meterguard
from pathlib import Path

meterguard.configure(trusted_keys=Path("issuer.pem"), borrowed="mine.jwt", node_id="node-1")

@click.command()
def app(): ...
"""
DAY = 86_400


@pytest.fixture
def lent(lm, tmp_path, make_guard):
    """A licence of which two seats and a feature are borrowed, each for itself."""
    lent = lm.add_license("LENT-1", [("Seats", 3, "Count"), ("Export", None, "None")], borrow_ttl=DAY)
    (tmp_path / "issuer.pem").write_text(lent.public_key_pem)
    (tmp_path / "borrowing.py").write_text(BORROWING)
    guard = make_guard(lm, lent, trusted_keys=lent.public_key_pem, node_id="node-1")
    for wanted in (("Seats", 2), ("Export",)):
        guard.borrow(*wanted, path=tmp_path / "mine.jwt")
    return lent


@pytest.fixture
def borrowed(doctor, lent, tmp_path):
    """``borrowed()``: the finding about a program that uses a file, which stays as it is."""

    def examine():
        before = {path: path.read_bytes() for path in tmp_path.glob("mine.jwt*")}
        code, found = doctor("--offline", "--app", "borrowing:app", METERGUARD_PRODUCT_SKU="LENT-1")
        assert {path: path.read_bytes() for path in tmp_path.glob("mine.jwt*")} == before
        file = tmp_path / "mine.jwt"
        secrets = [lent.arn, *file.read_text().split()] if file.exists() else []
        assert [secret for secret in secrets if secret in str(found)] == []
        one = found["borrowed"]
        assert code == (1 if one["result"] == "failed" else 0)
        return one

    return examine


def test_it_says_what_is_borrowed_and_until_when(borrowed):
    one = borrowed()
    assert (one["result"], one["fix"]) == ("ok", None)
    day = r"20\d\d-\d\d-\d\d \d\d:\d\d UTC"
    assert re.fullmatch(rf"mine\.jwt covers Seats \(2 Count\) until {day}, and Export until {day}", one["detail"])


def test_it_says_that_nothing_is_borrowed(borrowed, tmp_path):
    (tmp_path / "mine.jwt").unlink()
    one = borrowed()
    assert one["result"] == "ok"
    assert one["detail"] == "nothing is borrowed in mine.jwt, so that License Manager is asked about everything"
    assert "meterguard borrow" in one["fix"]


def test_it_says_nothing_of_it_where_nothing_may_be_borrowed(doctor):
    assert "borrowed" not in doctor("--offline")[1]


CLOCK = "set the clock of this machine right, or take the file away and borrow anew with meterguard borrow"
MEND = "mend the file, or take it away and borrow anew with meterguard borrow"


@pytest.mark.parametrize(
    ("name", "text", "detail", "fix"),
    [
        ("mine.jwt", "e30.e30.AAAA\n", "gates are refused, for a borrowed licence in mine.jwt is not signed", CLOCK),
        (
            "borrowing.py",
            BORROWING.replace("node-1", "node-2"),
            "gates are refused, for a borrowed licence in mine.jwt is for another node (node_id)",
            CLOCK,
        ),
        (
            "mine.jwt.seen",
            "99999999999\n",
            "gates are refused, for a borrowed licence in mine.jwt was issued or used later than now, so that",
            CLOCK,
        ),
        ("mine.jwt.seen", "soon\n", "mine.jwt.seen is damaged: it does not say when the licence was used last", MEND),
        ("issuer.pem", "no key", "trusted_keys, key 1: this is no public RSA key in PEM", None),
    ],
)
def test_it_says_why_a_borrowed_licence_is_not_believed(borrowed, tmp_path, name, text, detail, fix):
    (tmp_path / name).write_text(text)
    one = borrowed()
    assert (one["result"], one["fix"]) == ("failed", fix)
    assert one["detail"].startswith(detail)


def test_it_says_that_a_borrowed_licence_has_ended(lm, lent, make_guard, tmp_path):
    options = {"trusted_keys": lent.public_key_pem, "node_id": "node-1", "borrowed": tmp_path / "mine.jwt"}
    clock = Clock(lm)
    clock.shift(DAY + 1)
    try:
        (one,) = [one for one in examine(make_guard(lm, lent, **options), offline=True) if one.check == "borrowed"]
    finally:
        clock.restore()
    assert (one.result, one.fix) == ("failed", "borrow anew with meterguard borrow")
    assert re.search(r"what was borrowed in .*mine\.jwt ended on 20\d\d-\d\d-\d\d \d\d:\d\d UTC$", one.detail)


# -- the ledger --------------------------------------------------------------------------------------


def test_a_ledger_of_one_process(doctor):
    _, found = doctor("--offline")
    assert found["ledger"]["detail"].startswith("in the memory of this process, and gone when it ends: where several")
    assert "METERGUARD_LEDGER=sqlite:///" in found["ledger"]["detail"]


def test_a_ledger_in_a_file(doctor, tmp_path, lm, licence, make_guard):
    path = tmp_path / "ledger.db"
    url = f"sqlite:///{path}"
    _, found = doctor("--offline", METERGUARD_LEDGER=url)
    assert found["ledger"]["detail"].startswith(f"the file {path}, which is made at the first use; with a ")
    assert not path.exists()
    guard = make_guard(lm, licence, ledger=url)
    with guard.consumes_entitlement("Seats", 1):
        pass
    guard.close()
    code, found = doctor("--offline", METERGUARD_LEDGER=url)
    assert (code, found["ledger"]["result"], found["ledger"]["fix"]) == (0, "ok", None)
    assert f"the file {path}, whose integrity was checked; with a " in found["ledger"]["detail"]
    assert " in SQLite 3." in found["ledger"]["detail"]
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    code, found = doctor("--offline", METERGUARD_LEDGER=url)
    assert (code, found["ledger"]["result"]) == (1, "failed")
    assert str(path) in found["ledger"]["detail"]


def test_a_ledger_that_has_no_place(doctor, tmp_path):
    code, found = doctor("--offline", METERGUARD_LEDGER=f"sqlite:///{tmp_path}/none/ledger.db")
    assert (code, found["ledger"]["result"]) == (1, "failed")
    assert "there is no directory" in found["ledger"]["detail"]


@pytest.mark.parametrize("kept", ["yes", "no"])
def test_a_redis_that_keeps_a_file_or_not(doctor, serve_redis, kept):
    code, found = doctor("--offline", METERGUARD_LEDGER=serve_redis("--appendonly", kept))
    detail = found["ledger"]["detail"]
    if kept == "yes":
        assert (code, detail.endswith(", which appends what is written to a file")) == (0, True)
    else:
        assert (code, found["ledger"]["result"], "keeps nothing on its disk" in detail) == (1, "failed", True)


@pytest.mark.parametrize(("kept", "told"), [("yes", "it appends what is written"), ("no", "it keeps no file")])
def test_a_store_in_redis_says_what_it_keeps(doctor, serve_redis, kept, told):
    code, found = doctor("--offline", METERGUARD_STORE=serve_redis("--appendonly", kept, "--save", ""))
    assert code == 0
    assert told in found["store"]["detail"]


def test_an_overdraft_is_told(lm, licence, make_guard):
    guard = make_guard(lm, licence, overdraft={"Pages": 5, "Calls": 9})
    told = {one.check: one.detail for one in examine(guard, offline=True)}
    assert told["overdraft"].endswith("each process may use on credit 9 of Calls, 5 of Pages")


# -- the store ---------------------------------------------------------------------------------------


def test_a_store_of_one_process(doctor):
    _, found = doctor("--offline")
    assert "each process takes a seat of its own" in found["store"]["detail"]
    assert found.keys() & {"clock", "sealing"} == set()


def test_a_store_in_a_file(doctor, tmp_path, lm, licence, make_guard):
    path = tmp_path / "leases.db"
    url = f"sqlite:///{path}"
    code, found = doctor("--offline", METERGUARD_STORE=url)
    assert (code, results(found)) == (0, RIGHT | {"licence": "skipped"})
    assert found["store"]["detail"].startswith(f"the file {path}, which is made at the first use; with a ")
    assert not path.exists()
    guard = make_guard(lm, licence, store=url)
    assert guard.has_entitlement("Export")
    guard.close()
    code, found = doctor("--offline", METERGUARD_STORE=url)
    assert (code, results(found)) == (0, RIGHT | {"licence": "skipped", "clock": "ok"})
    is_safe = journal_for(sqlite3.sqlite_version_info) == "wal"
    assert f"with a {'write-ahead log' if is_safe else 'rollback journal'}, " in found["store"]["detail"]
    assert found["store"]["detail"].endswith("; it can be written")
    with closing(SqliteRows(str(path))) as store:
        assert [key for key, _ in store.rows("") if not key.endswith("/sweep")] == []
    path.write_bytes(b"no database at all" * 1000)
    code, found = doctor("--offline", METERGUARD_STORE=url)
    assert (code, found["store"]["result"]) == (1, "failed")
    assert "is damaged" in found["store"]["detail"]


def test_what_dead_processes_left_stays(doctor, tmp_path, lm, hold):
    with hold() as holder:
        holder.kill()
    before = len(lm.requests)
    code, _ = doctor("--offline", METERGUARD_STORE=f"sqlite:///{tmp_path}/leases.db")
    assert (code, len(lm.requests)) == (0, before)
    assert len(lm.checkouts()) == 1


def test_a_store_that_has_no_place(doctor, tmp_path):
    code, found = doctor("--offline", METERGUARD_STORE=f"sqlite:///{tmp_path}/none/leases.db")
    assert (code, found["store"]["result"]) == (1, "failed")
    assert "there is no directory" in found["store"]["detail"]


def test_a_store_whose_directory_may_not_be_written(lm, licence, make_guard, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(tmp_path))  # for tests run as root as well
    guard = make_guard(lm, licence, store=f"sqlite:///{tmp_path}/leases.db")
    found = {one.check: one for one in examine(guard, offline=True)}
    assert found["store"].result == "failed"
    assert "this user may not write its directory" in found["store"].detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["", "c2VjcmV0" * 6])
def test_a_store_in_redis(doctor, serve_redis, key):
    code, found = doctor("--offline", METERGUARD_STORE=serve_redis(), METERGUARD_STORE_KEY=key)
    assert (code, results(found)) == (0, RIGHT | {"licence": "skipped", "clock": "ok", "sealing": "ok"})
    assert "whose restarts are noticed; it appends what is written to a file" in found["store"]["detail"]
    assert ("is not set" in found["sealing"]["detail"]) is (not key)
    assert "c2VjcmV0" not in str(found)


def test_a_store_key_that_cannot_be_used(doctor, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/leases.db"
    code, found = doctor("--offline", METERGUARD_STORE=url, METERGUARD_STORE_KEY="too-short")
    assert (code, found["sealing"]["result"]) == (1, "failed")
    assert "at least 32 characters" in found["sealing"]["detail"]
    assert "too-short" not in str(found)


def test_a_server_that_may_not_be_written(doctor, serve_redis):
    code, found = doctor("--offline", METERGUARD_STORE=serve_redis("--min-replicas-to-write", "1"))
    assert (code, found["store"]["result"], found["sealing"]["result"]) == (1, "failed", "ok")
    assert "it has too few replicas" in found["store"]["detail"]


def test_a_server_that_is_not_there(doctor):
    code, found = doctor("--offline", METERGUARD_STORE="redis://:hunter2@127.0.0.1:1/0")
    assert (code, found["store"]["result"]) == (1, "failed")
    assert "hunter2" not in str(found)


class WrongClock(MemoryRows):
    def __init__(self, ahead):
        super().__init__()
        self.ahead = ahead

    def replace(self, *arguments):
        won, seen = super().replace(*arguments)
        return Written(won, seen._replace(now=seen.now + self.ahead))


@pytest.mark.parametrize(
    ("ahead", "told"), [(60, "60 s ahead of"), (-60, "60 s behind"), (1.5, None), (-1.5, None), (0, None)]
)
def test_the_clock_of_a_store(lm, licence, make_guard, ahead, told):
    store = WrongClock(ahead)
    guard = make_guard(lm, licence, store=store)
    clock = {one.check: one for one in examine(guard, offline=True)}["clock"]
    assert (clock.result, clock.fix is None) == (("ok", True) if told is None else ("failed", False))
    assert told is None or told in clock.detail
    assert list(store.rows("")) == []


def test_a_draw_that_stands_above_its_route_is_found(doctor, tmp_path, monkeypatch):
    (tmp_path / "site_of_draws.py").write_text(
        APP.format(wrong=True)
        .replace("requires_entitlement", "consumes_entitlement")
        .replace('entitlement("Export")', 'entitlement("Pages", 1)')
    )
    monkeypatch.syspath_prepend(tmp_path)
    code, found = doctor("--offline", "--app", "site_of_draws:app")
    assert (code, found["guards"]["result"]) == (1, "failed")
    assert "bypassed" in found["guards"]["detail"]


@pytest.fixture
def token_file(lm, licence, tmp_path):
    """A file with a refresh token, which its owner alone can read."""
    vendor = boto3.client("license-manager", endpoint_url=lm.url)
    own = lm.add_license("OWN", [("Seats", 1, "Count")], issuer_account=lm.account_id)
    role = f"arn:aws:iam::{lm.account_id}:role/consumption"
    made = vendor.create_token(LicenseArn=own.arn, RoleArns=[role], ExpirationInDays=30, ClientToken="order")
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(made["Token"])
    return file


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def test_a_refresh_token_in_use_is_told_with_its_end_and_without_its_text(doctor, run, product, token_file):
    code, found = doctor("--offline", METERGUARD_REFRESH_TOKEN_FILE=str(token_file), **NO_KEYS)
    made = f"made of a refresh token; this comes from the file {token_file}"
    assert (code, found["credentials"]["detail"]) == (0, made)
    assert re.fullmatch(r"it ends on \d{4}-\d\d-\d\d \d\d:\d\d UTC", found["refresh-token"]["detail"])
    assert "token-file" not in found
    done = run("doctor", **product | NO_KEYS, METERGUARD_REFRESH_TOKEN_FILE=str(token_file))
    assert token_file.read_text() not in done.stdout + done.stderr


def test_other_credentials_leave_it_idle(doctor, token_file):
    code, found = doctor("--offline", METERGUARD_REFRESH_TOKEN_FILE=str(token_file))
    idle = "those that boto3 finds, so the refresh token is idle; this comes from AWS's own settings"
    assert (code, found["credentials"]["detail"]) == (0, idle)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_token_file_that_others_can_read_is_warned_of(doctor, token_file, mode):
    token_file.chmod(mode)
    code, found = doctor("--offline", METERGUARD_REFRESH_TOKEN_FILE=str(token_file), **NO_KEYS)
    assert (code, found["token-file"]["result"], found["refresh-token"]["result"]) == (1, "failed", "ok")
    assert "chmod 600" in found["token-file"]["fix"]


def test_a_token_file_without_a_token_and_one_that_has_ended(doctor, token_file):
    claims = base64.urlsafe_b64encode(b'{"exp": 1000000000}').decode().rstrip("=")
    for text, words in {"": "is empty; ask the vendor", f"a.{claims}.c": "it ended on 2001-09-09 01:46 UTC"}.items():
        token_file.write_text(text)
        code, found = doctor("--offline", METERGUARD_REFRESH_TOKEN_FILE=str(token_file), **NO_KEYS)
        assert (code, found["refresh-token"]["result"]) == (1, "failed")
        assert words in found["refresh-token"]["detail"]
