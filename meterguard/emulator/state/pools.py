"""The pools of units, and the rules by which units are taken and returned.

Pure: the moment comes in as an argument, ids from a source that is passed in; no clock, lock or wire here.
Whoever calls holds the lock. A unit is in exactly one of three places: free, held by a live provisional
checkout or borrow, or spent for good by a perpetual one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import replace

from ..protocol.errors import ServiceError, wrong_value
from .allocation import Ask, can_be_returned, portion, whole
from .catalog import Catalog
from .licenses import Checkout, Entitlement, License, Wanted
from .mappings import MakeTable, plain
from .periods import period_of
from .switches import Behavior

__all__ = ("State",)

# A perpetual checkout has no lifetime; its token is remembered for as long as AWS's own example prints.
_PERPETUAL_SECONDS = 3600

_Units = MutableMapping[tuple[str, str], int]


class State(Catalog):
    """All licences, and all that is checked out of them."""

    def __init__(self, behavior: Behavior, new_token: Callable[[], str], table: MakeTable = plain) -> None:
        super().__init__(behavior, new_token, table)
        self._new_token = new_token
        self._checkouts: MutableMapping[str, Checkout] = table("checkouts")
        self._spent: _Units = table("spent")
        self._periods: MutableMapping[str, int] = table("periods")
        # These follow from the tables.
        self._expiries = sorted((one.expires, one.token) for one in self._checkouts.values())
        self._held: _Units = {}
        for checkout in self._checkouts.values():
            if checkout.kind != "PERPETUAL":
                self._move(checkout, self._held, +1)

    def change(self, arn: str, **changes: object) -> License:
        """Make a new version of a licence. Its checkouts end if behaviour says so."""
        version = super().change(arn, **changes)
        if self.behavior.version_ends_checkouts:
            self._end_held(arn)
        return version

    def reset_usage(self, arn: str, now: float) -> None:
        """Return the spent units of a licence to its pools. Its checkouts stay, unless behaviour ends them."""
        self.lapse(now)
        self._forget_spent(arn)
        if self.behavior.reset_ends_checkouts:
            self._end_held(arn)

    # Checkouts

    def check_out(self, ask: Ask, now: float) -> tuple[Checkout, License]:
        """Take the units that are asked for, or as many of them as can be given."""
        self.lapse(now)
        licence = self.choose(ask, now)
        self._renew(licence, now)
        lifetime = licence.lifetime
        if ask.kind == "PROVISIONAL" and lifetime is None:
            raise ServiceError(self.behavior.not_provisional_error, "The license does not allow provisional checkouts.")
        end = self._end_of(licence, now, _PERPETUAL_SECONDS if lifetime is None else lifetime)
        held = self._held_by_node(licence, ask)
        if held is not None:
            return self._put(replace(held, issued=now, expires=end)), licence
        checkout = Checkout(
            token=self._new_token(),
            arn=licence.arn,
            account=ask.account,
            kind=ask.kind,
            items=portion(licence, ask, self._used(licence), self.behavior),
            issued=now,
            expires=end,
            beneficiary=ask.beneficiary,
            node_id=ask.node_id,
            version=licence.version,
            region=ask.region,
        )
        self._keep(checkout)
        return checkout, licence

    def borrow(
        self,
        licence: License,
        account: str,
        wanted: Sequence[Wanted],
        now: float,
        *,
        node_id: str | None = None,
        region: str | None = None,
    ) -> Checkout:
        """Take all units that are asked for, for the length of a borrow, or none."""
        self.lapse(now)
        if not self.may_use(licence, account):
            raise ServiceError("ResourceNotFoundException", "The license was not found.")
        if not licence.is_usable_at(now):
            raise self.not_usable([licence], now)
        self.require_granted(licence, account, "CheckoutBorrowLicense")
        self._renew(licence, now)
        checkout = Checkout(
            token=self._new_token(),
            arn=licence.arn,
            account=account,
            kind="BORROW",
            items=whole(licence, wanted, self._used(licence), self.behavior),
            issued=now,
            expires=self._end_of(licence, now, licence.borrow_lifetime or 0),
            node_id=node_id,
            version=licence.version,
            region=region,
        )
        self._keep(checkout)
        return checkout

    def extend(
        self, token: str, account: str, now: float, *, dry_run: bool = False, region: str | None = None
    ) -> Checkout:
        """Give a provisional checkout a further lifetime."""
        self.lapse(now)
        checkout = self._find(token, account, region, self.behavior.lost_error)
        if checkout.kind == "BORROW" or (checkout.kind == "PERPETUAL" and checkout.is_counted):
            raise wrong_value("Only a provisional checkout can be extended.")
        licence = self.current(checkout.arn)
        if not licence.is_usable_at(now) or licence.lifetime is None or not self.may_use(licence, checkout.account):
            raise ServiceError(self.behavior.lost_error, "The license is not available.")
        self.require_granted(licence, checkout.account, "ExtendConsumptionLicense")
        extended = self._extended(checkout, licence, licence.lifetime, now)
        if dry_run:
            return extended if self.behavior.dry_run == "as_if" else checkout
        return self._put(extended)

    def check_in(
        self, token: str, account: str, now: float, beneficiary: str | None = None, *, region: str | None = None
    ) -> None:
        """Return a provisional checkout to the pool."""
        self.lapse(now)
        checkout = self._find(token, account, region, self.behavior.check_in_gone_error)
        if beneficiary is not None and beneficiary != checkout.beneficiary:
            raise wrong_value("The beneficiary is not that of the checkout.")
        self.require_granted(self.current(checkout.arn), checkout.account, "CheckInLicense")
        if not self._may_return(checkout):
            raise ServiceError(self.behavior.check_in_refused_error, "The entitlements cannot be checked in.")
        if self.behavior.units_return_after > 0:
            end = min(checkout.expires, now + self.behavior.units_return_after)
            self._put(replace(checkout, expires=end, is_returned=True))
            return
        self._end(checkout)

    def lapse(self, now: float) -> None:
        """Return expired checkouts to the pool."""
        while self._expiries and self._expiries[0][0] <= now:
            expiry, token = heapq.heappop(self._expiries)
            checkout = self._checkouts.get(token)
            # An extension leaves its old expiry in the heap.
            if checkout is None or checkout.expires != expiry:
                continue
            self._end(checkout)

    # Reading

    def checkouts(self, now: float) -> Iterator[Checkout]:
        """Return the checkouts that are held and have not lapsed."""
        self.lapse(now)
        return (one for one in self._checkouts.values() if one.kind != "PERPETUAL" and not one.is_returned)

    def consumed(self, arn: str, name: str) -> int:
        """Return the units in use, held and spent, as of the last lapse."""
        return self._held.get((arn, name), 0) + self._spent.get((arn, name), 0)

    def usage(self, arn: str, now: float) -> list[tuple[Entitlement, int]]:
        """Return the counted entitlements of a licence, each with its units in use."""
        self.lapse(now)
        licence = self.current(arn)
        self._renew(licence, now)
        return [(one, self.consumed(arn, one.name)) for one in licence.entitlements if one.is_counted]

    # Rules

    def _renew(self, licence: License, now: float) -> None:
        period = period_of(licence.renew_type, licence.begin, now)
        if self._periods.setdefault(licence.arn, period) == period:
            return
        self._periods[licence.arn] = period
        if self.behavior.renewal_resets_spent:
            self._forget_spent(licence.arn)

    def _forget_spent(self, arn: str) -> None:
        for key in [key for key in self._spent if key[0] == arn]:
            del self._spent[key]

    def _used(self, licence: License) -> Callable[[str], int]:
        return lambda name: self.consumed(licence.arn, name)

    def _held_by_node(self, licence: License, ask: Ask) -> Checkout | None:
        if not self.behavior.node_keeps_seat or ask.node_id is None or ask.kind != "PROVISIONAL":
            return None
        asked = licence.arn, ask.account, "PROVISIONAL", ask.node_id, {(one.name, one.count) for one in ask.wanted}
        for one in self._checkouts.values():
            items = {(item.name, item.count) for item in one.items}
            if not one.is_returned and (one.arn, one.account, one.kind, one.node_id, items) == asked:
                return one
        return None

    def _extended(self, checkout: Checkout, licence: License, lifetime: float, now: float) -> Checkout:
        start = now if self.behavior.extend_from == "now" else checkout.expires
        end = self._end_of(licence, start, lifetime)
        if self.behavior.extend_cap is not None:
            end = min(end, checkout.issued + self.behavior.extend_cap)
        return replace(checkout, expires=end)

    def _find(self, token: str, account: str, region: str | None, code: str) -> Checkout:
        checkout = self._checkouts.get(token)
        if checkout is None or checkout.is_returned or not self._is_bound(checkout, account, region):
            raise ServiceError(code, "The license consumption token was not found.")
        return checkout

    def _is_bound(self, checkout: Checkout, account: str, region: str | None) -> bool:
        is_theirs = checkout.account == account or not self.behavior.token_bound_to_account
        return is_theirs and (checkout.region == region or not self.behavior.token_bound_to_region)

    def _may_return(self, checkout: Checkout) -> bool:
        licence = self.versions(checkout.arn)[checkout.version - 1]
        if checkout.kind == "BORROW":
            return licence.borrow_early_check_in
        if checkout.kind == "PERPETUAL" and checkout.is_counted:
            return False
        held = (licence.entitlement(item.name) for item in checkout.items)
        return all(can_be_returned(one, self.behavior) for one in held if one is not None and one.is_counted)

    def _end_of(self, licence: License, start: float, lifetime: float) -> float:
        end = licence.end if self.behavior.cut_at_end else None
        return start + lifetime if end is None else min(start + lifetime, end)

    def _keep(self, checkout: Checkout) -> None:
        self._move(checkout, self._spent if checkout.kind == "PERPETUAL" else self._held, +1)
        self._put(checkout)

    def _put(self, checkout: Checkout) -> Checkout:
        self._checkouts[checkout.token] = checkout
        heapq.heappush(self._expiries, (checkout.expires, checkout.token))
        return checkout

    def _end(self, checkout: Checkout) -> None:
        del self._checkouts[checkout.token]
        if checkout.kind != "PERPETUAL":
            self._move(checkout, self._held, -1)

    def _end_held(self, arn: str) -> None:
        for checkout in [one for one in self._checkouts.values() if one.arn == arn and one.kind != "PERPETUAL"]:
            self._end(checkout)

    def _move(self, checkout: Checkout, pool: _Units, sign: int) -> None:
        for item in checkout.items:
            if item.count is not None:
                key = checkout.arn, item.name
                pool[key] = pool.get(key, 0) + sign * item.count
