"""Trust: whether an answer proves, by the issuer's signature, that it is what it says.

Where no key is known to the product, nothing is verified, and every answer counts as it is. A signed token repeats
the answer; whatever differs between the two was changed by somebody on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..lease import LeaseFacts
from ..ports import Allowed, CheckoutAnswer, Forged, Moment, Proof, SignedClaims
from .coverage import uncovered
from .requirements import Requirement
from .terms import Term

AGREEMENT = 2.0  # seconds between the time of an answer and that of its signed token
FRESHNESS = 300.0  # seconds; AWS refuses requests from clocks that are further off

TOKEN, ARN, NODE = "licenseConsumptionToken", "licenseArn", "nodeId"
ENTITLEMENTS, ISSUED, EXPIRATION = "entitlementsAllowed", "issuedAt", "expiration"


@dataclass(frozen=True, slots=True)
class Trust:
    """The proofs that answers have to bring."""

    is_required: bool = False
    """True where an answer without a signature opens nothing."""
    node_id: str | None = None
    """The node that was named in each request."""


ANYBODY = Trust()
"""Signed answers have to be true, and nothing has to be signed."""


def objection(trust: Trust, asked: Requirement, answer: CheckoutAnswer, sent: Moment, resumed: bool) -> str | None:
    """Return why an answer is not believed, as the end of a sentence; None where it is.

    :param sent: when it was asked for first.
    :param resumed: True where it may be the replay of an answer to an earlier request of ours.
    """
    proof = answer.proof
    if proof is None:
        return "it is not signed, and verify_signature is 'required'" if trust.is_required else None
    if isinstance(proof, Forged):
        return f"its signed token {proof.why}"
    disagreeing = next(_disagreeing(trust, asked, answer, proof), None)
    if disagreeing is not None:
        return f"its signed token disagrees about {disagreeing}"
    return _staleness(proof, sent, resumed) if trust.is_required else None


def _disagreeing(trust: Trust, asked: Requirement, answer: CheckoutAnswer, proof: SignedClaims) -> Iterator[str]:
    """Yield the names of claims that differ from the answer. An absent claim agrees with an absent member only."""
    if proof.token != answer.token:
        yield TOKEN
    if proof.license_arn != answer.license_arn:
        yield ARN
    if not proof.node_id == answer.node_id == trust.node_id:
        yield NODE
    if uncovered(asked, tuple(named_lines(proof, asked))):
        yield ENTITLEMENTS
    if not _agree(proof.issued_at, answer.issued_at):
        yield ISSUED
    if proof.expires_at is None:
        yield EXPIRATION


def named_lines(proof: SignedClaims, asked: Requirement) -> Iterator[Allowed]:
    """Return the lines of a signed token that say what they cover: a count that is left out proves none."""
    counted = {one.name for one in asked if one.is_counted}
    return (line for line in proof.allowed if line.name not in counted or (line.value and line.unit))


def _agree(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs((one - other).total_seconds()) <= AGREEMENT


def _staleness(proof: SignedClaims, sent: Moment, resumed: bool) -> str | None:
    """Return why a signed answer is too old to be one to this request; the answers of before can be replayed."""
    if proof.issued_at is not None and sent.wall - proof.issued_at.timestamp() > FRESHNESS:
        return "it was issued more than five minutes before it was asked for"
    if not resumed and proof.expires_at is not None and proof.expires_at.timestamp() <= sent.wall:
        return "it had ended before it was asked for"
    return None


def bounded(answer: CheckoutAnswer) -> CheckoutAnswer:
    """Return an answer that is believed with the times that are proved: of two ends the earlier counts."""
    proof = answer.proof
    if not isinstance(proof, SignedClaims) or proof.expires_at is None:
        return answer
    ends = [end for end in (answer.expires_at, proof.expires_at) if end is not None]
    return replace(answer, issued_at=proof.issued_at, expires_at=min(ends))


def objection_to_lease(
    trust: Trust, asked: Requirement, facts: LeaseFacts, term: Term, proof: Proof | None
) -> str | None:
    """Return why a lease is not believed that somebody wrote down; None where it is.

    It was checked out by another process, for a node of its own, and may have been extended since.
    """
    issued_at, expires_at = _time(facts.issued_at), _time(facts.expires_at)
    allowed = tuple(Allowed(one.name, None if one.value is None else str(one.value), one.unit) for one in asked)
    answer = CheckoutAnswer(
        facts.token or "", allowed, issued_at, expires_at, None, facts.license_arn, facts.node_id, proof=proof
    )
    theirs = replace(trust, node_id=facts.node_id)
    why = objection(theirs, asked, answer, Moment(facts.issued_at or 0.0, 0.0), resumed=True)
    if why is None and trust.is_required and not _is_within(term, proof):
        return "it goes on after the end that is signed"
    return why


def _is_within(term: Term, proof: Proof | None) -> bool:
    if not isinstance(proof, SignedClaims) or proof.expires_at is None or proof.issued_at is None:
        return False
    lifetime = (proof.expires_at - proof.issued_at).total_seconds()
    return (
        term.lifetime <= lifetime + AGREEMENT and term.wall + term.lifetime <= proof.expires_at.timestamp() + FRESHNESS
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
