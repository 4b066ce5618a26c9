"""Snapshots of a shared store: who holds which lease, read from its rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from json import dumps
from math import floor

from .core import keys
from .core.shared import line, states
from .core.shared.moments import Here
from .core.shared.row import SharedLease
from .errors import EntitlementUnavailable
from .model import Entitlement
from .rows import SharedStore, StoreFault
from .runtime import owners
from .runtime.clock import SystemClock
from .runtime.execution import LINE, is_of_lease, lease_in

STATES: tuple[str, ...] = tuple(state.value for state in states.State)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that rides on a lease."""

    host: str
    pid: int | None
    """As the process itself knows it; in a container that is another number than outside."""
    since: datetime
    is_gone: bool = False
    """True where it surely has ended."""


@dataclass(frozen=True, slots=True)
class SharedLeaseStatus:
    """A lease as its store knows it."""

    entitlements: tuple[Entitlement, ...]
    per: str | None
    state: str
    """One of ``STATES``."""
    expires_in: int | None
    """Seconds after which the licence has it back by itself; None where nothing is known to be out."""
    holders: tuple[Holder, ...]
    orphaned: bool
    """True where units may be out, and no process is left that sees to them."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All leases of a store at one moment, of all licences."""

    store: str
    """Where the store is, without a secret."""
    leases: tuple[SharedLeaseStatus, ...]
    waiting: int
    """The calls that wait for a seat."""


def open_store(url: str) -> SharedStore:
    """Return the store at this URL. Makes no file.

    :raises ConfigurationError: there is no such store, or no other process could read it.
    """
    from . import assembly

    return assembly.existing_store(url)


@contextmanager
def opened(store: str | SharedStore) -> Iterator[SharedStore]:
    """Give a store, and close it in the end where it was named by its URL. A fault of it is an unknown.

    :raises EntitlementUnavailable: the store cannot be had now.
    :raises ConfigurationError: somebody has to look after it.
    """
    one = open_store(store) if isinstance(store, str) else store
    try:
        yield one
    except StoreFault as fault:
        raise EntitlementUnavailable(str(fault)) from None
    finally:
        if one is not store:
            one.close()


def read(store: str | SharedStore) -> Snapshot:
    """Return what the processes of a store hold.

    :param store: its URL, or the store itself.
    :raises EntitlementUnavailable: the store cannot be read now.
    :raises ConfigurationError: there is no such store, or somebody has to look after it.
    """
    with opened(store) as one:
        # no token is shown, so none is unsealed
        rows = [lease_in(row, one, str) for place, row in one.rows("") if is_of_lease(place)]
        seen = one.read("now")
        here = Here(owners.machine()[0], SystemClock().now(), seen.now, seen.epoch, one.is_fleet)
        leases = sorted((_status(row, here, is_fleet=one.is_fleet) for row in rows), key=_order)
        return Snapshot(one.describe(), tuple(leases), _waiting(one))


def _status(row: SharedLease, here: Here, *, is_fleet: bool) -> SharedLeaseStatus:
    def is_alive(owner: str) -> bool:
        return owners.may_live(owner, is_fleet=is_fleet)

    wanted, row = keys.decoded(row.key.encode("ascii")), states.remaining(row, here)
    left = states.expires_in(row, here)
    return SharedLeaseStatus(
        wanted.requirement,
        _text(wanted.per[0]) if wanted.per else None,
        states.state_of(row, here, is_alive).value,
        None if left is None else floor(left),
        tuple(
            Holder(one.host, owners.pid_of(one.owner), _moment(one.since), not is_alive(one.owner))
            for one in row.holders
        ),
        states.is_left_behind(row, here, is_alive),
    )


def _waiting(store: SharedStore) -> int:
    """Return how many calls wait for a seat."""
    lines = [row for place, row in store.rows("") if place.endswith(f"/{LINE}")]
    return sum(line.waiting(line.from_text(row.body)) for row in lines)


def _order(one: SharedLeaseStatus) -> tuple[list[tuple[str, str]], str]:
    return [(entitlement.name, str(entitlement.value)) for entitlement in one.entitlements], one.per or ""


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(floor(seconds), UTC)


def _text(value: object) -> str:
    """Return a value of ``per`` as people read it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:  # of a kind that JSON does not have
        (value,) = value.values()
        return str(value)
    return dumps(value, ensure_ascii=False)
