"""Optional packages, and the extra that each comes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingExtra


@contextmanager
def needed(package: str, extra: str, *, by: str) -> Iterator[None]:
    """Raise MissingExtra, which names the extra, for a missing package. A module missing inside it raises as it is."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in (package, package.partition(".")[0]):
            raise
        raise MissingExtra(by, extra) from None
