"""The cost of trust: a checkout whose signature is verified, and calls of guards that verify or have borrowed."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from meterguard import MeterGuard, Reason
from meterguard.emulator.operations.claims import proof_of
from meterguard.emulator.protocol.rsa_keys import RsaKey
from meterguard.emulator.protocol.signer import Signer
from meterguard.testing import Control

from . import peers, rounds
from .hot import NUMBER, work
from .plan import Found, Goal, Row, Scale, Study
from .stand_in import FINGERPRINT, SKU, StandIn

SIZES = (2048, 4096)  # bits
CHECKOUTS = 20  # of a sample


class Signing(StandIn):
    """A client that answers what it has signed before, so that the signing is not measured."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._signer = Signer(RsaKey(bits=bits).private_key_pem)
        self._answers: deque[dict[str, Any]] = deque()
        self.public_key_pem = self._signer.public_key_pem

    def prepare(self, number: int) -> None:
        """Sign so many answers."""
        for _ in range(number):
            answer = super().checkout_license(Entitlements=[{"Name": "Seats", "Value": "1", "Unit": "Count"}])
            self._answers.append({**answer, "SignedToken": self._signer.sign(proof_of(answer))})

    def checkout_license(self, **_: Any) -> dict[str, Any]:
        """Grant by the next answer."""
        return self._answers.popleft()


def checkouts(client: Signing, guard: MeterGuard) -> Callable[[], float]:
    """Return a sample: the microseconds of a call with a seat of its own, checked out and given back."""
    guarded: Callable[[int, int], int] = guard.requires_entitlement("Seats", 1, "Count", hold="call")(work)

    def sample() -> float:
        client.prepare(CHECKOUTS)
        begin = time.perf_counter()
        for _ in range(CHECKOUTS):
            guarded(1, 2)
        return (time.perf_counter() - begin) / CHECKOUTS * 1e6

    return sample


def check(verified: MeterGuard, client: Signing, borrowing: MeterGuard) -> None:
    """Make sure that what is measured is what it is called."""
    client.prepare(1)
    with verified.requires_entitlement("Seats", 1, "Count", hold="call") as lease:
        assert lease.is_verified
    assert borrowing.decide("Seats", 1).reason is Reason.BORROWED


def hits(guard: MeterGuard) -> Callable[[], float]:
    """Return a sample: the nanoseconds of a call while the lease is held."""
    guarded: Callable[[int, int], int] = guard.requires_entitlement("Seats", 1, "Count")(work)
    guarded(1, 2)
    return rounds.loop("f(1, 2)", NUMBER, f=guarded)


def measure(scale: Scale) -> Found:
    """Measure all rows in one run; guards are made once."""
    clients = {bits: Signing(bits) for bits in SIZES}
    plain, borrowing = Control({"Seats": 9}), Control({"Seats": 9}, borrowed=True)
    trusting = {
        bits: MeterGuard(SKU, FINGERPRINT, client=client, trusted_keys=client.public_key_pem)
        for bits, client in clients.items()
    }
    borrowing.borrow("Seats", 2)
    for bits, guard in trusting.items():
        check(guard, clients[bits], borrowing.guard)
    clients[2048].prepare(1)  # for a lease that is held
    with plain, borrowing, trusting[2048], trusting[4096], MeterGuard(SKU, FINGERPRINT, client=clients[2048]) as lax:
        samples = rounds.interleaved(
            {
                "checkout": checkouts(clients[2048], lax),
                **{f"checkout-{bits}": checkouts(clients[bits], guard) for bits, guard in trusting.items()},
                "hit": hits(plain.guard),
                "hit-verified": hits(trusting[2048]),
                "hit-borrowed": hits(borrowing.guard),
            },
            scale.pick(60, 2),
        )
    found = Found(rounds.figures(samples, STUDY.pairs), peers.absent)
    for bits in SIZES:
        more = [one - other for one, other in zip(samples[f"checkout-{bits}"], samples["checkout"], strict=True)]
        found.figures[f"verify-{bits}"] = statistics.median(more)
    return found


STUDY = Study(
    "trust",
    "Signatures verified, and licences borrowed",
    (
        Row("checkout", "a signed checkout that nobody verifies, and its check-in", "us"),
        Row("checkout-2048", "the same with trusted_keys, RSA of 2048 bits", "us"),
        Row("verify-2048", " more than without", "us", (Goal("V1", "us", "verify-2048", 1000),)),
        Row("checkout-4096", "the same with trusted_keys, RSA of 4096 bits", "us"),
        Row("verify-4096", " more than without", "us", (Goal("V1", "us", "verify-4096", 1000),)),
        Row("hit", "guarded call while a lease is held"),
        Row(
            "hit-verified",
            "the same with trusted_keys",
            goals=(Goal("V2", "x the call without", "hit-verified/hit", 1.05),),
        ),
        Row(
            "hit-borrowed",
            "the same with a borrowed licence",
            goals=(Goal("V2", "x the call with a lease", "hit-borrowed/hit", 1.05),),
        ),
    ),
    measure,
    remarks=("The service answers at once, with what was signed before: the way to it is not measured.",),
)
