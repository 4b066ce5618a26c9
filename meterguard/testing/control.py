"""A licence in the hands of a test."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self, Unpack
from uuid import uuid4

from ..emulator import Behavior, Customer, Emulator, Fault, Request
from ..emulator.faults.options import FaultDetails
from ..errors import ConfigurationError
from ..guard import MeterGuard
from ..lease import Lease
from ..model import Entitlement
from ..options import GuardOptions
from . import books
from .arguments import Granted, require_names, require_units, table_of_names, terms_of
from .clock import Clock

__all__ = ("Control",)

_REGION: Final = "us-east-1"
_PRODUCT: Final = "meterguard-testing"
_MINE, _OTHERS = "guard", "others"
_DAY: Final = 86_400
_SIGNED: Final = ("trusted_keys", "verify_signature", "borrowed")  # options of guards that want signatures
# Asked beside a denial, to find out whether all units are in use: no part of a test's story.
_ABOUT_USAGE: Final = frozenset({"GetLicenseUsage", "ListReceivedLicenses", "ListLicenses"})
# Longer than a guard tries: a failure that lasts is not tried again, and no test has to wait for that.
_LASTING: Final = {"Retry-After": "60"}


class Control:
    """A test's own licence: it sets what is granted, and sees what is held.

    Draws are charged in a ledger of this process, unless the options name another. What is granted can be borrowed for
    a day, and returned before. With ``trusted_keys=``, ``verify_signature=`` or ``borrowed=`` checkouts are signed, and
    the guard trusts the licence's key unless it is given others; ``borrowed=True`` is a file of the test's own.

    :param entitlements: what is granted at the start: a number of units, ``(number, unit)``, True or None for a
        feature, a text for a feature that carries it, False for what is denied.
    :param options: further arguments of the :class:`~meterguard.MeterGuard`. A denial is not remembered
        (``denial_ttl=0``) unless they say so.
    """

    guard_class = MeterGuard

    def __init__(self, entitlements: Mapping[str, Granted] | None = None, **options: Unpack[GuardOptions]) -> None:
        granted = table_of_names("entitlements", entitlements)
        is_signed = any(options.get(name) for name in _SIGNED)
        self.emulator = Emulator(region=_REGION, behavior=Behavior(sign_checkouts=is_signed))
        self.clock = Clock(self.emulator)
        self._granted: dict[str, tuple[str, Any, str]] = {}
        self._spent: Counter[str] = Counter()
        for name, terms in granted.items():
            if terms is not False:
                self._put(name, *terms_of(terms))
        self._licence = self.emulator.add_license(
            _PRODUCT, entitlements=self._entitlements(), borrow_ttl=_DAY, borrow_early_check_in=True
        )
        self._directory = Path(tempfile.gettempdir()) / f"meterguard-{uuid4().hex}"  # made when it is borrowed into
        self.guard = self._make_guard(self._trusting({"denial_ttl": 0, **options}))

    # -- what the licence says -------------------------------------------------------------------

    def grant(self, name: str, value: Granted = None, unit: str | None = None) -> None:
        """Put an entitlement into the licence: so many units, or a feature without a value."""
        terms = (value, unit) if unit is not None else value
        self._put(name, *terms_of(terms))
        self._changed()

    def deny(self, *names: str) -> None:
        """Take entitlements out of the licence. Leases on them end, and units that were drawn ahead are gone."""
        require_names("names", *names)
        for name in names:
            self._granted.pop(name, None)
        self._changed()

    def exhaust(self, *names: str) -> None:
        """Let somebody else use up every unit that is left. Leases of this test's guard are returned first."""
        require_names("names", *names)
        self._changed()
        used = self.emulator.usage(_PRODUCT)
        for name in names:
            _, most, unit = self._granted.get(name, (name, None, "None"))
            if unit == "None":
                raise ConfigurationError(f"{name!r} is no counted entitlement that was granted, so it has no units")
            left = most + self._spent[name] - used[name]
            if left > 0:
                self._spend(name, left, unit)

    def _spend(self, name: str, units: int, unit: str) -> None:
        with self.emulator.faults.paused():
            _client(self.emulator, _OTHERS).checkout_license(
                ProductSKU=_PRODUCT,
                CheckoutType="PERPETUAL",  # which no passing of time gives back
                KeyFingerprint=self._licence.key_fingerprint,
                Entitlements=[{"Name": name, "Value": str(units), "Unit": unit}],
                ClientToken=f"{name}-{self._spent[name]}",
            )
        self._spent[name] += units

    # -- trust, and machines without a network ---------------------------------------------------

    @property
    def public_key_pem(self) -> str:
        """Return the key that verifies what the licence of the test signs. A guard that needs one has it already."""
        return self._licence.public_key_pem

    def borrow(
        self, name: str, value: int | str | None = None, unit: str | None = None, *, path: str | Path | None = None
    ) -> Lease:
        """Borrow what is granted, as somebody did before the machine went offline. It is none of the guard's calls.

        It stays borrowed for a day, whatever is denied later.

        :param path: the file. None: the one of a guard with ``borrowed=``.
        """
        require_names("name", name)
        settings = self.guard.settings
        place = settings.borrowed if path is None else path
        if not isinstance(place, str | Path):
            raise ConfigurationError("path: there is no file to borrow into; give path=, or the guard borrowed=True")
        others = {"client": _client(self.emulator, _OTHERS), "trust_env": False, "node_id": settings.node_id}
        fingerprint = self._licence.key_fingerprint
        with (
            self.emulator.faults.paused(),
            MeterGuard(_PRODUCT, fingerprint, trusted_keys=self.public_key_pem, **others) as lender,
        ):
            return lender.borrow(name, value, unit, path=place)

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Let no request be answered in a ``with`` block, as on a machine without a network.

        Leases that are held and borrowed licences go on until they end. No call waits for the network.
        """
        with self.emulator.faults.active("*", error="ServiceUnavailable", headers=_LASTING):
            yield

    def _trusting(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return options with the licence's key where they need one and name none, and with a file of their own."""
        needs_key = options.get("verify_signature") or options.get("borrowed")
        if needs_key and options.get("trusted_keys") is None:
            options = {**options, "trusted_keys": self.public_key_pem}
        if options.get("borrowed") is True:
            options = {**options, "borrowed": self._directory / "borrowed.jwt"}
        return options

    # -- what the service does -------------------------------------------------------------------

    def fail(self, error: str = "InternalFailure", operation: str = "*", **how: Unpack[FaultDetails]) -> Fault:
        """Let requests fail from now on, with the code of an error of the service.

        A code that means a no, such as ``AccessDeniedException``, is a refusal; others make the answer unknown. Leases
        that are held go on until they end, as in life; :meth:`expire` ends them. No call waits for it to be over: the
        answers say to try again in a minute, unless ``times`` says how many there are.

        :param how: anything else that :meth:`meterguard.emulator.Faults.add` knows, such as ``times``.
        """
        lasting = {"headers": _LASTING} if how.get("times") is None else {}
        options: dict[str, Any] = {"error": error, "times": None, **lasting, **how}
        return self.emulator.faults.add(operation, **options)

    def recover(self) -> None:
        """Let requests succeed again."""
        self.emulator.faults.clear()

    def expire(self) -> None:
        """Let so much time pass that every lease has ended."""
        longest = max((lease.expires_in for lease in self.guard.leases()), default=0.0)
        self.clock.shift(longest + 1)

    # -- what happened ---------------------------------------------------------------------------

    @property
    def calls(self) -> list[str]:
        """Return the operations that the guard asked for, in order."""
        return [request.operation for request in self._requests()]

    def in_use(self, name: str) -> int:
        """Return the units of an entitlement that the guard holds; for a feature, the leases on it."""
        require_names("name", name)
        return sum(
            one.value if isinstance(one.value, int) else 1
            for lease in self.guard.leases()
            for one in lease.entitlements
            if one.name == name
        )

    def assert_checked_out(self, name: str, value: int | None = None) -> None:
        """Fail unless exactly ``value`` units are held now; with None, unless any unit is held."""
        require_units(value)
        found = self.in_use(name)
        if found != value if value is not None else not found:
            wanted = f"{value} of {name}" if value is not None else name
            raise AssertionError(f"{wanted} should be checked out; {self._story()}")

    def assert_all_checked_in(self) -> None:
        """Fail unless nothing is held."""
        if self.guard.leases():
            raise AssertionError(f"everything should be checked in; {self._story()}")

    def charged(self, name: str, *, subject: str | None = None) -> int:
        """Return the units that draws were charged for; with ``subject`` those of one subject."""
        return books.charged(self.guard, subject)[name]

    def metered(self, name: str, *, subject: str | None = None) -> int | Decimal:
        """Return what meters have written down; with ``subject`` what they wrote for one subject."""
        return books.metered(self.guard, subject)[name]

    def billed(self, dimension: str, *, customer: Customer | str | None = None) -> int | Decimal:
        """Return what AWS Marketplace would charge for, of all that was reported to the emulator.

        :param dimension: the name of the dimension in the marketplace.
        :param customer: a customer, an account or the ARN of a licence. None: all.
        """
        require_names("dimension", dimension)
        return books.plain(self.emulator.bill(customer=customer).get(dimension, Decimal(0)))

    def assert_charged(
        self, units: Mapping[str, int] | None = None, /, *, subject: str | None = None, **named: int
    ) -> None:
        """Fail unless draws were charged for exactly this, and for nothing else: ``assert_charged(Pages=3)``.

        :param units: the same, for names that are no Python names, such as ``{"Pages": 3}``.
        :param subject: of this subject alone.
        """
        wanted = {**table_of_names("units", units), **named}
        for value in wanted.values():
            require_units(value)
        found = dict(books.charged(self.guard, subject))
        if found != {name: value for name, value in wanted.items() if value}:
            whose = "" if subject is None else f" to {subject!r}"
            raise AssertionError(
                f"{books.told(wanted)} should be charged{whose}; {books.story(self.guard, subject)}; "
                f"asked of the service: {', '.join(map(_told, self._requests())) or 'nothing'}"
            )

    def leaks(self) -> list[str]:
        """Return the seats of single calls (``hold="call"``) and the units of draws that nobody gave back."""
        engine = self.guard.engine_in_use
        seats = [] if engine is None else list(engine.registry.seats)
        held = sorted(" and ".join(map(str, seat.requirement)) for seat in seats if seat.state.token is not None)
        return held + books.reserved(self.guard)

    def unused(self) -> list[str]:
        """Return the names that are granted and were never asked for, nor borrowed."""
        borrowed = [one for one in tuple(self.emulator.requests) if one.operation == "CheckoutBorrowLicense"]
        requests = [*self._requests(), *borrowed]
        asked = {one["Name"] for request in requests for one in request.parameters.get("Entitlements", ())}
        return sorted(self._granted.keys() - asked)

    def _story(self) -> str:
        held = "; ".join(map(repr, self.guard.leases())) or "nothing"
        return f"held now: {held}; asked of the service: {', '.join(map(_told, self._requests())) or 'nothing'}"

    def _requests(self) -> list[Request]:
        mine = [request for request in tuple(self.emulator.requests) if request.caller.access_key == _MINE]
        return [request for request in mine if request.operation not in _ABOUT_USAGE]

    # -- life ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give everything back, and set the clock to the true time."""
        self.recover()
        self.guard.close()
        self.clock.restore()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------

    def _make_guard(self, options: Mapping[str, Any]) -> MeterGuard:
        client = _client(self.emulator, _MINE)
        try:
            return self.guard_class(_PRODUCT, self._licence.key_fingerprint, client=client, **options)
        except TypeError as error:  # an option that there is not, or one that belongs to the fixture
            raise ConfigurationError(f"options of the guard: {error}") from None

    def _put(self, name: str, value: Any, unit: str) -> None:
        try:
            Entitlement(name, value, unit)
        except ValueError as error:
            raise ConfigurationError(f"what is granted makes no sense: {error}") from None
        self._granted[name] = (name, value, unit)

    def _entitlements(self) -> list[Any]:
        # a licence has at least one entitlement
        terms = self._granted.values()
        return [
            (name, value if unit == "None" else value + self._spent[name], unit) for name, value, unit in terms
        ] or [("meterguard::Nothing", None, "None")]

    def _changed(self) -> None:
        self._restart()
        self._spent.update(books.written_off(self.guard))  # the licence has as many more
        self._licence = self.emulator.update_license(_PRODUCT, entitlements=self._entitlements())

    def _restart(self) -> None:
        """Give back every lease, for it was granted on other terms."""
        with self.emulator.faults.paused():
            self.guard.close()
        self.guard.reopen()


def _client(emulator: Emulator, who: str) -> Any:
    import boto3
    from botocore.config import Config

    # as a guard's own client: what is to be tried again the guard decides
    once = Config(retries={"total_max_attempts": 1}, proxies={})
    session = boto3.Session(aws_access_key_id=who, aws_secret_access_key="opens nothing", region_name=_REGION)  # noqa: S106
    client = session.client("license-manager", endpoint_url="http://127.0.0.1:9", config=once)
    emulator.attach(client)
    return client


def _told(request: Request) -> str:
    """Return one request and its outcome as a text."""
    asked = " and ".join(
        " ".join(one[key] for key in ("Name", "Value") if key in one)
        for one in request.parameters.get("Entitlements", ())
    )
    outcome = request.error or ("dropped" if request.dropped else "")
    return request.operation + (f" of {asked}" if asked else "") + (f" ({outcome})" if outcome else "")
