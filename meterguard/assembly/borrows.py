"""Assembly of what borrows licences, and of what answers from them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings
from ..model import Entitlement
from ..ports import LicenseService, Moment
from ..runtime import forking
from ..runtime.clock import SystemClock
from ..runtime.engine import Engine
from ..runtime.lessor import Lessor
from ..runtime.publisher import Publisher
from .services import license_service

if TYPE_CHECKING:
    from ..core.borrowed import Borrowed
    from ..runtime.borrowing import Borrowing
    from ..runtime.borrowings import Borrowings
    from ..stores.borrowed_file import BorrowedFile


def with_borrowed(
    inner: Lessor, settings: Settings, service: LicenseService, clock: SystemClock, publisher: Publisher
) -> Lessor:
    """Return a lessor that has what borrowed licences cover from them."""
    if not settings.borrowed:
        return inner
    from ..runtime.borrowed_lessor import BorrowedLessor

    lessor = BorrowedLessor(inner, _borrowings(settings, service, publisher), clock)
    forking.enlist(lessor)
    return lessor


def _borrowings(settings: Settings, service: LicenseService, publisher: Publisher) -> Borrowings:
    from ..core.borrowed import Program
    from ..runtime.borrowings import Borrowings

    file = borrowed_file(settings, settings.borrowed if isinstance(settings.borrowed, Path) else None)
    return Borrowings(file, Program(settings.product_sku, settings.node_id), service, publisher)


def borrowed_licences(settings: Settings) -> tuple[list[Borrowed | str], Moment]:
    """Return the borrowed licences of a guard, or why they are not believed, and the moment that counts. Notes nothing.

    :raises ConfigurationError: a key cannot be read, or a package is missing.
    :raises BorrowedFault: the file cannot be read.
    """
    now = SystemClock().now()
    return _borrowings(settings, license_service(settings), Publisher()).judged(now), now


def renew_borrowed(engine: Engine, settings: Settings) -> None:
    """Have licences that are in use borrowed anew."""
    if not (settings.borrowed and settings.renew_borrowed):
        return
    from ..runtime.borrow_renewal import BorrowRenewal
    from ..runtime.borrowed_lessor import BorrowedLessor

    lessor = engine.registry.exchange.lessor
    if isinstance(lessor, BorrowedLessor):
        borrows = borrowing(engine, settings)
        lessor.on_look = BorrowRenewal(
            borrows, lessor.borrowings.file, engine.clock, engine.registry.returns.submit
        ).look


def lent(engine: Engine, asked: Iterable[Entitlement]) -> tuple[Entitlement, ...]:
    """Return those of them that the borrowed licences of an engine cover now, each by itself. Asks nobody.

    :raises UntrustedLease: something in the file does not agree, or the clock was set back.
    """
    from ..runtime.borrowed_lessor import BorrowedLessor

    lessor, now = engine.registry.exchange.lessor, engine.clock.now()
    if not isinstance(lessor, BorrowedLessor):
        return ()
    return tuple(one for one in asked if lessor.borrowings.covers((one,), now))


def borrowing(engine: Engine, settings: Settings) -> Borrowing:
    """Return what borrows and returns for an engine."""
    from ..core.borrowed import Program
    from ..runtime.borrowing import Borrowing

    exchange = engine.registry.exchange
    program = Program(settings.product_sku, settings.node_id)
    timeout = engine.policy.timeout
    return Borrowing(exchange.service, engine.clock, program, engine.publisher, exchange.leaving, timeout)


def returning(settings: Settings) -> Borrowing:
    """Return what returns borrowed licences, for somebody without an engine."""
    from ..core.borrowed import Program
    from ..runtime.borrowing import Borrowing

    program, publisher = Program(settings.product_sku, settings.node_id), Publisher()
    service, leaving = license_service(settings), threading.Event()
    return Borrowing(service, SystemClock(), program, publisher, leaving, settings.policy.timeout)


def borrowed_file(settings: Settings, path: Path | None) -> BorrowedFile:
    """Return a file of borrowed licences; None: the one of this product in the user's state directory."""
    from ..stores.borrowed_file import BorrowedFile, place_of

    return BorrowedFile(path or place_of(settings.product_sku))
