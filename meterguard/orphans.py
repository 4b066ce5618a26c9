"""Orphans: leases whose processes have died, given back by hand."""

from __future__ import annotations

from dataclasses import dataclass

from . import config, snapshot
from .rows import SharedStore


@dataclass(frozen=True, slots=True)
class Released:
    """The leases of a store, by what became of them."""

    released: int
    kept: int
    """Those that living processes hold, or may hold."""
    failed: int
    reasons: tuple[str, ...] = ()
    """The reasons why some failed, each said once, for people and without a secret."""


def release(store: str | SharedStore) -> Released:
    """Give back what dead processes left in a store, of all licences and contracts.

    Region, endpoint and credentials are those of the environment. Its product, issuer and beneficiary are needed only
    where a checkout of a dead process had no answer. What a living process holds is not touched.

    :param store: its URL, or the store itself.
    :raises EntitlementUnavailable: the store cannot be read now.
    :raises ConfigurationError: there is no such store, somebody has to look after it, or a variable is wrong.
    """
    from . import assembly

    settings = config.settle_without_product()
    with snapshot.opened(store) as one:
        swept = assembly.sweep_all(one, settings)
        return Released(swept.released, swept.kept, swept.failed, swept.reasons)
