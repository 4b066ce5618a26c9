"""Ports of the runtime: licence service, clock and ledger, and the records that pass through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol

from .account import Account
from .model import Entitlement
from .units import Unit
from .usage import UsageLine


class Moment(NamedTuple):
    """One reading of both clocks, in seconds."""

    wall: float
    mono: float


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> Moment:
        """Read both clocks."""
        ...

    def wall(self) -> float:
        """Read the wall clock only, which takes a fraction of the time. Called by code that is five frames deep."""
        ...


class FaultKind(Enum):
    """The meaning of a failed request, whatever its code."""

    DENIED = "denied"
    """The service said no."""
    NOT_FOUND = "not found"
    """The service knows no such licence, or no such lease."""
    REFUSED = "refused"
    """IAM or the credentials do not let us ask."""
    UNKNOWN = "unknown"
    """No answer that means anything; another attempt may get one."""
    UNREACHABLE = "unreachable"
    """No answer, and another attempt will not get one (another Region, no such host in this partition)."""
    INVALID = "invalid"
    """The service calls our request wrong."""


LICENSE_MANAGER = "License Manager"


class ServiceFault(Exception):
    """A request to the service failed.

    ``may_have_acted`` is False only when the service surely did nothing: it answered with an error,
    or was never reached. ``detail`` is for people and holds no secret. ``action`` is the IAM action that was refused.
    ``is_throttled`` says that there were too many requests. ``service`` is who was asked, for people.
    """

    def __init__(
        self,
        kind: FaultKind,
        detail: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        may_have_acted: bool = False,
        action: str | None = None,
        is_throttled: bool = False,
        service: str = LICENSE_MANAGER,
    ) -> None:
        super().__init__(kind, detail)  # all that copies are made from
        self.kind = kind
        self.detail = detail
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.may_have_acted = may_have_acted
        self.action = action
        self.is_throttled = is_throttled
        self.service = service

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Allowed:
    """One line of ``EntitlementsAllowed``. The service may leave out value and unit."""

    name: str
    value: str | None = None
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """The claims of a signed token whose signature is the issuer's. What it leaves out is None."""

    token: str | None = field(repr=False)
    allowed: tuple[Allowed, ...]
    license_arn: str | None = field(repr=False)
    node_id: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The ``CheckoutMetadata`` of a borrow, by name."""


@dataclass(frozen=True, slots=True)
class Forged:
    """The finding that a signed token is not the issuer's. ``why`` ends a sentence that begins with the token."""

    why: str


Proof = SignedClaims | Forged
"""What became of a signed token that was verified."""


@dataclass(frozen=True, slots=True)
class CheckoutAnswer:
    """A parsed 200 of ``CheckoutLicense``. It has a token; the rest may be missing or nonsense."""

    token: str = field(repr=False)
    allowed: tuple[Allowed, ...]
    issued_at: datetime | None
    expires_at: datetime | None
    served_at: datetime | None = None
    """The response's ``Date`` header."""
    license_arn: str | None = field(default=None, repr=False)
    node_id: str | None = None
    checkout_type: str = "PROVISIONAL"
    signed_token: str | None = field(default=None, repr=False)
    proof: Proof | None = None
    """None where there is no signed token, or no key to verify it with."""


@dataclass(frozen=True, slots=True)
class ExtendAnswer:
    """A parsed 200 of ``ExtendLicenseConsumption``."""

    expires_at: datetime
    served_at: datetime | None = None
    """The response's ``Date`` header."""
    token: str | None = field(default=None, repr=False)
    """The token to use from now on, where the service sent one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The units of one entitlement that are in use, by all of its users."""

    name: str
    unit: Unit
    consumed: int
    maximum: int | None
    """None where the licence has none."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one fact about a connection comes from."""

    fact: str
    """``"region"``, ``"endpoint"``, ``"proxy"``, ``"certificates"`` or ``"models"``."""
    value: str
    """The value, without a user or a password."""
    source: str
    """An argument, the name of a variable, a file, or the default."""


@dataclass(frozen=True, slots=True)
class LicenseCount:
    """The number of licences that this account has of a product."""

    of_product: int
    usable: int
    """Those of the issuer that was named, which are available."""


class Traffic(Protocol):
    """Hears of the requests that are sent to the service. Its methods take no time."""

    def checking_out(self) -> None:
        """Hear that a checkout is about to be sent."""
        ...

    def throttled(self, pause: float) -> None:
        """Hear that there were too many, and that the service wants no more for so many seconds."""
        ...


class LicenseService(Protocol):
    """The licence service, with one attempt a call and no memory. Every failure is a ServiceFault.

    ``parting`` asks for time-outs short enough for a process that is leaving: a second in all.
    """

    def connect(self) -> None:
        """Import and make the client, which the first request needs. Idempotent."""
        ...

    def check_out(
        self, entitlements: tuple[Entitlement, ...], client_token: str, *, parting: bool = False
    ) -> CheckoutAnswer:
        """Check out provisionally, under this ``ClientToken``."""
        ...

    def draw(self, entitlement: Entitlement, client_token: str) -> CheckoutAnswer:
        """Check out for good (``PERPETUAL``), under this ``ClientToken``."""
        ...

    def borrow(
        self,
        entitlements: tuple[Entitlement, ...],
        license_arn: str | None,
        client_token: str,
        metadata: Mapping[str, str],
    ) -> CheckoutAnswer:
        """Borrow all of this, under this ``ClientToken``, from the licence or the only one that it could be from."""
        ...

    def extend(self, token: str) -> ExtendAnswer:
        """Renew the lease with this consumption token."""
        ...

    def check_in(self, token: str, *, parting: bool = False) -> None:
        """Return the lease."""
        ...

    def proof(self, signed_token: str) -> Proof | None:
        """Verify a signed token that came earlier; None where there is no key. Asks nobody."""
        ...

    def unproved(self, signed_token: str) -> SignedClaims | None:
        """Read the claims of a signed token without a key; None where it has none. Asks nobody."""
        ...

    def usage(self, license_arn: str | None) -> tuple[Usage, ...]:
        """Return what is in use of this licence, or of the one that a checkout would be from."""
        ...

    def licenses(self) -> LicenseCount:
        """Count the licences of the product that this account has."""
        ...


class LedgerFault(Exception):
    """A ledger could not be read or written now. The text is for people and holds no secret.

    ``may_have_written`` is True where nobody knows whether it was written.
    """

    def __init__(self, text: str, *, may_have_written: bool = False) -> None:
        super().__init__(text)
        self.may_have_written = may_have_written


class Posting(NamedTuple):
    """The result of a transaction: the account as it is now, and lines to add to the usage."""

    account: Account
    usage: tuple[UsageLine, ...] = ()


class Notes(NamedTuple):
    """The rows of a book at one moment: texts by key."""

    version: str
    """Another one after each write; empty where nothing was ever written."""
    rows: Mapping[str, str]


Change = Callable[[Account | None, float], Posting]
"""Decides what becomes of an account (None: there is none yet) at a moment of the ledger's clock."""


class Ledger(Protocol):
    """Keeps accounts and usage, for a process, a host or a fleet.

    * It has one way to change an account: a transaction, which writes account and usage together or not at all.
    * A change may be called several times, where somebody else was faster; only its last posting counts.
    * When a method that writes returns, all is as safe as the ledger makes it. When it raises, nothing is written,
      unless the fault says that it may have been: then the same batch may be written again.
    * Methods block, and may be called by many threads at once.
    * ``ConfigurationError`` says that somebody has to look after the ledger: it is damaged, of a newer version, at a
      place where it cannot be safe. ``LedgerFault`` says that it cannot be had now; another attempt may fare better.
    """

    is_shared: bool
    """True where other processes may use it, and a process may lose what it took when it dies."""
    is_fleet: bool
    """True where processes of several hosts may use it."""

    def transact(self, key: str, change: Change) -> Posting:
        """Change one account, and return what was written."""
        ...

    def post(self, lines: Iterable[UsageLine], token: str | None = None) -> None:
        """Add to the usage, in one transaction.

        :param token: the batch's own; where a fault left it open whether the batch was written, it may be posted again
            under its token for four minutes, and is added once.
        """
        ...

    def accounts(self) -> list[Account]:
        """Return all accounts."""
        ...

    def usage(self, since: float | None = None, until: float | None = None) -> Iterable[UsageLine]:
        """Return the usage of the spans that start from ``since`` on and before ``until``, each key once."""
        ...

    def notes(self, book: str) -> Notes:
        """Return what is noted in a book."""
        ...

    def note(self, book: str, expected: str, changes: Mapping[str, str | None]) -> str | None:
        """Write rows of a book; a text of None deletes one. Return its new version.

        Where its version is no longer the one that is expected, nothing is written, and None is returned.
        """
        ...

    def compact(self, hours_before: float, days_before: float) -> None:
        """Put the hours before ``hours_before`` together to days (UTC), and delete the spans before ``days_before``."""
        ...

    def describe(self) -> str:
        """Return where it is and how safe that is, for people and without a secret, once it was looked at.

        Nothing is made for it. Raises as the other methods do.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files. A later call opens them again."""
        ...

    def forget(self) -> None:
        """In a forked child: connections are the parent's, and no lock may be taken."""
        ...
