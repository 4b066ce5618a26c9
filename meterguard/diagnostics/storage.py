"""Ledger and store: whether they can be had, how safe they are, and what their clocks say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from ..config import Settings, variable
from ..errors import ConfigurationError
from ..guard import MeterGuard
from ..ports import Ledger, LedgerFault
from ..rows import Row, SharedStore, StoreFault
from .findings import Finding

MEMORY = "memory://"
CLOCKS_DIFFER = 2.0  # seconds from which on the clocks of a store and of its hosts are wrong


def ledger(guard: MeterGuard, settings: Settings) -> Iterator[Finding]:
    """Check the ledger, and tell what may be used on credit."""
    from .. import assembly

    try:
        kept = guard.ledger_in_use or assembly.ledger(settings.ledger)
    except ConfigurationError as problem:
        yield Finding("ledger", "failed", str(problem))
        return
    advice = f" ({_named(settings, 'ledger')}=sqlite:///... or redis://...)" if settings.ledger == MEMORY else ""
    yield _books(kept, advice)
    if kept is not guard.ledger_in_use:
        kept.close()
    if settings.overdraft:
        told = ", ".join(f"{units} of {name}" for name, units in sorted(settings.overdraft.items()))
        whose = "all processes of the ledger together" if kept.is_shared else "each process"
        yield Finding("overdraft", "ok", f"while the service cannot be asked {whose} may use on credit {told}")


def _books(ledger: Ledger, advice: str) -> Finding:
    try:
        return Finding("ledger", "ok", ledger.describe() + advice)
    except ConfigurationError as problem:
        return Finding("ledger", "failed", str(problem))
    except LedgerFault as problem:
        return Finding("ledger", "failed", f"it cannot be had now: {problem}")


def store(settings: Settings) -> Iterator[Finding]:
    """Check the store of leases."""
    from .. import assembly

    try:
        shared = assembly.shared_store(settings.store, trust_env=settings.trust_env)
    except ConfigurationError as problem:
        yield Finding("store", "failed", str(problem))
        return
    if shared is None:
        advice = f"unless they are given a store to share ({_named(settings, 'store')}=sqlite:///... or redis://...)"
        each = "takes a seat of its own" if settings.customer is None else "counts a contract's seats for itself"
        told = f"leases are in the memory of this process: each process {each}, {advice}"
        yield Finding("store", "ok", told)
        return
    try:
        yield from _shared(shared, assembly.file_to_make(settings.store))
        if shared.is_fleet or settings.store_key is not None:
            yield _sealing(settings)
    finally:
        if shared is not settings.store:
            shared.close()


def _shared(store: SharedStore, to_make: Path | None) -> Iterator[Finding]:
    try:
        told, skew = _tried(store, to_make)
        yield Finding("store", "ok", told)
    except ConfigurationError as problem:
        yield Finding("store", "failed", str(problem))
    except StoreFault as problem:
        yield Finding("store", "failed", f"it cannot be read and written now: {problem}")
    else:
        if skew is not None:
            yield _clock(skew)


def _tried(store: SharedStore, to_make: Path | None) -> tuple[str, float | None]:
    """Return what a store is, and how far its clock is ahead. Raises where it cannot be written.

    The clock of a file that is still to be made is None.
    """
    told = store.describe()
    if to_make is None:
        return f"{told}; it can be written", _skew(store)
    if not os.access(to_make.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(f"the file {to_make} cannot be made: this user may not write its directory")
    return told, None


def _skew(store: SharedStore) -> float:
    """Write a row and take it away. Returns the seconds by which the store's clock surely is ahead; below 0: behind."""
    place, row = f"doctor/{uuid4().hex}", Row(uuid4().hex[:16], "{}")
    store.replace(place, "", row, 60)
    begin = time.time()
    now = store.replace(place, row.version, None, 0).seen.now
    return max(now - time.time(), 0.0) or min(now - begin, 0.0)


def _clock(skew: float) -> Finding:
    if abs(skew) <= CLOCKS_DIFFER:
        return Finding("clock", "ok", "the clock of the store and the one of this host agree")
    side = "ahead of" if skew > 0 else "behind"
    return Finding(
        "clock",
        "failed",
        f"the clock of the store is {abs(skew):.0f} s {side} the one of this host",
        "let a time server (NTP) set both",
    )


def _sealing(settings: Settings) -> Finding:
    name, key = variable("store_key"), settings.store_key
    if key is None:
        reason = f"{name} is not set" if settings.trust_env else f"{name} is not followed (trust_env=False)"
        return Finding("sealing", "ok", f"{reason}: who may read the store can read the tokens in it")
    from .. import assembly

    try:
        assembly.seal(key)
    except ConfigurationError as problem:
        return Finding("sealing", "failed", str(problem))
    return Finding("sealing", "ok", f"{name} is set")


def _named(settings: Settings, option: str) -> str:
    """Return the name by which an option can be set: that of its variable, unless none is followed."""
    return variable(option) if settings.trust_env else option
