"""A call as the operations see it: the caller, the moment, and the tables to work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..protocol.errors import elsewhere
from ..protocol.messages import Answer, Caller, Parameters
from ..state.allocation import Limits
from ..state.licenses import License
from ..state.pools import State
from ..state.signing_key import SigningKey

__all__ = ("Call", "Handler", "require_home")


@dataclass(slots=True)
class Call:
    """One call.

    ``signing`` makes or finds the key to sign with. ``limits`` is a fault's: the most that a checkout may give of
    each name.
    """

    state: State
    caller: Caller
    now: float
    new_id: Callable[[], str]
    signing: SigningKey
    limits: Limits | None = None


Handler = Callable[[Call, Parameters], Answer]


def require_home(call: Call, licence: License) -> None:
    """Send a caller to the licence's home Region for what can be done only there."""
    if licence.home_region != call.caller.region:
        raise elsewhere(licence.home_region)
