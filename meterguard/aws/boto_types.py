"""The parts of boto3's objects that are used here: boto3 itself has no types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Events(Protocol):
    """The handlers of a client."""

    def register_first(self, event_name: str, handler: Callable[..., object]) -> None:
        """Call a handler before others."""
        ...


class Meta(Protocol):
    """Facts about a client."""

    region_name: str
    endpoint_url: str
    events: Events


class Client(Protocol):
    """A client of License Manager."""

    meta: Meta

    def close(self) -> None:
        """Close the connections that are idle."""
        ...


class Session(Protocol):
    """A ``boto3.Session``."""

    @property
    def region_name(self) -> str | None:
        """The Region of the session, from its profile or the environment."""
        ...

    def client(self, service_name: str, *, region_name: str, endpoint_url: str | None, config: object) -> Client:
        """Make a client."""
        ...

    def get_partition_for_region(self, region_name: str) -> str:
        """Return the partition of a Region; raises where no partition has it."""
        ...

    def get_available_regions(self, service_name: str, partition_name: str) -> list[str]:
        """Return the Regions of a partition that have this service."""
        ...
