"""Findings, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    result: Literal["ok", "failed", "unknown", "skipped"]
    """``"unknown"``: this process is not allowed to find out. Gates need fewer IAM actions than checks."""
    detail: str
    fix: str | None = None
    """What to do; None where nothing has to be done, or the detail says it."""
