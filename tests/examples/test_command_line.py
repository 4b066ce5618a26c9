"""The command line, as a shell runs it."""

from __future__ import annotations

import click
import pytest

from tests.examples.conftest import EXAMPLES

assert click.Command  # what the example needs


@pytest.fixture
def reports(run):
    return lambda *arguments: run(EXAMPLES / "command_line.py", *arguments)


def test_it_runs_what_is_licensed(reports, asked, nothing_left):
    done = reports("export", "june", "--pages", "3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "june.pdf, 3 pages\n", "")
    done = reports("team", "ana", "ben")
    assert (done.returncode, done.stdout, done.stderr) == (0, "at work: ana, ben\n", "")
    assert asked() == ["CheckoutLicense Export", "CheckInLicense", "CheckoutLicense Seats 2", "CheckInLicense"]
    assert nothing_left()


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["archive", "june"], "Archive"), (["team", *"abcd"], "Seats")],
    ids=["not in it", "many"],
)
def test_a_denial(reports, nothing_left, arguments, missing):
    done = reports(*arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: ")
    assert missing in done.stderr
    assert "Traceback" not in done.stderr
    assert nothing_left()


def test_an_outage(reports, lm):
    with lm.down():
        done = reports("export", "june")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_no_set_up(reports, monkeypatch):
    monkeypatch.delenv("METERGUARD_PRODUCT_SKU")
    done = reports("export", "june")
    assert (done.returncode, done.stdout) == (1, "")
    assert "METERGUARD_PRODUCT_SKU" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"], ["export"]])
def test_help_and_usage_ask_nobody(reports, lm, arguments):
    assert reports(*arguments).returncode == (0 if "--help" in arguments else 2)
    assert lm.requests == []
