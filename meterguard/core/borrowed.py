"""Borrowed licences: what a signed token allows a machine without a network, and for how long.

Nobody else is asked, so that the wall clock counts, and it may only go forward: the latest moment that somebody saw
is kept beside the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..lease import LeaseFacts
from ..model import Entitlement
from ..ports import Allowed, CheckoutAnswer, Forged, Moment, Proof, SignedClaims
from ..units import Unit
from .requirements import Requirement
from .terms import Term
from .trust import Trust, named_lines, objection
from .verdicts import LONGEST_LIFETIME, NO_TEXTS, texts

PRODUCT: Final = "ProductSKU"
"""The name under which the product stands in ``CheckoutMetadata``."""
TOLERANCE = 300.0  # seconds by which a wall clock may stand before a moment that it has shown, or that AWS has signed
LOOK_EVERY = 60.0  # seconds between two looks at the clock and the file
SOON = 3600.0  # seconds before the end at which people are told


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A borrowed licence that agrees with the program it is read by. Times are seconds of the wall clock."""

    signed_token: str = field(repr=False)
    claims: SignedClaims
    start: float
    end: float

    @property
    def entitlements(self) -> tuple[Entitlement, ...]:
        """The entitlements that it covers, as they can be asked for."""
        return readable(self.claims.allowed)

    def units(self, asked: Entitlement) -> int | None:
        """Return how many units of this it has; None where it has no such entitlement. A feature has 0."""
        for line in named_lines(self.claims, (asked,)):
            if line.name == asked.name and line.unit in (None, asked.unit):
                if not asked.is_counted:
                    return 0 if asked.value is None or line.value in (None, asked.value) else None
                return int(line.value) if line.value and line.value.isascii() and line.value.isdigit() else None
        return None

    def is_live(self, now: Moment) -> bool:
        """Tell whether it has not ended."""
        return now.wall < self.end

    def is_half_over(self, now: Moment) -> bool:
        """Tell whether half of its time has passed."""
        return now.wall >= (self.start + self.end) / 2

    def term(self, now: Moment) -> Term:
        """Return its term, which counts from its issue; a look at the clocks is due in a minute."""
        age = now.wall - self.start
        return Term(Moment(self.start, now.mono - age), self.end - self.start, age + LOOK_EVERY, self.end - self.start)

    def facts(self, asked: Requirement, number: int, beside: Iterable[Borrowed] = ()) -> LeaseFacts:
        """Return what a call that rides on it sees.

        :param number: tells the rides apart: each has a token, and a borrowed licence has one for all.
        :param beside: the other licences that the call rides on.
        """
        claims = self.claims
        allowed = (line for one in (self, *beside) for line in one.claims.allowed)
        return LeaseFacts(
            asked,
            claims.license_arn,
            self.start,
            self.end,
            claims.node_id,
            token=f"{claims.token}#{number}",
            signed_token=self.signed_token,
            texts=texts(asked, tuple(allowed)) or NO_TEXTS,
            is_verified=True,
            is_borrowed=True,
        )


def readable(lines: Iterable[Allowed]) -> tuple[Entitlement, ...]:
    """Return the lines of an answer as entitlements, without those that cannot be."""
    return tuple(_readable(lines))


def _readable(lines: Iterable[Allowed]) -> Iterator[Entitlement]:
    for line in lines:
        is_counted = line.unit is not None and line.unit.is_counted
        with contextlib.suppress(ValueError):
            yield Entitlement(line.name, int(line.value or "") if is_counted else line.value, line.unit or Unit.NONE)


class Program(NamedTuple):
    """The program that reads a borrowed licence, as its settings name it."""

    product_sku: str
    node_id: str | None


def judged(signed_token: str, proof: Proof | None, program: Program, now: Moment, latest: float) -> Borrowed | str:
    """Return a borrowed licence, or why it is not believed, as the end of a sentence that begins with it.

    :param proof: what became of its signature.
    :param latest: the latest moment seen, in seconds of the wall clock.
    """
    if not isinstance(proof, SignedClaims):
        return proof.why if isinstance(proof, Forged) else "cannot be verified, for there are no trusted keys"
    start, end = (one.timestamp() if one is not None else None for one in (proof.issued_at, proof.expires_at))
    if proof.metadata.get(PRODUCT) != program.product_sku:
        return "is of another product"
    if proof.node_id != program.node_id:
        return "is for another node (node_id)"
    if start is None or end is None or proof.token is None or not 0 < end - start <= LONGEST_LIFETIME:
        return "has no token, or a lifetime that makes no sense"
    if now.wall < max(start, latest) - TOLERANCE:
        return "was issued or used later than now, so that the clock of this machine was set back"
    return Borrowed(signed_token, proof, start, end)


def believed(asked: Requirement, answer: CheckoutAnswer, program: Program, sent: Moment) -> Borrowed | str:
    """Return what the answer to a borrow has lent, or why it is not believed, as the end of a sentence.

    :param sent: when it was asked for first.
    """
    trust = Trust(is_required=True, node_id=program.node_id)
    why = objection(trust, asked, answer, sent, resumed=True)
    if why is not None:
        return why
    found = judged(str(answer.signed_token), answer.proof, program, sent, latest=0.0)
    return f"it {found}" if isinstance(found, str) else found


Uses = dict[tuple[str, str], int]
"""Units, by the token of their licence and the name of their entitlement."""


def shares(asked: Requirement, live: Iterable[Borrowed], used: Uses) -> Uses | None:
    """Return the units that a requirement takes; None where the licences do not cover it.

    :param used: what others in this process take.
    """
    licences, taken = list(live), Uses()
    for one in asked:
        place = next(_places(one, licences, used, taken), None)
        if place is None:
            return None
        taken[place] = taken.get(place, 0) + (int(one.value or 0) if one.is_counted else 0)
    return taken


def _places(one: Entitlement, licences: list[Borrowed], used: Uses, taken: Uses) -> Iterator[tuple[str, str]]:
    need = int(one.value or 0) if one.is_counted else 0
    for licence in licences:
        place, units = (licence.claims.token or "", one.name), licence.units(one)
        if units is not None and used.get(place, 0) + taken.get(place, 0) + need <= units:
            yield place
