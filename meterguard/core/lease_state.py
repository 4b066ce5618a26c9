"""One lease's facts: all that is known of a key, apart from what any process does with it.

A :class:`LeaseState` is frozen and made of plain values: it can be kept in any store and read by another process.
It holds times of the service and of the wall clock; moments of a monotonic clock mean nothing elsewhere and are not
in it. The functions return the state that follows, through the table of ``lifecycle``, and change nothing else.

Two rules hold in each of them. A token that may be live at the service is held or owed until the service has said
what became of it: it is never dropped for a better one. And what was learned under one fence is not believed under
another: whoever extended or returned a lease that was replaced meanwhile speaks of another lease.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from ..lease import LeaseFacts
from .lifecycle import Signal, State, step


@dataclass(frozen=True, slots=True)
class Pending:
    """An intent whose call ended without an answer. Times are seconds of the wall clock."""

    client_token: str = field(repr=False)
    born: float
    acted_since: float | None = None
    """When the first request was sent that may have had an effect; None when none may have."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A token that may be live though nobody rides on it.

    It is returned or extended before anything is taken beside it.
    """

    token: str = field(repr=False)
    ttl: float
    """Seconds that it lives at most from when it was owed, whatever its last extension did."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The way in which IAM, the credentials or an answer that is not believed stopped the last question."""

    message: str
    code: str | None = None
    request_id: str | None = None
    is_untrusted: bool = False


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The facts about one lease key. The repr shows no token."""

    standing: State = State.VACANT
    version: int = 0
    """The version of the row that it was read from, given by the store; 0 when there was none."""
    fence: int = 0
    """The version under which what is held was written, so that it never comes back; ``UNWRITTEN`` until then."""
    facts: LeaseFacts | None = None
    """The lease that is held, else the one held last."""
    ttl: float = 0.0
    """Seconds, the lifetime of the first checkout, which no extension exceeds."""
    good_at: float | None = None
    """The last good answer, in seconds of the wall clock."""
    is_unsure: bool = False
    """True while an extension without an answer may have moved the end of the lease held."""
    pending: tuple[Pending, ...] = ()
    owed: tuple[Owed, ...] = ()
    refusal: Refusal | None = None

    @property
    def token(self) -> str | None:
        """The consumption token of the lease held, a secret; None when none is held."""
        return self.facts.token if self.facts is not None and self.standing.holds else None

    @property
    def unsure_token(self) -> str | None:
        """The token of a lease that ended here and may live on, for an extension that was not answered; a secret."""
        return self.facts.token if self.facts is not None and self.is_unsure and not self.standing.holds else None

    @property
    def is_idle(self) -> bool:
        """True when nothing is held, owed or pending, so that a store that is full may forget it."""
        return not (self.standing.holds or self.owed or self.pending)

    @property
    def is_blank(self) -> bool:
        """True when it says no more than a key that nobody has asked for."""
        return self.is_idle and self.standing in (State.VACANT, State.CLOSED)

    def stamped(self, version: int) -> LeaseState:
        """Return it under the version that a store has given it."""
        return replace(self, version=version, fence=version if self.fence == UNWRITTEN else self.fence)


UNWRITTEN: Final = -1
VACANT: Final = LeaseState()
"""The state of a key that nobody has asked for."""


# -- a checkout was answered ---------------------------------------------------------------------


def granted(state: LeaseState, facts: LeaseFacts, ttl: float, good_at: float) -> LeaseState:
    """Take the yes to a checkout. A lease held beside it is owed; on a closed guard the new one is."""
    if state.standing is State.CLOSED:
        return replace(state, owed=_with(state.owed, facts.token, ttl))
    owed = state.owed if state.token == facts.token else _with(state.owed, state.token, state.ttl)
    return replace(
        _follow(state, Signal.GRANTED),
        fence=UNWRITTEN,
        facts=facts,
        ttl=ttl,
        good_at=good_at,
        is_unsure=False,
        owed=_without(owed, facts.token),
        refusal=None,
    )


def learned(state: LeaseState, facts: LeaseFacts, ttl: float, good_at: float) -> LeaseState:
    """A seat was granted to a call for itself, under a key of its own: a good answer, and nothing held here."""
    if state.standing is State.CLOSED:
        return state
    moved = _follow(_follow(state, Signal.GRANTED), Signal.RETURNED)
    return replace(moved, facts=facts, ttl=ttl, good_at=good_at, refusal=None)


def denied(state: LeaseState) -> LeaseState:
    """The service said no to a checkout. A lease that was held beside it is owed."""
    return replace(_parted(state, Signal.DENIED), refusal=None)


def refused(state: LeaseState, refusal: Refusal, fence: int | None = None) -> LeaseState:
    """IAM or the credentials stopped a checkout, or the renewal under this fence. What is held lives on to its end."""
    if fence is not None and state.fence != fence:
        return state
    return replace(_follow(state, Signal.REFUSED), refusal=refusal)


def unknown(state: LeaseState) -> LeaseState:
    """A checkout got no answer."""
    return _follow(state, Signal.UNKNOWN)


def pending(state: LeaseState, intent: Pending) -> LeaseState:
    """An intent was left unanswered: the next call takes it up with its token."""
    others = tuple(one for one in state.pending if one.client_token != intent.client_token)
    return replace(state, pending=(*others, intent))


def taken_up(state: LeaseState, *client_tokens: str) -> LeaseState:
    """Drop intents that a call has taken up, or that are too old."""
    return replace(state, pending=tuple(one for one in state.pending if one.client_token not in client_tokens))


# -- a renewal was answered ----------------------------------------------------------------------


def renewed(state: LeaseState, fence: int, facts: LeaseFacts, good_at: float) -> LeaseState:
    """An extension was answered yes, also when the end was noticed meanwhile. ``facts`` are those it left."""
    if state.fence != fence or state.standing in (State.VACANT, State.CLOSED) or state.facts is None:
        return state
    owed = _without(_without(state.owed, state.facts.token), facts.token)
    moved = _follow(state, Signal.RENEWED)
    return replace(moved, facts=facts, good_at=good_at, is_unsure=False, owed=owed, refusal=None)


def unanswered(state: LeaseState, fence: int, *, may_have_acted: bool) -> LeaseState:
    """An extension got no answer. It may have moved the end, so that the lease outlives our clocks' word."""
    if state.fence != fence:
        return state
    moved = replace(_follow(state, Signal.UNKNOWN), is_unsure=state.is_unsure or may_have_acted)
    if may_have_acted and not state.standing.holds and state.facts is not None:  # it ended in the meantime
        return replace(moved, owed=_with(state.owed, state.facts.token, state.ttl))
    return moved


def lost(state: LeaseState, fence: int) -> LeaseState:
    """The service would not extend the lease. It may be live all the same, so it is owed."""
    return _parted(state, Signal.LOST) if state.fence == fence else state


# -- the lease goes ------------------------------------------------------------------------------


def ended(state: LeaseState) -> LeaseState:
    """Both local clocks say that its time is up. It is owed where an extension may have moved its end."""
    if not state.standing.holds:
        return state
    owed = _with(state.owed, state.token, state.ttl) if state.is_unsure else state.owed
    return replace(_follow(state, Signal.ENDED), owed=owed)


def returned(state: LeaseState) -> LeaseState:
    """Nobody wants the lease any more. Its token is owed until the service has it back."""
    return _parted(state, Signal.RETURNED)


def forgotten(state: LeaseState) -> LeaseState:
    """Forget the facts, for want of room. Owed tokens and pending intents stay until they are settled."""
    held = _parted(state, Signal.RETURNED)
    return replace(VACANT, version=held.version, fence=held.fence, owed=held.owed, pending=held.pending)


def closed(state: LeaseState) -> LeaseState:
    """The guard closes. What it held is owed."""
    return _parted(replace(state, refusal=None), Signal.CLOSE)


def owing(state: LeaseState, token: str, ttl: float) -> LeaseState:
    """A token came that opens nothing, as that of an answer which covers less than was asked for."""
    return replace(state, owed=_with(state.owed, token, ttl))


def giving_back(state: LeaseState, token: str) -> LeaseState:
    """A token that is owed is about to be checked in, so that no extension of it, sent before, is believed any more."""
    if state.standing.holds or state.facts is None or state.facts.token != token:
        return state
    return replace(state, fence=UNWRITTEN, is_unsure=False)


def settled(state: LeaseState, token: str) -> LeaseState:
    """The service has the token back, or no longer knows it, or its longest possible life is over."""
    return replace(giving_back(state, token), owed=_without(state.owed, token))


def _parted(state: LeaseState, signal: Signal) -> LeaseState:
    """Part with the lease held: its token is owed, and its fence is no longer valid."""
    if state.token is None:
        return state if signal in _OF_A_LEASE else _follow(state, signal)
    owed = _with(state.owed, state.token, state.ttl)
    return replace(_follow(state, signal), fence=UNWRITTEN, is_unsure=False, owed=owed)


_OF_A_LEASE = frozenset({Signal.LOST, Signal.RETURNED})


def _follow(state: LeaseState, signal: Signal) -> LeaseState:
    if state.standing is State.CLOSED:  # an answer may come after the guard has closed
        return state
    return replace(state, standing=step(state.standing, signal))


def _with(owed: tuple[Owed, ...], token: str | None, ttl: float) -> tuple[Owed, ...]:
    return owed if token is None else (*_without(owed, token), Owed(token, ttl))


def _without(owed: tuple[Owed, ...], token: str | None) -> tuple[Owed, ...]:
    return tuple(one for one in owed if one.token != token)
