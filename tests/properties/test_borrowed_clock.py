"""A borrowed licence opens between issue and end, and not once the clock was set back, however it is moved."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from meterguard.core.borrowed import PRODUCT, TOLERANCE, Borrowed, Program, judged
from meterguard.ports import Allowed, Moment, SignedClaims
from meterguard.stores.borrowed_file import APART, BorrowedFile
from meterguard.units import Unit

START, LIFETIME = 1_800_000_000.0, 86_400.0
END = START + LIFETIME
PROGRAM = Program("ACME-1", "node-1")
CLAIMS = SignedClaims(
    "token",
    (Allowed("Seats", "2", Unit.COUNT),),
    "arn",
    "node-1",
    datetime.fromtimestamp(START, UTC),
    datetime.fromtimestamp(END, UTC),
    {PRODUCT: "ACME-1"},
)
walls = st.floats(START - 2 * TOLERANCE, END + 2 * LIFETIME)
steps = st.one_of(walls, st.floats(-2 * TOLERANCE, 2 * TOLERANCE), st.floats(-LIFETIME, LIFETIME))


@given(st.lists(steps, max_size=30))
def test_any_way_of_moving_the_clock(moves):
    with tempfile.TemporaryDirectory() as folder:
        file, wall, latest = BorrowedFile(Path(folder, "licence.jwt")), START, 0.0
        for move in moves:
            wall = move if move > START / 2 else wall + move
            found = judged("signed", CLAIMS, PROGRAM, Moment(wall, 0.0), file.latest())
            file.note(wall)
            opens = isinstance(found, Borrowed) and found.is_live(Moment(wall, 0.0))
            before, known = wall - START, wall - latest
            if before < -TOLERANCE or wall >= END or known < -TOLERANCE - APART - 1:
                assert not opens, (before, known)
            elif before > -TOLERANCE and known > -TOLERANCE:
                assert opens, (before, known)
            latest = max(latest, wall)


@given(st.floats(START, END - 1), st.floats(0, 1e9))
def test_its_term_ends_with_it_on_both_clocks(wall, mono):
    found = judged("signed", CLAIMS, PROGRAM, Moment(wall, mono), 0.0)
    assert isinstance(found, Borrowed)
    term = found.term(Moment(wall, mono))
    assert term.wall + term.lifetime == END
    assert abs((mono - term.mono) - (wall - START)) < 1e-3
