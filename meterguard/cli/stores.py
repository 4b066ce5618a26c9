"""The store or ledger that a command is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from ..errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from ..ledger import LedgerReport
    from ..rows import SharedStore

T = TypeVar("T")


def opened_store(url: str | None) -> SharedStore:
    """Return the store of leases at this URL, else the one that the environment names."""
    from ..snapshot import open_store

    return _opened("store", url, open_store)


def opened_ledger(url: str | None) -> LedgerReport:
    """Return the ledger at this URL, else the one that the environment names."""
    from ..ledger import open_report

    return _opened("ledger", url, open_report)


def _opened(option: str, url: str | None, make: Callable[[str], T]) -> T:
    from ..config import said

    url = url or said(option)
    if url is None:
        raise click.UsageError(f"no {option} is named: pass --{option} URL, or set METERGUARD_{option.upper()}")
    try:
        return make(url)
    except MissingExtra:
        raise
    except ConfigurationError as problem:
        raise click.BadParameter(str(problem), param_hint=f"'--{option}'") from None
