"""``meterguard usage``."""

from __future__ import annotations

import csv
import json
import os
import pty
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from subprocess import PIPE, Popen

import pytest

from meterguard.account import Account, Holding, Order
from meterguard.cli.texts import columns
from meterguard.core.scopes import scope_of
from meterguard.ports import Posting
from meterguard.stores.sqlite_ledger import SqliteLedger
from meterguard.usage import UsageKey, UsageLine
from tests.cli.conftest import COMMAND

URL = "sqlite:///ledger.db"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
PAGES = Account("licence", "Pages", "Count", drawn=100, charged=61, left=20, lost=4, holdings=(Holding("x", 15),))
MEMBERS = ("entitlement", "unit", "subject", "start", "end", "quantity")


def line(quantity, *, name="Pages", subject=None, start=DAY, metered=False, scope="licence"):
    return UsageLine(UsageKey(scope, name, "Count", subject, int(start.timestamp()), metered), Decimal(quantity))


LINES = [
    line(1),
    line(2, subject="acme"),
    line(8, start=DAY + timedelta(hours=23)),
    line(50, start=DAY + timedelta(days=1)),
    line("12345678901234567890.123456", name="Tokens", metered=True, scope="product"),
]


@pytest.fixture
def fill(tmp_path):
    """``fill(accounts, lines)``: writes them into the ledger of the test."""

    def write(accounts, lines=()):
        ledger = SqliteLedger(str(tmp_path / "ledger.db"))
        for account in accounts:
            ledger.transact(account.key, lambda *_, account=account: Posting(account))
        ledger.post(lines)
        ledger.close()

    return write


@pytest.fixture
def usage(run, fill):
    """``usage(*options)``: what the command prints about a ledger with draws and a meter."""
    fill([PAGES], LINES)

    def show(*options, code=0, **variables):
        done = run("usage", "--ledger", URL, *options, **variables)
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout

    return show


def exactly(text):
    return json.loads(text, parse_float=Decimal)


def test_the_document_has_balances_and_records(usage):
    document = exactly(usage("--json"))
    assert list(document) == ["entitlements", "records"]
    assert document["entitlements"] == {
        "Pages": {"unit": "Count", "drawn": 100, "charged": 61, "reserved": 15, "left": 20, "lost": 4}
    }
    assert [tuple(one) for one in document["records"]] == [MEMBERS] * 4
    assert [tuple(one.values()) for one in document["records"]] == [
        ("Pages", "Count", None, "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z", 3),
        ("Tokens", "Count", None, "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z", LINES[-1].quantity),
        ("Pages", "Count", None, "2026-03-01T23:00:00Z", "2026-03-02T00:00:00Z", 8),
        ("Pages", "Count", None, "2026-03-02T00:00:00Z", "2026-03-02T01:00:00Z", 50),
    ]
    assert isinstance(document["records"][0]["quantity"], int)


def test_the_variable_names_the_ledger(run, usage):
    assert run("usage", "--json", METERGUARD_LEDGER=URL).stdout == usage("--json")


@pytest.mark.parametrize(
    ("options", "quantities"),
    [
        (["--bucket", "day"], [11, 50]),
        (["--bucket", "month"], [61]),
        (["--by", "entitlement,subject"], [1, 2, 8, 50]),
        (["--by", "subject", "--bucket", "month"], [59, 2]),
        (["--since", "2026-03-02"], [50]),
        (["--until", "2026-03-02"], [3, 8]),
        (["--since", "2026-03-01T23:00"], [8, 50]),
        (["--since", "2026-03-02T00:00+01:00"], [8, 50]),
        (["--since", "2026-03-01T01:00Z", "--until", "2026-03-01T23:00Z"], []),
    ],
)
def test_records_are_chosen_and_added_up(usage, options, quantities):
    records = json.loads(usage("--json", *options))["records"]
    assert [one["quantity"] for one in records if one["entitlement"] == "Pages"] == quantities


def test_csv(usage):
    rows = list(csv.reader(usage("--format", "csv", "--by", "entitlement,subject").splitlines()))
    assert tuple(rows[0]) == MEMBERS
    assert [(row[0], row[2], row[5]) for row in rows[1:]] == [
        ("Pages", "", "1"),
        ("Pages", "acme", "2"),
        ("Tokens", "", "12345678901234567890.123456"),
        ("Pages", "", "8"),
        ("Pages", "", "50"),
    ]


def test_json_lines_are_the_records_of_the_document(usage):
    lines = usage("--format", "jsonl").splitlines()
    assert list(map(exactly, lines)) == exactly(usage("--json"))["records"]


class TestCloudEvents:
    def events(self, usage, *options):
        return list(map(exactly, usage("--format", "cloudevents", *options).splitlines()))

    def test_each_carries_a_record(self, usage):
        events = self.events(usage, "--by", "entitlement,subject")
        records = exactly(usage("--json", "--by", "entitlement,subject"))["records"]
        assert sorted((one["data"] for one in events), key=str) == sorted(records, key=str)
        for one in events:
            assert (one["specversion"], one["type"]) == ("1.0", "meterguard.usage")
            assert one["datacontenttype"] == "application/json"
            assert one["time"] == one["data"]["start"]
            assert one.get("subject") == one["data"]["subject"]
            scope = "product" if one["data"]["entitlement"] == "Tokens" else "licence"
            assert one["source"] == f"urn:meterguard:{scope}"
        assert len({one["id"] for one in events}) == len(events)

    def test_an_id_is_the_same_whenever_it_is_asked_for(self, usage, fill):
        first = self.events(usage)
        fill([], [line(5)])  # late usage of an hour that is over
        again = self.events(usage, "--until", "2026-03-01T01:00")
        assert [one["id"] for one in again if one["data"]["entitlement"] == "Pages"] == [first_of(first, "Pages")["id"]]
        assert first_of(again, "Pages")["data"]["quantity"] == 8

    @pytest.mark.parametrize("options", [["--bucket", "day"], ["--by", "subject"]])
    def test_the_same_usage_told_in_another_way_has_another_id(self, usage, options):
        ids = {one["id"] for one in self.events(usage)}
        assert ids.isdisjoint({one["id"] for one in self.events(usage, *options)})

    def test_two_licences_are_two_sources(self, usage, fill):
        fill([], [line(9, scope="of another/licence")])
        events = [one for one in self.events(usage, "--until", "2026-03-01T01:00") if one["data"]["quantity"] in {3, 9}]
        assert {one["source"] for one in events} == {"urn:meterguard:licence", "urn:meterguard:of%20another%2Flicence"}
        assert len({one["id"] for one in events}) == 2

    def test_a_span_that_goes_on_is_not_told(self, usage, fill):
        this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        fill([], [line(9, start=this_hour + timedelta(hours=ahead)) for ahead in range(2)])
        assert 9 not in [one["data"]["quantity"] for one in self.events(usage)]

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            (["--since", "2026-03-01T10:30"], "--since must be the start of a hour"),
            (["--until", "2026-03-01T10:00", "--bucket", "day"], "--until must be the start of a day"),
            (["--since", "2026-03-02", "--bucket", "month"], "--since must be the start of a month"),
        ],
    )
    def test_a_span_is_told_whole(self, run, usage, options, complaint):
        done = run("usage", "--ledger", URL, "--format", "cloudevents", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert complaint in done.stderr


def first_of(events, entitlement):
    return next(one for one in events if one["data"]["entitlement"] == entitlement)


def test_the_table(usage):
    assert usage("--by", "entitlement,subject").splitlines() == [
        "entitlement  unit   drawn  charged  reserved  left  lost",
        "Pages        Count    100       61        15    20     4",
        "Pages: 4 in the hands of processes that died, so used or not",
        "",
        "start (UTC)       entitlement  subject                           quantity  unit",
        "2026-03-01 00:00  Pages        -                                        1  Count",
        "2026-03-01 00:00  Pages        acme                                     2  Count",
        "2026-03-01 00:00  Tokens       -        12,345,678,901,234,567,890.123456  Count",
        "2026-03-01 23:00  Pages        -                                        8  Count",
        "2026-03-02 00:00  Pages        -                                       50  Count",
    ]


def test_tables_fit_eighty_columns(run, fill):
    long = replace(PAGES, name="Pages of the third kind, 日本語 " * 5, unit="Megabytes/Second", owed=10**18)
    huge = replace(long, name="Huge", drawn=2**63, charged=2**63 - 39)
    fill(
        [long, huge, replace(PAGES, orders=(Order("token", 12, 1.0, None),), owed=3)],
        [line(10**15, name=long.name, subject="of somebody with a name " * 9), line(1, subject="\x1b[31mred\nline")],
    )
    done = run("usage", "--ledger", URL, "--by", "entitlement,subject")
    assert (done.returncode, done.stderr) == (0, "")
    wide = [text for text in done.stdout.splitlines() if columns(text) > 80 and ": " not in text]
    assert wide == []
    assert "\x1b" not in done.stdout
    assert "Pages: 3 used on credit, charged first when units are drawn again" in done.stdout
    assert "Pages: 12 asked for without an answer, so drawn or not" in done.stdout
    assert "9,223,372,036,854,775,808" in done.stdout  # numbers are never shortened


def test_an_empty_ledger(run, fill):
    fill([])
    assert run("usage", "--ledger", URL).stdout == "Nothing was drawn.\n\nNothing was used in this time.\n"
    assert run("usage", "--ledger", URL, "--json").stdout == '{"entitlements": {}, "records": []}\n'
    assert run("usage", "--ledger", URL, "--format", "cloudevents").stdout == ""


def test_the_table_tells_how_fast(run, fill):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    fill([PAGES], [line(61, start=hour)])
    assert "\nPages: 61 a day in the last week\n" in run("usage", "--ledger", URL).stdout


class TestPlots:
    @pytest.mark.parametrize("options", [["--bucket", "day"], ["--since", "2027-01-01"]])
    def test_svg(self, usage, tmp_path, options):
        usage("--plot", "usage.svg", *options)
        words = "".join(ET.fromstring((tmp_path / "usage.svg").read_text("utf-8")).itertext())
        assert ("Pages (Count)" in words, "Tokens (Count)" in words) == (("--bucket" in options),) * 2
        before = (tmp_path / "usage.svg").read_bytes()
        usage("--plot", "usage.svg", *options)
        assert (tmp_path / "usage.svg").read_bytes() == before

    def test_png_beside_a_document(self, usage, tmp_path):
        assert usage("--plot", "usage.PNG", "--json") == usage("--json")
        assert (tmp_path / "usage.PNG").read_bytes().startswith(b"\x89PNG\r\n")

    def test_bars_where_they_are_asked_for(self, usage):
        plain, plotted = usage("--until", "2026-03-02"), usage("--until", "2026-03-02", "--plot", "-")
        assert plotted.startswith(plain)
        bars = plotted.removeprefix(plain).partition("Tokens")[0].splitlines()
        assert bars[1] == "Pages (Count)"
        lengths = [text.count("█") for text in bars[2:26]]
        assert [at for at, length in enumerate(lengths) if length] == [0, 23]
        assert lengths[0] < lengths[23]
        assert bars[25].split() == ["2026-03-01", "23:00", "█" * lengths[23], "8"]
        assert max(map(len, plotted.splitlines())) <= 80

    def test_bars_in_a_terminal(self, usage, shell_environment, tmp_path):
        ours, theirs = pty.openpty()
        command = [*COMMAND, "usage", "--ledger", URL, "--bucket", "day"]
        with Popen(command, stdout=theirs, stderr=PIPE, cwd=tmp_path, env=shell_environment) as shown:
            os.close(theirs)
            text = b""
            try:
                while part := os.read(ours, 65536):
                    text += part
            except OSError:  # how a terminal ends on Linux
                pass
            assert shown.stderr.read() == b""
        os.close(ours)
        assert "█" in text.decode()

    @pytest.mark.parametrize(
        ("package", "option", "extra"), [("matplotlib", "usage.svg", "plot"), ("rich", "-", "cli")]
    )
    def test_a_missing_extra_is_named(self, usage, python, package, option, extra):
        program = f"""
import sys
sys.modules[{package!r}] = None
from meterguard.cli import main
sys.argv = ["meterguard", "usage", "--ledger", {URL!r}, "--plot", {option!r}]
main()
"""
        done = python(program)
        assert done.returncode == 1
        assert done.stderr.endswith(f"needs a package that is not installed: pip install 'meterguard[{extra}]'\n")


class TestReconcile:
    @pytest.fixture
    def licence(self, lm):
        return lm.add_license("ACME-1", entitlements=[("Pages", 500, "Count"), ("Seats", 3, "Count")])

    @pytest.fixture
    def reconcile(self, run, lm, licence, fill):
        """``reconcile(drawn, *options)``: with so many units drawn in the ledger and 40 at the service."""
        settings = {
            "METERGUARD_PRODUCT_SKU": licence.product_sku,
            "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
            "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
        }
        scope = scope_of(licence.product_sku, licence.key_fingerprint, None)
        consume(lm, licence, 40)

        def compare(drawn, *options, **changes):
            ours = Account(scope, "Pages", "Count", drawn=drawn, charged=drawn)
            fill([replace(ours, **changes), replace(PAGES, scope="of another licence")])
            done = run("usage", "--ledger", URL, "--reconcile", *options, **settings)
            assert licence.arn not in done.stdout + done.stderr
            return done

        return compare

    def test_they_agree(self, reconcile, lm):
        done = reconcile(40, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        document = json.loads(done.stdout)
        assert list(document) == ["entitlements", "records", "reconciliation", "forecast"]
        assert document["reconciliation"] == [
            {"entitlement": "Pages", "unit": "Count", "consumed": 40, "drawn": 40, "difference": 0, "pending": 0}
        ]
        assert document["forecast"] == {"Pages": {"rate_per_day": 0, "runs_out_at": None}}
        assert lm.calls("CheckoutLicense") == 1  # the one of this test

    @pytest.mark.parametrize(
        ("drawn", "changes", "difference", "why"),
        [
            (40, {}, "0", None),
            (60, {}, "-20", "The issuer can have reset its count"),
            (30, {}, "+10", "Others draw from it too"),
            (30, {"orders": (Order("token", 10, 1.0, None),)}, "+10", "some of the 10 pending units were drawn"),
        ],
    )
    def test_a_difference_is_shown_with_what_may_be_the_reason(self, reconcile, drawn, changes, difference, why):
        done = reconcile(drawn, **changes)
        assert (done.returncode, done.stderr) == (0 if why is None else 1, "")
        row = next(text for text in done.stdout.split("licence says")[1].splitlines() if text.startswith("Pages "))
        assert row.split() == ["Pages", "Count", "40", str(drawn), difference]
        assert why is None or why in done.stdout

    def test_what_the_licence_has_not(self, reconcile):
        done = reconcile(40, name="Leaves")
        assert done.returncode == 1
        assert "Leaves: the licence does not have it in this unit" in done.stdout

    def test_it_tells_when_the_licence_runs_out(self, reconcile, fill, licence):
        scope = scope_of(licence.product_sku, licence.key_fingerprint, None)
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
        fill([], [line(46, scope=scope, start=hour)])
        forecast = json.loads(reconcile(40, "--json").stdout)["forecast"]["Pages"]
        assert forecast["rate_per_day"] == 46
        left = datetime.fromisoformat(forecast["runs_out_at"]) - datetime.now(UTC)
        assert timedelta(days=9) < left < timedelta(days=11)
        assert " runs out on 2" in reconcile(40).stdout

    def test_no_answer_is_no_comparison(self, reconcile, lm):
        with lm.faults.active("GetLicenseUsage", error="AccessDeniedException"):
            done = reconcile(40)
        assert (done.returncode, done.stdout) == (4, "")
        assert "allow license-manager:GetLicenseUsage" in done.stderr

    def test_without_a_licence_to_ask_for(self, run, fill):
        fill([PAGES])
        done = run("usage", "--ledger", URL, "--reconcile")
        assert (done.returncode, done.stdout) == (1, "")
        assert "set METERGUARD_PRODUCT_SKU" in done.stderr


def consume(lm, licence, units):
    """Draw units from the licence, as AWS's own client does."""
    import boto3

    client = boto3.client("license-manager", endpoint_url=lm.url, region_name=lm.region)
    client.checkout_license(
        ProductSKU=licence.product_sku,
        CheckoutType="PERPETUAL",
        KeyFingerprint=licence.key_fingerprint,
        Entitlements=[{"Name": "Pages", "Value": str(units), "Unit": "Count"}],
        ClientToken="a-token-of-this-test",
    )
    client.close()


def test_reading_makes_no_file(usage, tmp_path):
    before = set(tmp_path.iterdir())
    usage("--json")
    assert set(tmp_path.iterdir()) <= before  # an empty journal may go
