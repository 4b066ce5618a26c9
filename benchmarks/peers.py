"""Other people's packages, as far as they are installed."""

from __future__ import annotations

import importlib
from typing import Any

absent: list[str] = []
"""The names of those that were wanted and are not installed."""


def find(module: str, package: str | None = None) -> Any:
    """Return the module of a peer; None when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = package or module
        if name not in absent:
            absent.append(name)
        return None
