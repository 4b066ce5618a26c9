"""Optional packages, and the extra that each comes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingExtra


@contextmanager
def needed(package: str, extra: str, *, by: str) -> Iterator[None]:
    """Say which extra brings a package that is missing. What is missing inside that package is not ours to explain."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in (package, package.partition(".")[0]):
            raise
        raise MissingExtra(by, extra) from None
