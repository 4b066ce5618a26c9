"""Listing: which of what a server offers is denied, asked about as a whole and without taking a unit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from weakref import WeakSet

from ...consumption import consumes_entitlement
from ...decision import Decision
from ...default import CURRENT, get_guard
from ...errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ...events import EntitlementRefused, Event, LeaseCheckedOut
from ...gating.gate import Gate
from ...gating.questions import Line
from ...guard import MeterGuard
from ...model import Entitlement
from ...reasons import Reason
from ..features import Features
from .changes import Changes
from .requirements import Barrier

T = TypeVar("T")
Wanted = tuple[MeterGuard, Entitlement]
Answer = bool | None
"""Yes, no, or unknown."""

_log = logging.getLogger("meterguard.integrations")


RECHECK = (
    60.0  # seconds after which what was denied is asked about again, while clients are there who were not shown it
)


class Listing:
    """The answers of licences that one server's lists depend on."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._features: dict[MeterGuard, tuple[frozenset[Entitlement], Features]] = {}
        self._known: dict[Wanted, bool] = {}
        self._subscribed: WeakSet[MeterGuard] = WeakSet()
        self._alarm: asyncio.TimerHandle | None = None

    async def granted(self, offered: Sequence[T], barriers: Callable[[T], Iterable[Barrier]]) -> list[T]:
        """Return those that are not denied; what is unknown is among them."""
        before = {position: tuple(barriers(one)) for position, one in enumerate(offered)}
        asked = {barrier for several in before.values() for barrier in several if not _is_open(barrier)}
        answers = await self._answers({one for barrier in asked for one in _wanted(barrier)}) if asked else {}
        denied = {barrier for barrier in asked if _is_denied(barrier, answers)}
        return [one for position, one in enumerate(offered) if denied.isdisjoint(before[position])]

    async def _answers(self, wanted: set[Wanted]) -> Mapping[Wanted, Answer]:
        by_guard: dict[MeterGuard, set[Entitlement]] = {}
        for guard, one in wanted:
            by_guard.setdefault(guard, set()).add(one)
        answers: dict[Wanted, Answer] = {}
        for guard, several in by_guard.items():
            self._subscribe(guard)
            # features first: their lease names the licence whose usage tells of the rest
            answers |= await self._of_features(guard, frozenset(one for one in several if not one.is_counted))
            counted = [one for one in several if one.is_counted]
            found = await asyncio.gather(*(_has_units(guard, one) for one in counted))
            answers |= {(guard, one): answer for one, answer in zip(counted, found, strict=True)}
        self._learn({one: answer for one, answer in answers.items() if answer is not None})
        self._watch()
        return answers

    # -- changes -----------------------------------------------------------------------------------

    def _learn(self, answers: Mapping[Wanted, bool]) -> None:
        """Remember answers, and tell clients where one is another than it was."""
        has_changed = any(self._known.get(wanted, answer) != answer for wanted, answer in answers.items())
        self._known |= answers
        if has_changed:
            self._changes.tell()

    def _subscribe(self, guard: MeterGuard) -> None:
        """Hear of what calls find out."""
        if guard not in self._subscribed:
            self._subscribed.add(guard)
            this, its = weakref.ref(self), weakref.ref(guard)
            guard.subscribe(lambda event: _hear(this(), its(), event))

    def hear(self, guard: MeterGuard, event: Event) -> None:
        """Take note of an event of a guard."""
        match event:
            case LeaseCheckedOut():
                answer = True
            case EntitlementRefused(reason=Reason.NOT_ENTITLED, entitlements=(_,)):  # not of several, of which one is
                answer = False
            case _:
                return
        told = {(guard, one): answer for one in event.entitlements}
        self._learn({one: answer for one, answer in told.items() if one in self._known})

    def _watch(self) -> None:
        """Ask again after a while for what is denied: nobody calls a tool that is not listed."""
        if self._alarm is None and False in self._known.values() and self._changes.has_listeners():
            self._alarm = asyncio.get_running_loop().call_later(RECHECK, self._ask_again)

    def _ask_again(self) -> None:
        self._alarm = None
        denied = {one for one, answer in self._known.items() if not answer and not one[0].is_closed}
        if denied and self._changes.has_listeners():
            self._changes.begin(self._answers(denied))

    # -- asking ------------------------------------------------------------------------------------

    async def _of_features(self, guard: MeterGuard, wanted: frozenset[Entitlement]) -> dict[Wanted, Answer]:
        declared, features = self._features.get(guard, (frozenset(), None))
        if features is None or not wanted <= declared:
            declared |= wanted
            features = Features(guard, sorted(declared, key=lambda one: one.name), 0, bool)
            self._features[guard] = declared, features
        said: dict[Entitlement, Decision] = {}
        with _unknown_where_unasked():
            for one in wanted:
                if one not in said:
                    said[one] = await features.aask(one, said)
        return {(guard, one): _answer(decision) for one, decision in said.items()}


def _hear(listing: Listing | None, guard: MeterGuard | None, event: Event) -> None:
    if listing is not None and guard is not None:
        listing.hear(guard, event)


@contextlib.contextmanager
def _unknown_where_unasked() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as mistake:  # which each call answers for itself
        _log.error("the licence cannot be asked for what is to be listed: %s", mistake)


async def _has_units(guard: MeterGuard, one: Entitlement) -> Answer:
    """Find out whether units are left, from what is held and from usage; take none."""
    for lease in guard.leases():
        if any(held.name == one.name and held.unit is one.unit for held in lease.entitlements):
            return True
    answer: Answer = None
    with _unknown_where_unasked(), contextlib.suppress(EntitlementUnavailable):
        try:
            await consumes_entitlement(one.name, one.value or 1, one.unit, guard=guard).acheck()
            answer = True
        except EntitlementDenied:
            answer = False
    return answer


def _answer(decision: Decision) -> Answer:
    return None if decision.is_fallback and not decision.allowed else decision.allowed


def _is_open(barrier: Barrier) -> bool:
    return isinstance(barrier, Gate) and barrier.is_open()


def _is_denied(barrier: Barrier, answers: Mapping[Wanted, Answer]) -> bool:
    guard = _guard_of(barrier)
    alternatives = [[answers.get((guard, _said(line))) for line in lines] for lines in barrier.alternatives]
    return bool(alternatives) and all(False in lines for lines in alternatives)


def _wanted(barrier: Barrier) -> Iterable[Wanted]:
    guard = _guard_of(barrier)
    return ((guard, _said(line)) for lines in barrier.alternatives for line in lines)


def _guard_of(barrier: Barrier) -> MeterGuard:
    guard: Any = barrier.guard
    return get_guard() if guard is CURRENT else guard


def _said(line: Line) -> Entitlement:
    """Return what a line asks for; where only a call says how many, the least that it can be."""
    if isinstance(line, Entitlement):
        return line
    return Entitlement(line.name, None if str(line.unit) in ("None", "Unit.NONE") else 1, line.unit)
