"""The part of a guard that takes licences along for machines without a network, and gives them back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .core.requirements import Requirement, entitlement, together
from .errors import ConfigurationError
from .gating.loops import require_asyncio
from .interruption import passing
from .metering import MeteringGuard

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from .config import Settings
    from .gating.declaration import Number
    from .lease import Lease
    from .model import Entitlement
    from .runtime.borrowing import Borrowing
    from .runtime.engine import Engine
    from .units import Unit


class BorrowingGuard(MeteringGuard):
    """Borrows licences of one product. :class:`meterguard.MeterGuard` is one."""

    _borrows: tuple[Engine, Borrowing] | None = None

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The engine of this process, made on first use."""

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """The settings that count now."""

    def borrow(
        self,
        name: str,
        value: Number = None,
        unit: Unit | str | None = None,
        *,
        path: str | PathLike[str] | None = None,
        license_arn: str | None = None,
    ) -> Lease:
        """Borrow an entitlement for a machine that goes offline (``CheckoutBorrowLicense``), and write it to a file.

        Its signature is verified first, with ``trusted_keys``. A guard with ``borrowed=`` answers from the file. How
        long it lasts says the licence; it stays borrowed when the guard is closed.

        :param path: the file. None: the one that ``borrowed=`` names, else one in this user's state directory.
        :param license_arn: the licence. None: the only one that the product has here, as ``ListReceivedLicenses`` says.
        :raises ConfigurationError: an argument is wrong, there are no ``trusted_keys``, or the file cannot be written.
        :raises EntitlementDenied: the service does not lend it, or its answer is not believed.
        :raises EntitlementUnavailable: the service could not be asked.
        """
        return self.borrow_all([entitlement(name, value, unit)], path=path, license_arn=license_arn)

    async def aborrow(
        self,
        name: str,
        value: Number = None,
        unit: Unit | str | None = None,
        *,
        path: str | PathLike[str] | None = None,
        license_arn: str | None = None,
    ) -> Lease:
        """:meth:`borrow` without blocking the loop."""
        require_asyncio()
        import asyncio

        asked = [entitlement(name, value, unit)]
        return await asyncio.to_thread(self.borrow_all, asked, path=path, license_arn=license_arn)

    def borrow_all(
        self, asked: Iterable[Entitlement], *, path: str | PathLike[str] | None = None, license_arn: str | None = None
    ) -> Lease:
        """:meth:`borrow` for several entitlements at once: all of them, or none."""
        settings = self.settings
        if settings.trusted_keys is None:
            raise ConfigurationError(
                "borrowing needs trusted_keys=: a licence whose signature nobody can verify opens nothing offline"
            )

        def borrow() -> Lease:
            from . import assembly

            file = assembly.borrowed_file(settings, _path(settings, path))
            return self._borrowing().borrow(file, together(list(asked)), license_arn)

        return passing(borrow)

    def return_borrowed(self, path: str | PathLike[str] | None = None) -> None:
        """Return all that is borrowed in a file, where the licence allows that before its end.

        What could not be returned stays in the file, and can still be used.

        :param path: the file, as for :meth:`borrow`.
        :raises ConfigurationError: nothing is borrowed, or the file cannot be read or written.
        :raises EntitlementDenied: the service does not take it back before its end.
        :raises EntitlementUnavailable: the service could not be asked.
        """
        settings = self.settings

        def give_back() -> None:
            from . import assembly

            file, engine = assembly.borrowed_file(settings, _path(settings, path)), self.engine
            try:
                self._borrowing().give_back(file)
            finally:
                engine.registry.give_back_borrowed()

        passing(give_back)

    def _borrowing(self) -> Borrowing:
        """Return what borrows for the engine in use: it knows of the borrows that got no answer."""
        from . import assembly

        engine = self.engine
        if self._borrows is None or self._borrows[0] is not engine:
            self._borrows = engine, assembly.borrowing(engine, self.settings)
        return self._borrows[1]


def file_of(settings: Settings, path: Path | None) -> str:
    """Return the path of the file that licences are borrowed into."""
    from . import assembly

    return assembly.borrowed_file(settings, _path(settings, path)).describe()


def lent(guard: BorrowingGuard, asked: Iterable[Entitlement]) -> tuple[Entitlement, ...]:
    """Return those of them that the borrowed licences of a guard cover now, each by itself. Asks nobody.

    :raises UntrustedLease: something in the file does not agree, or the clock was set back.
    """
    from . import assembly

    return assembly.lent(guard.engine, asked) if guard.settings.borrowed else ()


def give_back_by_hand(path: Path | None) -> tuple[str, list[Requirement]]:
    """Return all that is borrowed in a file, with the settings of the environment.

    :param path: None: the file of the product in this user's state directory.
    :returns: the path, and what was returned.
    :raises ConfigurationError: nothing is borrowed, or no product is named and no path.
    :raises EntitlementDenied: the service does not take it back before its end.
    :raises EntitlementUnavailable: the service could not be asked.
    """
    from . import assembly, config

    settings = config.settle_without_product()
    if path is None and not settings.product_sku:
        raise ConfigurationError("no file and no product is named: pass --path, or set METERGUARD_PRODUCT_SKU")
    file = assembly.borrowed_file(settings, path)
    return file.describe(), assembly.returning(settings).give_back(file)


def _path(settings: Settings, path: str | PathLike[str] | None) -> Path | None:
    from pathlib import Path

    if path is not None:
        return Path(path)
    return settings.borrowed if isinstance(settings.borrowed, Path) else None
