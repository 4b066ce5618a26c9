"""Verdicts: what an answer of the service is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from types import MappingProxyType
from typing import Final

from ..lease import LeaseFacts
from ..ports import Allowed, CheckoutAnswer, ExtendAnswer, FaultKind, Moment
from ..reasons import Reason
from . import trust as trusting
from .coverage import uncovered
from .lifecycle import Signal
from .requirements import Requirement
from .schedule import refresh_after
from .terms import Phase, Term, elapsed, phase, renewed_lifetime
from .trust import ANYBODY, Trust

LONGEST_LIFETIME = 366 * 86_400.0  # seconds; the service's longest known lease, a borrow, is 366 days

NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})

RENEWAL_SIGNALS: dict[FaultKind, Signal] = {
    FaultKind.NOT_FOUND: Signal.LOST,
    FaultKind.INVALID: Signal.LOST,
    FaultKind.DENIED: Signal.LOST,
    FaultKind.REFUSED: Signal.REFUSED,
    FaultKind.UNKNOWN: Signal.UNKNOWN,
    FaultKind.UNREACHABLE: Signal.UNKNOWN,
}
"""What a failed renewal means. The service documents no error for a lease it no longer holds, so
each of the three that it could be counts as lost, and a fresh checkout finds out."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A believed yes."""

    facts: LeaseFacts
    term: Term


@dataclass(frozen=True, slots=True)
class Rejected:
    """A 200 that opens nothing; its lease has to be given back."""

    reason: Reason
    missing: Requirement
    why: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The replay of an answer whose lease has ended already: the intent is spent."""


def judge(
    asked: Requirement,
    answer: CheckoutAnswer,
    sent: Moment,
    now: Moment,
    resumed: bool,
    refresh_ahead: float,
    draw: float,
    trust: Trust = ANYBODY,
) -> Granted | Rejected | Stale:
    """Return the verdict on a checkout's answer."""
    missing = uncovered(asked, answer.allowed)
    if missing:
        return Rejected(Reason.COVERS_LESS, missing, "it allowed less than was asked for")
    objection = trusting.objection(trust, asked, answer, sent, resumed)
    if objection is not None:
        return Rejected(Reason.UNTRUSTED, asked, objection)
    answer = trusting.bounded(answer)
    lifetime = _seconds(answer.issued_at, answer.expires_at)
    if lifetime is None or not 0 < lifetime <= LONGEST_LIFETIME:
        return Rejected(Reason.UNTRUSTED, asked, "its lifetime makes no sense")
    term = Term(sent, lifetime, refresh_after(lifetime, refresh_ahead, draw), lifetime)
    past = resumed and (_seconds(answer.served_at, answer.expires_at) or lifetime) <= 0
    if past or phase(term, now) is Phase.ENDED:
        return Stale()
    return Granted(_facts(asked, answer), term)


def _facts(asked: Requirement, answer: CheckoutAnswer) -> LeaseFacts:
    """Keep what was said: plain text, and what is the same for many leases once."""
    return LeaseFacts(
        asked,
        answer.license_arn and intern(str(answer.license_arn)),
        _since_epoch(answer.issued_at),
        _since_epoch(answer.expires_at),
        answer.node_id and intern(str(answer.node_id)),
        intern(str(answer.checkout_type)),
        str(answer.token),
        answer.signed_token and str(answer.signed_token),
        texts(asked, answer.allowed) or NO_TEXTS,
        is_verified=answer.proof is not None,
    )


def texts(asked: Requirement, allowed: tuple[Allowed, ...]) -> dict[str, str]:
    """Return the texts that the features of a requirement carry, by their names."""
    features = {one.name for one in asked if not one.is_counted}
    return {line.name: line.value for line in allowed if line.name in features and line.value is not None}


def renewed_term(
    held: LeaseFacts, term: Term, answer: ExtendAnswer, sent: Moment, refresh_ahead: float, draw: float
) -> Term | None:
    """The term after a renewal, None when its answer leaves nothing to live on."""
    left = term.lifetime - elapsed(term.start, sent)[1]
    shift = None if held.expires_at is None else answer.expires_at.timestamp() - held.expires_at
    if shift is not None and phase(term, sent) is Phase.ENDED:
        shift += left  # it had ended by both clocks, and an extension whose answer was lost kept it alive
    lifetime = renewed_lifetime(
        term.ttl,
        left=left,
        shift=shift,
        by_service=_seconds(answer.served_at, answer.expires_at),
    )
    if lifetime <= 0:
        return None
    return Term(sent, lifetime, refresh_after(lifetime, refresh_ahead, draw), term.ttl)


def _since_epoch(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
