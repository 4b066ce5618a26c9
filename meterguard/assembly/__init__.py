"""Assembly of engines and ledgers: the one place where runtime, service and stores meet. Imported on first use.

A module here puts together; it decides nothing, and asks nobody. What is needed by few is imported by the function
that needs it.
"""

from __future__ import annotations

from ..stores.urls import existing_ledger, existing_store, file_to_make, ledger
from .borrows import borrowed_file, borrowed_licences, borrowing, lent, returning
from .engines import engine
from .orphans import sweep_all
from .services import license_service, refresh_token
from .shared_stores import seal, shared_store
from .tills import report_rounds, reports, till

__all__ = (
    "borrowed_file",
    "borrowed_licences",
    "borrowing",
    "engine",
    "existing_ledger",
    "existing_store",
    "file_to_make",
    "ledger",
    "lent",
    "license_service",
    "refresh_token",
    "report_rounds",
    "reports",
    "returning",
    "seal",
    "shared_store",
    "sweep_all",
    "till",
)
