"""Leases. Apart from entitlements, because nothing here is needed before the first call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from .model import Entitlement


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """The service's statements about one checkout. The repr shows no secret."""

    entitlements: tuple[Entitlement, ...]
    license_arn: str | None = field(default=None, repr=False)
    issued_at: float | None = None
    """The service's time, in seconds since the epoch, as is the next."""
    expires_at: float | None = None
    node_id: str | None = None
    checkout_type: str = "PROVISIONAL"
    token: str | None = field(default=None, repr=False)
    signed_token: str | None = field(default=None, repr=False)
    texts: Mapping[str, str] = field(default_factory=dict)
    is_verified: bool = False
    is_borrowed: bool = False


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lease:
    """One provisional checkout, as its holder sees it.

    It follows the checkout through renewals, so :attr:`expires_at` moves while work goes on under
    it. Applications get leases from gates; they do not make them.
    """

    __slots__ = ("__weakref__", "_facts", "_remaining")

    def __init__(self, facts: LeaseFacts, remaining: Callable[[], float]) -> None:
        self._facts = facts
        self._remaining = remaining

    @property
    def entitlements(self) -> tuple[Entitlement, ...]:
        """The entitlements that it covers, as they were asked for."""
        return self._facts.entitlements

    @property
    def is_live(self) -> bool:
        """True while it covers its entitlements: no clock has ended it, and it was neither returned nor lost."""
        return self._remaining() > 0

    @property
    def license_arn(self) -> str | None:
        """The licence it was taken from. Do not show it to users."""
        return self._facts.license_arn

    @property
    def issued_at(self) -> datetime | None:
        """The time at which the service issued it (aware, UTC); None for a lease that was never checked out."""
        return _time(self._facts.issued_at)

    @property
    def expires_at(self) -> datetime | None:
        """The time at which it ends by the service's clock (aware, UTC). Not the end of the contract."""
        return _time(self._facts.expires_at)

    @property
    def expires_in(self) -> float:
        """Seconds for which it still lives by the local clocks; 0.0 once it has ended."""
        return max(0.0, self._remaining())

    @property
    def node_id(self) -> str | None:
        """The ``NodeId`` that was sent with the checkout."""
        return self._facts.node_id

    @property
    def checkout_type(self) -> str:
        """``"PROVISIONAL"`` for every gate."""
        return self._facts.checkout_type

    @property
    def texts(self) -> Mapping[str, str]:
        """The text that a feature carries in the licence, by its name, where the service said so at the checkout."""
        return self._facts.texts

    @property
    def token(self) -> str | None:
        """The consumption token, a secret; None when nothing was checked out."""
        return self._facts.token

    @property
    def signed_token(self) -> str | None:
        """The signed token, where the service sent one; a secret."""
        return self._facts.signed_token

    @property
    def is_verified(self) -> bool:
        """True where the issuer's signature proves what the checkout says; see ``trusted_keys``.

        A later end that an extension gave is not proved, for the service signs no extension.
        """
        return self._facts.is_verified

    @property
    def is_borrowed(self) -> bool:
        """True where a borrowed licence covers it, which needs no network."""
        return self._facts.is_borrowed

    def __repr__(self) -> str:
        what = ", ".join(str(entitlement) for entitlement in self.entitlements)
        left = self.expires_in
        return f"<Lease {what}: {f'live for {left:.0f} s' if left else 'ended'}>"


def follow(lease: Lease, facts: LeaseFacts, remaining: Callable[[], float]) -> None:
    """Have a lease show what a renewal left of its checkout."""
    lease._facts, lease._remaining = facts, remaining


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else EPOCH + timedelta(seconds=seconds)
