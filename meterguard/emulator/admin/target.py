"""The part of an emulator that tests see and steer from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Unpack

from ..faults.fault import Fault
from ..faults.options import FaultOptions
from ..faults.queue import Faults
from ..state.clock import Clock
from ..state.licenses import Checkout, License
from .journal import Request

__all__ = ("Target",)


class Target(Protocol):
    """The attributes and methods of an `Emulator` that actions and seeds use."""

    account_id: str
    region: str
    clock: Clock
    faults: Faults

    @property
    def url(self) -> str:
        """Return the address that it serves on."""
        ...

    @property
    def public_key_pem(self) -> str:
        """Return the key that verifies its signed tokens."""
        ...

    @property
    def requests(self) -> list[Request]:
        """Return the requests that it remembers."""
        ...

    @property
    def add_license(self) -> Callable[..., License]:
        """Return the method that issues a licence on the terms that it is given."""
        ...

    def licenses(self) -> Sequence[License]:
        """Return the newest version of every licence."""
        ...

    def usage(self, licence: License | str) -> dict[str, int]:
        """Return the units in use of each counted entitlement."""
        ...

    def checkouts(self) -> list[Checkout]:
        """Return what is held now."""
        ...

    def down(self, **options: Unpack[FaultOptions]) -> AbstractContextManager[Fault]:
        """Begin an outage."""
        ...

    def up(self) -> None:
        """End the outage."""
