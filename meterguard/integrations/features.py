"""Many entitlements asked about as a whole: the features of a licence from one checkout, and no unit kept.

Features are not counted, so one lease answers for all of them. A licence that lacks some answers for the others: the
service names what it allows, as AWS documents it for tiers, and then those are asked for without the missing. In case
it refuses the whole set for one of them, as a public client has it, a refused set is halved until the missing stand
alone. Both are learnt once. What was refused and is given later proves that the licence has changed: then all is
asked for together again.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import operator
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..borrowing import lent
from ..decision import Decision
from ..default import requires_entitlement
from ..errors import EntitlementDenied, EntitlementUnavailable
from ..gating.admission import refusal
from ..gating.gate import Gate
from ..guard import MeterGuard
from ..model import Entitlement
from ..reasons import Reason

Group = tuple[Entitlement, ...]
"""Entitlements that are asked for in one checkout."""

LONGEST_UNKNOWN = 5.0  # seconds for which nobody is asked again who gave no answer
MOST_REMEMBERED = 10_000  # entitlements that were not declared, and whose names may come from anybody


class Features:
    """The answers of one guard's licence. They never leave a unit taken.

    No lock: what threads learn at once is the same, and a table that is half written is only asked about once more.

    :param declared: what will be asked about. Other entitlements are asked for one by one.
    :param recheck: seconds for which a yes for counted units, which are given back at once, is remembered.
    :param on_change: called with the entitlements whose answer is another than it was.
    """

    def __init__(
        self,
        guard: MeterGuard,
        declared: Iterable[Entitlement],
        recheck: float,
        on_change: Callable[[list[Entitlement]], object],
    ) -> None:
        self._guard = guard
        self._recheck = recheck
        self._on_change = on_change
        self._whole = {one: group for group in _together(declared) for one in group}
        self._home = dict(self._whole)
        self._before: dict[Entitlement, Group] = {}
        self._names_what_it_has = False
        self._known: dict[Entitlement, Any] = {}
        self._until: dict[Entitlement, tuple[float, Decision]] = {}
        self._open: dict[Entitlement, tuple[Gate, Decision]] = {}
        self._gate = functools.lru_cache(maxsize=1024)(self._make_gate)

    def ask(self, one: Entitlement, patience: float = math.inf) -> Decision:
        """Decide whether the licence covers it.

        :param patience: seconds to wait for an answer, where that is less than the guard's ``timeout``.
        :raises ConfigurationError: the set-up is wrong.
        """
        decision = self._remembered(one)
        while decision is None:
            group = self._home.get(one, (one,))
            try:
                held = self._guard.admit(*self._question(group, patience), probing=one.is_counted)
            except EntitlementDenied as no:
                decision = self._denied(one, group, no)
            except EntitlementUnavailable as unknown:
                decision = self._unknown(one, group, unknown)
            else:
                try:
                    decision = self._granted(one, group, held.decision())
                finally:
                    held.release(probing=one.is_counted)
        return decision

    async def aask(self, one: Entitlement, said: dict[Entitlement, Decision] | None = None) -> Decision:
        """:meth:`ask` without blocking the loop.

        :param said: filled with what an answer says of others, which then need not be asked about. A yes that comes
            that way has no lease.
        """
        decision = self._remembered(one)
        while decision is None:
            group = self._home.get(one, (one,))
            try:
                held = await self._guard.aadmit(*self._question(group), probing=one.is_counted)
            except EntitlementDenied as no:
                decision = self._denied(one, group, no)
                if said is not None:
                    said |= self._said(group, no)
                    decision = said.get(one) if decision is None else decision
            except EntitlementUnavailable as unknown:
                decision = self._unknown(one, group, unknown)
            else:
                try:
                    decision = self._granted(one, group, held.decision())
                    if said is not None:
                        said |= dict.fromkeys(group, decision)
                finally:
                    await held.arelease(probing=one.is_counted)
        return decision

    # -- questions -------------------------------------------------------------------------------

    def _make_gate(self, group: Group) -> Gate:
        gates = (requires_entitlement(one.name, one.value, one.unit, guard=self._guard) for one in group)
        return functools.reduce(operator.and_, gates)

    def _question(self, group: Group, patience: float = math.inf) -> tuple[Any, Any]:
        """Return the question, and the window that a yes opens. Units have no window, for they are returned."""
        gate = self._gate(group)
        question: Any = copy.copy(gate.question())
        question.patience, question.proves = patience, False
        return question, None if group[0].is_counted else gate.window

    def _said(self, group: Group, no: EntitlementDenied) -> dict[Entitlement, Decision]:
        """Return what a denial says of each, where the service names what it allows."""
        if no.reason is Reason.COVERS_LESS:
            yes = Decision(True, Reason.CHECKED_OUT, None, False, "allowed: checked out", 0.0)
            return {each: refusal(no) if each in no.missing else yes for each in group}
        return dict.fromkeys(group, refusal(no)) if self._names_what_it_has else {}

    # -- answers ---------------------------------------------------------------------------------

    def _remembered(self, one: Entitlement) -> Decision | None:
        gate, decision = self._open.get(one, (None, None))
        if gate is not None and gate.is_open():
            return decision
        until, decision = self._until.get(one, (0.0, None))
        return decision if time.monotonic() < until and not self._guard.is_closed else None

    def _granted(self, one: Entitlement, group: Group, decision: Decision) -> Decision:
        if decision.is_fallback:
            return decision
        # a borrowed licence answers for itself each time
        cached = decision if decision.reason is Reason.BORROWED else replace(decision, reason=Reason.CACHED)
        if not one.is_counted:
            self._open |= dict.fromkeys(group, (self._gate(group), cached))
        elif decision.reason is Reason.CHECKED_OUT and self._recheck:
            self._until[one] = (time.monotonic() + self._recheck, cached)
        if any(self._known.get(each) is False for each in group):
            self._before = dict(self._home)
            self._home.update(self._whole)
            self._open.clear()
        elif group == self._whole.get(one):
            self._before = {}
        texts = {} if decision.lease is None else decision.lease.texts
        self._note({each: texts.get(each.name, True) for each in group})
        return decision

    def _denied(self, one: Entitlement, group: Group, no: EntitlementDenied) -> Decision | None:
        """Return the answer, or None where a smaller group has to be asked about."""
        missing = group
        if len(group) > 1 and no.reason in (Reason.NOT_ENTITLED, Reason.COVERS_LESS):
            named = tuple(each for each in group if each in no.missing)
            rest = tuple(each for each in group if each not in no.missing)
            if named and rest:
                self._names_what_it_has = True
                self._split(group, rest, named)
                missing = named
            elif not self._names_what_it_has:
                self._split(group, group[: len(group) // 2], group[len(group) // 2 :])
                return None
        if no.reason not in (Reason.REFUSED, Reason.UNTRUSTED):  # which say nothing of the licence
            self._note(dict.fromkeys(missing, False))
        return refusal(no) if one in missing else None

    def _unknown(self, one: Entitlement, group: Group, unknown: EntitlementUnavailable) -> Decision | None:
        """Return that no answer came, or None where leases may answer that are older than the last common question.

        In an outage a page with many flags waits once, not once for each. What is borrowed is asked for by itself then:
        a borrowed licence covers no set of which it lacks one.
        """
        before, self._before = self._before, {}
        if before.get(one, group) != group:
            self._home.update(before)
            return None
        borrowed = self.borrowed(group)
        rest = tuple(each for each in group if each not in borrowed) or group
        if rest != group:
            self._split(group, borrowed, rest)
        decision = refusal(unknown)
        until = time.monotonic() + min(unknown.retry_after or 1.0, LONGEST_UNKNOWN)
        self._until |= dict.fromkeys(rest, (until, decision))
        return decision if one in rest else None

    def borrowed(self, group: Group) -> Group:
        """Return those that the guard's borrowed licences cover; none where these are not believed."""
        with contextlib.suppress(EntitlementDenied):
            return lent(self._guard, group)
        return ()

    def _split(self, group: Group, *parts: Group) -> None:
        for part in parts:
            for one in part:
                if self._home.get(one) == group:
                    self._home[one] = part

    def _note(self, answers: dict[Entitlement, Any]) -> None:
        changed = [one for one, answer in answers.items() if self._known.get(one, answer) != answer]
        if len(self._known) > MOST_REMEMBERED:
            self._known.clear()
        self._known.update(answers)
        if changed:
            self._on_change(changed)


def _together(declared: Iterable[Entitlement]) -> list[Group]:
    """Return features in as few groups as can be: the service takes no name twice in a checkout."""
    groups: list[dict[str, Entitlement]] = []
    for one in dict.fromkeys(declared):
        if not one.is_counted:
            home = next((group for group in groups if one.name not in group), None)
            if home is None:
                groups.append(home := {})
            home[one.name] = one
    return [tuple(group.values()) for group in groups]
