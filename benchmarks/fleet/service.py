"""The service: one licence, with leases that end, a rate limit, and outages."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from meterguard.model import Entitlement
from meterguard.ports import Allowed, CheckoutAnswer, ExtendAnswer, FaultKind, ServiceFault
from meterguard.units import Unit

from .loop import Loop, Steps
from .measures import Measures
from .outages import Outage

SEATS = (Entitlement("Seats", 1, "Count"),)
ALLOWED = (Allowed("Seats", "1", Unit.COUNT),)


@dataclass(frozen=True)
class Terms:
    """What is assumed of the service. AWS publishes no rate limit for these operations."""

    lifetime: float = 3600.0
    """Seconds of a lease; an hour on AWS Marketplace."""
    latency: float = 0.08
    """Seconds from request to answer, half of them on the way there; each request has 0.75 to 1.25 of it."""
    rate: float = 20.0
    """Requests a second that are taken, all operations together."""
    burst: float = 40.0
    seats: int = 1_000_000


class Service:
    """License Manager, as far as a fleet notices."""

    def __init__(self, loop: Loop, measures: Measures, dice: random.Random, terms: Terms) -> None:
        self._loop = loop
        self._measures = measures
        self._dice = dice
        self.terms = terms
        self.outage = Outage(loop)
        self._ends: dict[str, float] = {}
        self._replays: dict[str, tuple[str, float]] = {}
        self._room = terms.burst
        self._filled_at = loop.now

    # -- requests ----------------------------------------------------------------------------------

    def check_out(self, client_token: str) -> Steps[CheckoutAnswer]:
        """Check a lease out; a ``ClientToken`` that is known is answered as it was."""
        back = yield from self._arrive("checkout")
        if client_token not in self._replays:
            if len(self._ends) >= self.terms.seats:
                yield back
                raise ServiceFault(FaultKind.DENIED, "all in use", code="NoEntitlementsAllowedException")
            token = f"T{len(self._replays)}"
            self._replays[client_token] = token, self._loop.now
            self._ends[token] = 0.0
            self._measures.seats.change(1)
            self._prolong(token)
        token, issued = self._replays[client_token]
        served = _date(self._loop.now)
        yield back
        return CheckoutAnswer(token, ALLOWED, _date(issued), _date(issued + self.terms.lifetime), served)

    def extend(self, token: str) -> Steps[ExtendAnswer]:
        """Renew a lease."""
        back = yield from self._arrive("renewal")
        if token not in self._ends:
            yield back
            raise ServiceFault(FaultKind.NOT_FOUND, "no such lease", code="ResourceNotFoundException")
        self._prolong(token)
        answer = ExtendAnswer(_date(self._ends[token]), _date(self._loop.now))
        yield back
        return answer

    def check_in(self, token: str) -> Steps[None]:
        """Take a lease back."""
        back = yield from self._arrive("check-in")
        is_known = token in self._ends
        self._drop(token)
        yield back
        if not is_known:
            raise ServiceFault(FaultKind.NOT_FOUND, "no such lease", code="ResourceNotFoundException")

    # -- what becomes of them ----------------------------------------------------------------------

    def _arrive(self, operation: str) -> Steps[float]:
        """Take the way there, and return the seconds of the way back."""
        half = self.terms.latency / 2 * (0.75 + self._dice.random() / 2)
        yield half
        self._measures.asked.add()
        self._measures.operations[operation] += 1
        is_out = self.outage.strikes(is_trigger=operation == "renewal")
        if is_out or not self._has_room():
            self._measures.refused.add()
            yield half
            code = "503" if is_out else "RateLimitExceededException"
            raise ServiceFault(FaultKind.UNKNOWN, code, code=code, may_have_acted=is_out)
        return half

    def _has_room(self) -> bool:
        now, terms = self._loop.now, self.terms
        self._room = min(terms.burst, self._room + terms.rate * (now - self._filled_at))
        self._filled_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _prolong(self, token: str) -> None:
        end = self._ends[token] = self._loop.now + self.terms.lifetime
        self._loop.after(self.terms.lifetime, partial(self._lapse, token, end))

    def _lapse(self, token: str, end: float) -> None:
        if self._ends.get(token) == end:  # it was not renewed
            self._drop(token)

    def _drop(self, token: str) -> None:
        if self._ends.pop(token, None) is not None:
            self._measures.seats.change(-1)


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
