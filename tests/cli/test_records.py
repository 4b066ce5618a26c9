"""What the demonstration claims, and how values are worded."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from meterguard.cli.demo import live
from meterguard.cli.demo.formats import duration, expected, shown, verdict
from meterguard.cli.demo.live import Live
from meterguard.cli.demo.plain import Plain
from meterguard.cli.demo.records import Claim, Curtain, Finale, Glimpse, Opening, Outcome, Step


@pytest.mark.parametrize(
    ("actual", "wanted", "relation", "holds"),
    [
        (2, 2, "is", True),
        (2, 3, "is", False),
        ({}, {}, "is", True),
        ({"CheckoutLicense": 2}, {"CheckoutLicense": 1}, "is", False),
        ([], [], "is", True),
        (["Denied"], [], "is", False),
        (3, 3, "at most", True),
        (3.1, 3, "at most", False),
        (3, 3, "at least", True),
        (2, 3, "at least", False),
    ],
)
def test_a_claim_holds_or_not(actual, wanted, relation, holds):
    assert Claim("x", actual, wanted, relation).holds is holds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 µs"),
        (0.33e-6, "0.33 µs"),
        (42e-6, "42 µs"),
        (1.44e-3, "1.4 ms"),
        (0.0994, "99.4 ms"),
        (0.3, "300 ms"),
        (2, "2.0 s"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (116650, "116,650"),
        ("report.pdf", "report.pdf"),
        ({}, "none"),
        ({"CheckoutLicense": 2, "CheckInLicense": 1}, "2 CheckoutLicense, 1 CheckInLicense"),
        ([], "none"),
        (["a", "b"], "a, b"),
    ],
)
def test_a_value_is_shown_for_people(value, text):
    assert shown(value) == text


def test_an_expectation_is_told_where_the_value_does_not_say_it():
    assert expected(Claim("x", 1, 1)) == ""
    assert expected(Claim("x", 1, 2)) == "expected 2"
    assert expected(Claim("x", 0.1, 0.2, "at most", "s")) == "at most 200 ms"


STEP = Step(
    1, "A scene", Outcome("A story.", (Claim("[sum]", 5, 4), Claim("y", 1, 1)), 7, 1e-6), {"GetLicense": 2}, 0.1
)
FINALE = Finale((STEP,), 1, 1.0)
RECORDS = [
    Opening("http://127.0.0.1:1", "2 Seats", 1),
    Curtain(1, "A scene"),
    Glimpse(3, 1, 2, 1, is_up=False),
    STEP,
    FINALE,
]
VERDICT = "1 of 2 claims does not hold: 7 guarded calls, 2 requests to AWS, 1.0 s."


def test_the_verdict_counts_what_is_broken():
    assert verdict(FINALE) == VERDICT


def test_plain_shows_every_record_and_hands_it_on(capsys):
    assert list(Plain().watch(RECORDS)) == RECORDS
    out = capsys.readouterr().out
    assert "1. A scene\n   A story.\n     FAILED [sum]" in out
    assert out.endswith(f"{VERDICT}\n")


def test_live_shows_every_record_and_hands_it_on():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False, color_system=None)
    assert list(Live(console).watch(RECORDS)) == RECORDS
    out = console.file.getvalue()
    for part in ("2 Seats", "✗ 1  A scene", "A story.", "✗ [sum]", "expected 4", "✓ y", VERDICT):
        assert part in out


def test_a_glimpse_tells_of_pages_where_there_are_any():
    assert live._gauges(Glimpse(3, 1, 2, 1, is_up=True, pages=1234)).plain.endswith("   calls 3   pages 1,234")
    assert live._gauges(Glimpse(3, 1, 2, 1, is_up=True)).plain.endswith("   calls 3")


def test_plain_can_be_read_where_there_is_no_greek(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr("sys.stdout", stream)
    list(Plain().watch([FINALE]))
    assert "1.00 us" in stream.buffer.getvalue().decode("ascii")
