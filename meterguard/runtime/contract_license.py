"""Licences from SaaS contracts: AWS tells what a customer has bought, and the guard's own store counts what is held."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import uuid4

from ..contract import Contract, ContractService
from ..core import contract_terms as terms
from ..core import keys
from ..core import units_held as books
from ..core.requirements import Requirement
from ..errors import ConfigurationError
from ..model import Entitlement
from ..ports import (
    CheckoutAnswer,
    ExtendAnswer,
    FaultKind,
    LicenseCount,
    Origin,
    Proof,
    ServiceFault,
    SignedClaims,
    Traffic,
    Usage,
)
from ..rows import Row, Seen, SharedStore, StoreFault
from ..secret import Secret
from ..units import Unit
from .clock import stopwatch

LEASE = 900.0  # seconds between two looks at the contract
MARGIN = 5.0  # seconds for which units stay held after the end of their lease: the service's time is in whole seconds
PATIENCE, PARTING = 5.0, 0.5  # seconds in which a row has to be written that others write, too
TITLE = "AWS Marketplace"

Change = Callable[[dict[str, books.Held]], dict[str, books.Held]]
"""Decides what becomes of a book, or raises a ServiceFault. It may be called several times."""


class ContractLicense:
    """The contract of one customer, as ``ports.LicenseService`` has it.

    A consumption token says what it was given for, and the row in which its units are counted. The same
    ``ClientToken`` finds the same entry, so that a retry takes nothing twice.

    :param store: where units are counted. Seats are exact over all processes that share it.
    :param scope: tells customers and products apart in the store.
    :param traffic: hears of checkouts.
    """

    def __init__(self, source: ContractService, store: SharedStore, scope: str, traffic: Traffic | None = None) -> None:
        self._source = source
        self._traffic = traffic
        self._store = store
        self._place = f"{scope}/held"

    def __repr__(self) -> str:
        return repr(self._source)

    def connect(self) -> None:
        """Make the client."""
        with _told():
            self._source.connect()

    def check_out(
        self, entitlements: tuple[Entitlement, ...], client_token: str, *, parting: bool = False
    ) -> CheckoutAnswer:
        """Hold all of this, under this ``ClientToken``."""
        client_token = Secret(client_token)
        if self._traffic is not None:
            self._traffic.checking_out()
        with _told():
            contract = self._asked(entitlements, parting=parting)
            ends_at = _lease_end(contract, entitlements)
            self._hold(contract, _name(client_token), entitlements, ends_at, is_new=True)
            return CheckoutAnswer(
                token=_token(client_token, self._place, entitlements),
                allowed=terms.allowed(contract, entitlements),
                issued_at=contract.served_at,
                expires_at=ends_at,
                served_at=contract.served_at,
            )

    def extend(self, token: str) -> ExtendAnswer:
        """Look at the contract anew, and hold what a token was given for on."""
        token = Secret(token)  # this frame is in the traceback of a failure
        name, place, asked = _read(token)
        with _told():
            if place != self._place:
                raise _unknown_token()
            contract = self._asked(asked)
            ends_at = _lease_end(contract, asked)
            self._hold(contract, name, asked, ends_at, is_new=False)
            return ExtendAnswer(ends_at, contract.served_at)

    def check_in(self, token: str, *, parting: bool = False) -> None:
        """Hold what a token was given for no longer, whichever customer it is of."""
        token = Secret(token)
        name, place, asked = _read(token)
        if not books.counted(asked):
            return
        with _told():
            self._change(place, lambda book: books.released(book, name), PARTING if parting else PATIENCE)

    def usage(self, license_arn: str | None) -> tuple[Usage, ...]:  # noqa: ARG002 - the contract names it
        """Return what is held of each dimension that is counted, by all who share the store."""
        with _told():
            contract = self._source.contract()
            book = books.live(_book(self._seen(self._place), self._store), contract.served_at.timestamp())
            bought = {
                name: terms.units(contract, name) for name in dict.fromkeys(one.dimension for one in contract.lines)
            }
            return tuple(
                Usage(name, Unit.COUNT, books.in_use(book, name), most)
                for name, most in bought.items()
                if most is not None
            )

    def licenses(self) -> LicenseCount:
        """Count the dimensions of the contract, and those that have not ended."""
        with _told():
            contract = self._source.contract()
            names = {one.dimension for one in contract.lines}
            return LicenseCount(len(names), sum(bool(terms.live_lines(contract, name)) for name in names))

    def draw(self, entitlement: Entitlement, client_token: str) -> NoReturn:  # noqa: ARG002 - nothing is drawn
        """Refuse: AWS counts no draws of a contract."""
        raise ServiceFault(
            FaultKind.INVALID,
            "AWS does not count what is drawn of a contract. Use meters_usage, and report it with "
            "meterguard.marketplace.Sink",
            service=TITLE,
        )

    def borrow(
        self,
        entitlements: tuple[Entitlement, ...],  # noqa: ARG002 - nothing is lent
        license_arn: str | None,  # noqa: ARG002
        client_token: str,  # noqa: ARG002
        metadata: Mapping[str, str],  # noqa: ARG002
    ) -> NoReturn:
        """Refuse: a contract lends nothing."""
        raise ServiceFault(FaultKind.INVALID, "a contract lends nothing", service=TITLE)

    def proof(self, signed_token: str) -> Proof | None:  # noqa: ARG002 - nothing is signed
        """Return nothing."""
        return None

    def unproved(self, signed_token: str) -> SignedClaims | None:  # noqa: ARG002 - nothing is signed
        """Return nothing."""
        return None

    def origins(self) -> list[Origin]:
        """Return where what the client follows comes from. Asks nothing of AWS."""
        return self._source.origins()

    def forget(self) -> None:
        """Forget the parent's clients and connections, in a forked child."""
        self._source.forget()
        self._store.forget()

    # -- inside ----------------------------------------------------------------------------------

    def _asked(self, asked: Requirement, *, parting: bool = False) -> Contract:
        """Return the contract where it covers this, as far as others leave units free."""
        for one in asked:
            if not terms.is_countable(one):
                raise ServiceFault(FaultKind.INVALID, f"a contract names no units, so leave out {one.unit.value!r}")
        contract = self._source.contract([one.name for one in asked], parting=parting)
        why = next(filter(None, (terms.lack(contract, one) for one in asked)), None)
        if why is not None:
            raise ServiceFault(FaultKind.DENIED, why)
        return contract

    def _hold(self, contract: Contract, name: str, asked: Requirement, ends_at: datetime, *, is_new: bool) -> None:
        """Write units down under a name; a denial where others hold too many."""
        wanted, now = books.counted(asked), contract.served_at.timestamp()
        if not wanted:
            return
        bought = {one: terms.units(contract, one) or 0 for one in wanted}
        held = books.Held(ends_at.timestamp() + MARGIN, wanted)

        def change(book: dict[str, books.Held]) -> dict[str, books.Held]:
            book = books.live(book, now)
            if name not in book and not is_new:
                raise _unknown_token()
            short = books.shortfall(book, name, wanted, bought)
            if short is not None:
                lacking, free = short
                raise ServiceFault(
                    FaultKind.DENIED,
                    f"the customer's contract has {bought[lacking]} of {lacking}, of which {free} are free now",
                )
            return books.taken(book, name, held)

        self._change(self._place, change, PATIENCE)

    def _change(self, place: str, change: Change, patience: float) -> None:
        """Change a book, however many others change it."""
        until, seen = stopwatch() + patience, self._seen(place)
        while True:
            book = _book(seen, self._store)
            changed = change(book)
            if changed == book:
                return
            row = Row(uuid4().hex[:16], books.to_text(changed)) if changed else None
            version = "" if seen.row is None else seen.row.version
            try:
                written = self._store.replace(place, version, row, 2 * LEASE)
            except StoreFault as fault:
                raise _store_fault(fault) from None
            if written.is_won:
                return
            seen = written.seen
            if stopwatch() >= until:
                raise ServiceFault(FaultKind.UNKNOWN, "too many processes count units of it at once")
            time.sleep(random.random() * 0.01)

    def _seen(self, place: str) -> Seen:
        try:
            return self._store.read(place)
        except StoreFault as fault:
            raise _store_fault(fault) from None


@contextmanager
def _told() -> Iterator[None]:
    """Have faults say whom they are about."""
    try:
        yield
    except ServiceFault as fault:
        fault.service = TITLE
        raise


def _store_fault(fault: StoreFault) -> ServiceFault:
    return ServiceFault(FaultKind.UNKNOWN, f"its units are counted in a store, and {fault}", may_have_acted=True)


def _unknown_token() -> ServiceFault:
    return ServiceFault(FaultKind.NOT_FOUND, "its units have lapsed, or somebody gave them back")


def _book(seen: Seen, store: SharedStore) -> dict[str, books.Held]:
    try:
        return {} if seen.row is None else books.from_text(seen.row.body)
    except ValueError:
        raise ConfigurationError(
            f"the row that counts units of a contract in the lease store ({store.describe()}) cannot be read: it is "
            "damaged, or a newer meterguard wrote it"
        ) from None


def _lease_end(contract: Contract, asked: Requirement) -> datetime:
    lease, end = contract.served_at + timedelta(seconds=LEASE), terms.end(contract, asked)
    return lease if end is None else min(lease, end)


def _token(client_token: str, place: str, asked: Requirement) -> Secret:
    return Secret(f"{client_token} {place} {(keys.encoded(asked) or b'').decode('ascii')}")


def _read(token: str) -> tuple[str, str, Requirement]:
    """Return the parts of a token: its name in the book, the row of the book, and what it was given for."""
    try:
        client_token, place, key = token.split(" ", 2)
        return _name(client_token), place, keys.decoded(key.encode("ascii")).requirement
    except (ValueError, TypeError, IndexError, AttributeError):
        raise _unknown_token() from None


def _name(client_token: str) -> str:
    """Return the name of an entry, which whoever reads the store cannot make a token of."""
    return hashlib.sha256(client_token.encode()).hexdigest()[:32]
