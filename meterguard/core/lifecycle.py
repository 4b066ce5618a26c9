"""The life of a lease: states, signals, and the table that leads from one state to the next.

Every change of a requirement's standing goes through :data:`TABLE`; no other place decides what follows what. No
state depends on reading a clock: ``terms`` judges a moment by two clocks, and its verdict reaches the table as a
signal.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The state of a requirement."""

    VACANT = auto()
    """Nothing held, nothing known."""
    HELD = auto()
    """A lease is held."""
    STRAINED = auto()
    """A lease is held; the last renewal got no answer."""
    FORFEIT = auto()
    """A lease is held; the last renewal was refused by IAM or the credentials, so no grace follows."""
    LAPSED = auto()
    """A lease was held and ended; nothing has failed since."""
    ADRIFT = auto()
    """A lease was held and ended, and the service cannot be asked: grace applies."""
    BARRED = auto()
    """The last definite answer was a no."""
    CLOSED = auto()
    """The guard is closed."""

    @property
    def holds(self) -> bool:
        """True where a lease is held."""
        return self in _HOLDING


_HOLDING = frozenset({State.HELD, State.STRAINED, State.FORFEIT})


class Signal(Enum):
    """An event in the life of a requirement."""

    GRANTED = auto()
    """A checkout answered yes, and the answer was believed."""
    RENEWED = auto()
    """A renewal answered yes."""
    UNKNOWN = auto()
    """A checkout or renewal got no answer, all retries included."""
    DENIED = auto()
    """A checkout answered no."""
    REFUSED = auto()
    """IAM or the credentials stopped a checkout or a renewal."""
    LOST = auto()
    """The service no longer knows the lease."""
    ENDED = auto()
    """The lease's time ran out."""
    RETURNED = auto()
    """The lease was returned."""
    CLOSE = auto()
    """The guard closes."""


_V, _H, _S, _F = State.VACANT, State.HELD, State.STRAINED, State.FORFEIT
_L, _A, _B, _C = State.LAPSED, State.ADRIFT, State.BARRED, State.CLOSED

# RENEWED without a lease: the lease ended while the renewal was under way.
# fmt: off
TABLE: dict[State, dict[Signal, State]] = {
    _V: {Signal.GRANTED: _H, Signal.UNKNOWN: _V, Signal.DENIED: _B, Signal.REFUSED: _B, Signal.CLOSE: _C},
    _H: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _S, Signal.DENIED: _B, Signal.REFUSED: _F,
         Signal.LOST: _L, Signal.ENDED: _L, Signal.RETURNED: _L, Signal.CLOSE: _C},
    _S: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _S, Signal.DENIED: _B, Signal.REFUSED: _F,
         Signal.LOST: _L, Signal.ENDED: _A, Signal.RETURNED: _L, Signal.CLOSE: _C},
    _F: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _F, Signal.DENIED: _B, Signal.REFUSED: _F,
         Signal.LOST: _B, Signal.ENDED: _B, Signal.RETURNED: _B, Signal.CLOSE: _C},
    _L: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _A, Signal.DENIED: _B, Signal.REFUSED: _B,
         Signal.CLOSE: _C},
    _A: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _A, Signal.DENIED: _B, Signal.REFUSED: _B,
         Signal.CLOSE: _C},
    _B: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _B, Signal.DENIED: _B, Signal.REFUSED: _B,
         Signal.CLOSE: _C},
    _C: {Signal.CLOSE: _C},
}
# fmt: on


class IllegalSignal(Exception):
    """A signal that cannot happen in this state: a bug in the runtime."""


def step(state: State, signal: Signal) -> State:
    """Return the state that follows."""
    try:
        return TABLE[state][signal]
    except KeyError:
        raise IllegalSignal(f"{signal.name} cannot happen in {state.name}") from None
