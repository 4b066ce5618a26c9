"""Draws the pictures of the documentation from the code that they show: ``python docs/diagrams.py``.

``states`` is :data:`meterguard.core.lifecycle.TABLE`; only the places of its boxes are set here. ``life`` and
``grace`` are played minute by minute with the functions that decide in the library, and so are the units of a draw in
``gate-draw-meter``. ``fleet-load`` and ``fleet-outage`` show what ``python -m benchmarks.fleet --write`` found. Each
picture is written for light and for dark pages. A test compares what is committed with what this draws.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path

from meterguard.account import Account, Order
from meterguard.config import check, settle
from meterguard.core import ledger
from meterguard.core.lifecycle import TABLE, Signal, State, step
from meterguard.core.policy import Policy
from meterguard.core.schedule import Tend, refresh_after, tend
from meterguard.core.terms import Phase, Term, phase
from meterguard.core.unknown import Unknown, answer_unknown
from meterguard.ports import Moment

IMAGES = Path(__file__).parent / "images"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """Colours on a page of one kind. Text has a contrast of at least 4.5 to what is behind it."""

    name: str
    page: str
    ink: str
    faint: str
    line: str
    good: str
    good_ink: str
    fair: str
    fair_ink: str
    bad: str
    bad_ink: str
    still: str
    still_ink: str


THEMES = (
    Theme(
        name="light", page="#ffffff", ink="#1f2933", faint="#52606d", line="#9aa5b1",
        good="#c8ead4", good_ink="#0f4d2a", fair="#fbe3a8", fair_ink="#5c3d00", bad="#f8cfcf", bad_ink="#7a1414",
        still="#e4e7eb", still_ink="#323f4b",
    ),
    Theme(
        name="dark", page="#131416", ink="#e4e7eb", faint="#a7b1bc", line="#616e7c",
        good="#14532d", good_ink="#d3f5df", fair="#6b4a05", fair_ink="#fdecc4", bad="#7a1f1f", bad_ink="#fde2e2",
        still="#323f4b", still_ink="#e4e7eb",
    ),
)  # fmt: skip


@dataclass
class Canvas:
    """A picture being drawn."""

    theme: Theme
    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, fill: str, *, round_: float = 4) -> None:
        where = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_:g}"'
        self.parts.append(f'<rect {where} fill="{fill}"/>')

    def text(
        self, x: float, y: float, words: str, fill: str, *, size: float = 13, anchor: str = "start", bold: bool = False
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        look = f'fill="{fill}" font-size="{size:g}" text-anchor="{anchor}"{weight}'
        self.parts.append(f'<text x="{x:g}" y="{y:g}" {look}>{escape(words)}</text>')

    def path(self, shape: str, *, arrow: bool = False, dashed: bool = False, colour: str | None = None) -> None:
        end = ' marker-end="url(#arrow)"' if arrow else ""
        dashes = ' stroke-dasharray="3 4"' if dashed else ""
        stroke = f'fill="none" stroke="{colour or self.theme.line}" stroke-width="1.5"'
        self.parts.append(f'<path d="{shape}" {stroke}{dashes}{end}/>')

    def svg(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" font-family="{FONT}" role="img" aria-label="{escape(self.title)}">'
        )
        marker = (
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto"><path d="M0,0.5 L8,4 L0,7.5 z" fill="{self.theme.line}"/></marker></defs>'
        )
        return "\n".join([head, f"<title>{escape(self.title)}</title>", marker, *self.parts, "</svg>"]) + "\n"


# -- the state table -------------------------------------------------------------------------------

# Where each state stands: column and row, and what it means in three words.
PLACES = {
    State.VACANT: (0, 2, "nothing known"),
    State.HELD: (1, 0, "a lease is held"),
    State.STRAINED: (1, 1, "held, renewal unanswered"),
    State.FORFEIT: (1, 2, "held, renewal refused"),
    State.LAPSED: (2, 0, "the lease ended"),
    State.ADRIFT: (2, 1, "ended, service silent"),
    State.BARRED: (2, 2, "the last answer was no"),
}
BOX = (178, 52)
COLUMNS = (24, 288, 620)
ROWS = (26, 144, 262)

Edges = dict[tuple[State, State], list[Signal]]


def everywhere() -> dict[Signal, State]:
    """The signals that lead to one state, wherever they happen. They are told below the picture."""
    targets: dict[Signal, set[State]] = {}
    for state, row in TABLE.items():
        for signal, target in row.items():
            if state is not State.CLOSED:
                targets.setdefault(signal, set()).add(target)
    return {signal: next(iter(found)) for signal, found in targets.items() if len(found) == 1}


def edges() -> Edges:
    """What is left to draw: every other change of state."""
    told = everywhere()
    drawn: Edges = {}
    for state, row in TABLE.items():
        for signal, target in row.items():
            if signal not in told and target is not state:
                drawn.setdefault((state, target), []).append(signal)
    return drawn


def states(theme: Theme) -> Canvas:
    """The state table."""
    canvas = Canvas(theme, 910, 448, "The states of a requirement, and what leads from one to the next")
    for (source, target), signals in edges().items():
        _edge(canvas, PLACES[source][:2], PLACES[target][:2], ", ".join(signal.name.lower() for signal in signals))
    for state, (column, row, meaning) in PLACES.items():
        x, y = _corner(column, row)
        fill, ink = _fill(state, theme)
        canvas.box(x, y, *BOX, fill, round_=8)
        canvas.text(x + BOX[0] / 2, y + 22, state.name, ink, anchor="middle", bold=True)
        canvas.text(x + BOX[0] / 2, y + 40, meaning, ink, anchor="middle", size=12)
    by_target: dict[State, list[str]] = {}
    for signal, target in everywhere().items():
        by_target.setdefault(target, []).append(signal.name.lower())
    words = " · ".join(f"{' or '.join(signals)}: {target.name}" for target, signals in by_target.items())
    canvas.text(COLUMNS[0], 400, "Not drawn, for they lead to one place from everywhere:", theme.faint, size=12.5)
    canvas.text(COLUMNS[0], 420, words, theme.ink, size=12.5)
    canvas.text(COLUMNS[0], 438, "Signals that change nothing are not drawn either.", theme.faint, size=12.5)
    return canvas


def _corner(column: int, row: int) -> tuple[float, float]:
    return COLUMNS[column], ROWS[row]


def _fill(state: State, theme: Theme) -> tuple[str, str]:
    if state is State.HELD:
        return theme.good, theme.good_ink
    if state in (State.STRAINED, State.FORFEIT, State.ADRIFT):
        return theme.fair, theme.fair_ink
    return (theme.bad, theme.bad_ink) if state is State.BARRED else (theme.still, theme.still_ink)


def _edge(canvas: Canvas, source: tuple[int, int], target: tuple[int, int], words: str) -> None:
    (x1, y1), (x2, y2) = _corner(*source), _corner(*target)
    across, down = target[0] - source[0], target[1] - source[1]
    middle = x1 + BOX[0] / 2
    ink = canvas.theme.faint
    if across == 0 and abs(down) == 1:
        canvas.path(f"M{middle:g},{y1 + BOX[1]:g} V{y2 - 2:g}", arrow=True)
        canvas.text(middle + 8, (y1 + BOX[1] + y2) / 2 + 4, words, ink, size=12)
    elif across == 0:
        side, bend = (x1, -46) if source[0] == 1 else (x1 + BOX[0], 46)
        begin, end = y1 + BOX[1] / 2, y2 + BOX[1] / 2 - 8
        out, tip = side + bend, side + (-2 if bend < 0 else 2)
        canvas.path(f"M{side:g},{begin:g} C{out:g},{begin:g} {out:g},{end:g} {tip:g},{end:g}", arrow=True)
        anchor = "end" if bend < 0 else "start"
        canvas.text(side + bend * 0.86, (begin + end) / 2 + 4, words, ink, size=12, anchor=anchor)
    elif down == 0:
        begin, end = (x1 + BOX[0], x2 - 2) if across > 0 else (x1, x2 + BOX[0] + 2)
        if abs(across) == 1:
            y = y1 + BOX[1] / 2
            canvas.path(f"M{begin:g},{y:g} H{end:g}", arrow=True)
            canvas.text((begin + end) / 2, y - 7, words, ink, size=12, anchor="middle")
        else:
            y, dip = y1 + BOX[1], 34
            begin, end = x1 + BOX[0] / 2, x2 + BOX[0] / 2
            canvas.path(f"M{begin:g},{y:g} C{begin:g},{y + dip:g} {end:g},{y + dip:g} {end:g},{y + 2:g}", arrow=True)
            canvas.text((begin + end) / 2, y + dip * 0.75 + 16, words, ink, size=12, anchor="middle")
    else:
        canvas.path(f"M{x1 + BOX[0]:g},{y1 + 12:g} L{x2 - 2:g},{y2 + BOX[1] - 10:g}", arrow=True)
        canvas.text((x1 + BOX[0] + x2) / 2 + 8, (y1 + y2 + BOX[1]) / 2 + 12, words, ink, size=12)


# -- a lease's life, played --------------------------------------------------------------------------

MINUTE = 60.0
LIFETIME = 60 * MINUTE  # AWS Marketplace's


@dataclass(frozen=True)
class Minute:
    """What a call and the service see in one minute."""

    at: int
    call: str
    is_up: bool
    is_held: bool


@dataclass
class Story:
    """One busy requirement, an outage, and what the library decides."""

    grace: float
    outage: range
    until: int
    minutes: list[Minute] = field(default_factory=list)
    asked: list[tuple[int, str, bool]] = field(default_factory=list)

    def play(self) -> Story:
        options = {"product_sku": "ACME-1", "key_fingerprint": "issuer", "grace": self.grace * MINUTE}
        policy = settle(check(options), {}).policy
        state, term, last_good = State.VACANT, None, None
        for at in range(self.until):
            now = Moment(at * MINUTE, at * MINUTE)
            is_up = at not in self.outage
            if term is not None and phase(term, now) is Phase.ENDED:
                state, term = step(state, Signal.ENDED), None
            if term is not None and tend(term, now, now, True, False, policy.linger)[0] is Tend.RENEW:
                state, term = self._asks(at, state, term, "ExtendLicenseConsumption", Signal.RENEWED, policy)
            if term is None:
                state, term = self._asks(at, state, term, "CheckoutLicense", Signal.GRANTED, policy)
            if term is not None:
                last_good = term.start
            call = "served"
            if not state.holds:
                counts = answer_unknown(policy.on_unknown, state, last_good, now, policy.grace)
                call = "in grace" if counts is Unknown.GRACE else "refused"
            self.minutes.append(Minute(at, call, is_up, state.holds))
        if state.holds:
            self.asked.append((self.until, "CheckInLicense", True))
        return self

    def _asks(
        self, at: int, state: State, term: Term | None, operation: str, yes: Signal, policy: Policy
    ) -> tuple[State, Term | None]:
        is_up = at not in self.outage
        self.asked.append((at, operation, is_up))
        if not is_up:
            return step(state, Signal.UNKNOWN), term
        now = Moment(at * MINUTE, at * MINUTE)
        renew_at = refresh_after(LIFETIME, policy.refresh_ahead, 0.5)
        return step(state, yes), Term(now, LIFETIME, renew_at, LIFETIME)


LEFT, RIGHT = 124, 806
NAMES = {"CheckoutLicense": "check out", "ExtendLicenseConsumption": "renew", "CheckInLicense": "check in"}
CALLS = {"served": "good", "in grace": "fair", "refused": "bad"}


@dataclass(frozen=True)
class Chart:
    """Minutes laid across a canvas, in lanes."""

    canvas: Canvas
    until: int

    def x(self, minute: float) -> float:
        return LEFT + (RIGHT - LEFT) * minute / self.until

    def lane(self, y: float, name: str, bars: Iterable[tuple[int, int, str, str]]) -> None:
        """A lane of bars: from, to, kind, words."""
        self.canvas.text(LEFT - 12, y + 17.5, name, self.canvas.theme.ink, size=12.5, anchor="end")
        for begin, end, kind, words in bars:
            x1, x2 = self.x(begin) + 1, self.x(end) - 1
            fill, ink = getattr(self.canvas.theme, kind), getattr(self.canvas.theme, f"{kind}_ink")
            self.canvas.box(x1, y, x2 - x1, 26, fill)
            self.canvas.text(x1 + 9, y + 17.5, words, ink, size=12)

    def service(self, y: float, story: Story) -> None:
        self.lane(
            y,
            "License Manager",
            [
                (begin, end, *(("still", "answers") if is_up else ("bad", "cannot be asked")))
                for is_up, begin, end in _runs(story.minutes, "is_up")
            ],
        )

    def calls(self, y: float, name: str, story: Story) -> None:
        words = {"served": "served", "in grace": "served in grace", "refused": "refused"}
        runs = _runs(story.minutes, "call")
        self.lane(y, name, [(begin, end, CALLS[str(call)], words[str(call)]) for call, begin, end in runs])

    def hours(self, y: float) -> None:
        for minute in range(0, self.until + 1, 60):
            self.canvas.path(f"M{self.x(minute):g},{y:g} v5")
            words = "0" if minute == 0 else f"{minute // 60} h"
            self.canvas.text(self.x(minute), y + 19, words, self.canvas.theme.faint, size=12, anchor="middle")


def _runs(minutes: Iterable[Minute], key: str) -> Iterator[tuple[object, int, int]]:
    for value, group in groupby(minutes, key=lambda one: getattr(one, key)):
        members = list(group)
        yield value, members[0].at, members[-1].at + 1


def life(theme: Theme) -> Canvas:
    """A lease from its checkout to its check-in, with an outage in between."""
    story = Story(grace=120, outage=range(120, 205), until=255).play()
    title = "The life of a lease: checked out, renewed, an outage carried by grace, checked out again, checked in"
    canvas = Canvas(theme, 830, 198, title)
    chart = Chart(canvas, story.until)
    chart.service(12, story)
    leases = [("good", "live") if held else ("still", "ended") for held, *_ in _runs(story.minutes, "is_held")]
    spans = [(begin, end) for _, begin, end in _runs(story.minutes, "is_held")]
    chart.lane(86, "your lease", [(*span, *look) for span, look in zip(spans, leases, strict=True)])
    chart.calls(128, "your calls", story)
    for at, operation, is_up in story.asked:
        if is_up:
            x = chart.x(at)
            shift, anchor = (-7, "end") if at == story.until else (7, "start")
            canvas.path(f"M{x:g},85 V40", arrow=True)
            canvas.text(x + shift, 66, NAMES[operation], theme.ink, size=12, anchor=anchor)
    vain = [at for at, _, is_up in story.asked if not is_up]
    canvas.path(f"M{chart.x(vain[0]):g},74 H{chart.x(vain[-1] + 1) - 3:g}", dashed=True, colour=theme.faint)
    canvas.text(chart.x(vain[0]), 66, "asked again, in vain", theme.faint, size=12)
    chart.hours(162)
    return canvas


def grace(theme: Theme) -> Canvas:
    """What two choices of grace come to in one outage."""
    outage, until = range(60, 195), 240
    stories = {"grace=1800": Story(30, outage, until).play(), "grace=7200": Story(120, outage, until).play()}
    first = stories["grace=1800"]
    title = "Leases of an hour in an outage of two: what half an hour and what two hours of grace come to"
    canvas = Canvas(theme, 830, 214, title)
    chart = Chart(canvas, until)
    chart.service(38, first)
    for number, (name, story) in enumerate(stories.items()):
        chart.calls(88 + 44 * number, name, story)
    last_good = max(at for at, _, is_up in first.asked if is_up and at < outage.start)
    lease_end = next(one.at for one in first.minutes if one.at > last_good and not one.is_held)
    for at, words in ((last_good, "last good answer"), (lease_end, "the lease ends")):
        canvas.path(f"M{chart.x(at):g},28 V164", dashed=True, colour=theme.ink)
        canvas.text(chart.x(at), 20, words, theme.ink, size=12, anchor="middle")
    chart.hours(172)
    return canvas


# -- gate, draw, meter -------------------------------------------------------------------------------

CALLS_SHOWN, PAGES_EACH = 4, 3
CARD = (250, 196)


@dataclass(frozen=True)
class Card:
    """One of the three declarations, and how its units stand before and after each of some calls."""

    x: float
    kind: str
    name: str
    lines: tuple[str, ...]
    counted: str
    units: list[int]


def pages_left() -> list[int]:
    """The units that a ledger has left after each call."""
    all_of_them = CALLS_SHOWN * PAGES_EACH
    account = ledger.ordered(Account("licence", "Pages", "Count"), Order("token", all_of_them, 0.0, "process"))
    account = ledger.landed(account, "token", all_of_them)
    left = [account.left]
    for number in range(1, CALLS_SHOWN + 1):
        account, _ = ledger.taken(account, "process", PAGES_EACH, PAGES_EACH)
        account = ledger.posted(account, "process", ledger.Batch(number, charged=PAGES_EACH))
        left.append(account.left)
    return left


def declarations(theme: Theme) -> Canvas:
    """Which of the three declarations to use when."""
    canvas = Canvas(theme, 830, 352, "Gate, draw or meter: which declaration to use when")
    left = pages_left()
    cards = (
        Card(
            20, "good", "Gate", ("requires_entitlement", "May this run?", "Units come back: seats, features"),
            "seats free, of 3", [3, 2, 1, 2, 3],
        ),
        Card(
            290, "fair", "Draw", ("consumes_entitlement", "Is enough left for this?", "Units are spent: pages, tokens"),
            "pages left", left,
        ),
        Card(
            560, "still", "Meter", ("meters_usage", "How much was used?", "Nobody is asked: usage for a bill"),
            "pages written down", [left[0] - one for one in left],
        ),
    )  # fmt: skip
    _question(canvas, 415, 14, "Must a licence allow it?")
    _question(canvas, 280, 80, "Do the units come back?")
    for shape, x, y, words, anchor in (
        ("M530,34 H685 V142", 600, 27, "no", "middle"),
        ("M300,34 H280 V78", 272, 62, "yes", "end"),
        ("M165,100 H145 V142", 137, 124, "yes", "end"),
        ("M395,100 H415 V142", 423, 124, "no", "start"),
    ):
        canvas.path(shape, arrow=True)
        canvas.text(x, y, words, theme.ink, size=12.5, anchor=anchor)
    for card in cards:
        _card(canvas, card)
    return canvas


def _question(canvas: Canvas, middle: float, y: float, words: str) -> None:
    canvas.path(f"M{middle - 115:g},{y:g} h230 v40 h-230 z")
    canvas.text(middle, y + 25, words, canvas.theme.ink, anchor="middle", bold=True)


def _card(canvas: Canvas, card: Card) -> None:
    theme, y = canvas.theme, 144
    ink = getattr(theme, f"{card.kind}_ink")
    canvas.box(card.x, y, *CARD, getattr(theme, card.kind), round_=8)
    canvas.text(card.x + 14, y + 26, card.name, ink, size=15, bold=True)
    for row, words in enumerate(card.lines):
        canvas.text(card.x + 14, y + 48 + 19 * row, words, ink, size=12.5)
    most = max(card.units)
    for column, units in enumerate(card.units):
        x, height = card.x + 14 + 45 * column, 50 * units / most
        canvas.box(x, y + 170 - height, 36, height + 1, ink, round_=1)
        canvas.text(x + 18, y + 164 - height, str(units), ink, size=11.5, anchor="middle")
    canvas.text(card.x + 14, y + 188, f"{card.counted}, call by call", ink, size=11.5)


# -- fleets ------------------------------------------------------------------------------------------

FLEETS = json.loads((Path(__file__).parents[1] / "benchmarks" / "fleet" / "figures.json").read_text("utf-8"))
ARRANGEMENTS = {
    "call": ("one call per request", "bad_ink"),
    "none": ("no store", "ink"),
    "sqlite": ("a store a host", "fair_ink"),
    "redis": ("a store for all", "good_ink"),
}
LIMIT = 20 * 60  # requests a minute, as benchmarks/fleet/service.py assumes


@dataclass(frozen=True)
class Panel:
    """A part of a canvas where both directions are logarithmic: processes, and what is counted."""

    canvas: Canvas
    x: float
    title: str
    lowest: int
    highest: int
    """Powers of ten."""
    y: float = 40
    width: float = 236
    height: float = 200

    def at(self, processes: float, value: float) -> tuple[float, float]:
        share = (math.log10(value) - self.lowest) / (self.highest - self.lowest)
        return self.x + self.width * math.log10(processes) / 4, self.y + self.height * (1 - min(1.0, max(0.0, share)))

    def frame(self) -> None:
        theme = self.canvas.theme
        self.canvas.text(self.x, 18, self.title, theme.ink, bold=True)
        for power in range(self.lowest, self.highest + 1, 1 if self.highest - self.lowest < 5 else 2):
            _, y = self.at(1, 10**power)
            self.canvas.path(f"M{self.x:g},{y:g} h{self.width:g}", colour=theme.still)
            self.canvas.text(self.x - 8, y + 4, f"{10**power:,}", theme.faint, size=11.5, anchor="end")
        for power in range(5):
            x, _ = self.at(10**power, 1)
            words = "1 process" if power == 0 else f"{10**power:,}"
            self.canvas.text(x, self.y + self.height + 19, words, theme.faint, size=11.5, anchor="middle")

    def lines(self, key: str, names: Iterable[str]) -> None:
        """A line for each arrangement that has figures, with its name at its end."""
        ends = []
        for name in names:
            found = [(int(size), one[key]) for size, one in FLEETS[name].items() if one.get(key)]
            points = [self.at(size, value) for size, value in found]
            words, ink = ARRANGEMENTS[name]
            colour = getattr(self.canvas.theme, ink)
            self.canvas.path("M" + " L".join(f"{x:.4g},{y:.4g}" for x, y in points), colour=colour)
            for x, y in points:
                self.canvas.box(x - 2.5, y - 2.5, 5, 5, colour, round_=2.5)
            ends.append((points[-1][1], points[-1][0], words, colour))
        lowest = -math.inf
        for y, x, words, colour in sorted(ends):
            lowest = max(y, lowest + 15)
            self.canvas.text(x + 8, lowest + 4, words, colour, size=12)


def fleet_load(theme: Theme) -> Canvas:
    """What a fleet asks for and holds in quiet times."""
    title = "Requests a minute and seats of 1 to 10,000 processes, for each way to share a lease"
    canvas = Canvas(theme, 860, 268, title)
    asked = Panel(canvas, 72, "Requests to License Manager, a minute", -2, 6)
    seats = Panel(canvas, 482, "Seats taken, at most", 0, 5)
    asked.frame()
    _, y = asked.at(1, LIMIT)
    canvas.path(f"M{asked.x:g},{y:g} h{asked.width:g}", dashed=True, colour=theme.ink)
    canvas.text(asked.x + asked.width - 4, y - 6, "rate limit, assumed", theme.ink, size=11.5, anchor="end")
    asked.lines("calls", ARRANGEMENTS)
    seats.frame()
    seats.lines("seats peak", ARRANGEMENTS)
    return canvas


def fleet_outage(theme: Theme) -> Canvas:
    """What a fleet asks for while the service is down."""
    title = "Requests and store round trips a minute of 1 to 10,000 processes while License Manager is down"
    canvas = Canvas(theme, 860, 268, title)
    asked = Panel(canvas, 72, "Requests a minute while it is down", 1, 6)
    trips = Panel(canvas, 482, "Store round trips a minute meanwhile", 1, 6)
    asked.frame()
    asked.lines("outage calls", ARRANGEMENTS)
    trips.frame()
    trips.lines("outage trips", ("sqlite", "redis"))
    return canvas


PICTURES = {
    "lease-states": states,
    "lease-life": life,
    "grace": grace,
    "gate-draw-meter": declarations,
    "fleet-load": fleet_load,
    "fleet-outage": fleet_outage,
}


def drawn() -> dict[str, str]:
    """Every picture by its file's name."""
    return {f"{name}-{theme.name}.svg": draw(theme).svg() for name, draw in PICTURES.items() for theme in THEMES}


def main() -> None:
    """Write them all."""
    IMAGES.mkdir(exist_ok=True)
    for name, svg in drawn().items():
        (IMAGES / name).write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
