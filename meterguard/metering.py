"""The part of a guard that counts: draws from a licence, and meters for a bill."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from os import getpid
from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from .gating.admission import Guard
from .gating.loops import require_asyncio

if TYPE_CHECKING:
    from types import ModuleType

    from .core.requirements import Wish
    from .gating.charge import Quantity
    from .gating.consumption import Amount, DrawOptions, MeterOptions, Units
    from .gating.draw import DegradingDraw, Draw, Meter
    from .gating.drawing import Drawing
    from .gating.gate import Work
    from .ledger import LedgerReport
    from .model import Entitlement
    from .runtime.till import Till
    from .units import Unit

D = TypeVar("D")


class MeteringGuard(Guard):
    """Counts what is used of one product. :class:`meterguard.MeterGuard` is one."""

    till_in_use: Till | None = None
    """The till that was used last; None before first use."""

    @property
    @abstractmethod
    def till(self) -> Till:
        """The till of this process, made on first use.

        :raises ConfigurationError: the set-up is incomplete, or the guard is closed.
        """

    @overload
    def consumes_entitlement(
        self,
        name: str,
        value: Units,
        unit: Unit | str = "Count",
        *,
        fallback: Callable[..., Work[D]],
        **options: Unpack[DrawOptions],
    ) -> DegradingDraw[Work[D], D]: ...
    @overload
    def consumes_entitlement(
        self,
        name: str,
        value: Units,
        unit: Unit | str = "Count",
        *,
        fallback: Callable[..., D],
        **options: Unpack[DrawOptions],
    ) -> DegradingDraw[D, D]: ...
    @overload
    def consumes_entitlement(
        self, name: str, value: Units, unit: Unit | str = "Count", *, default: D, **options: Unpack[DrawOptions]
    ) -> DegradingDraw[D, D]: ...
    @overload
    def consumes_entitlement(
        self, name: str, value: Units, unit: Unit | str = "Count", **options: Unpack[DrawOptions]
    ) -> Draw: ...
    def consumes_entitlement(self, name: object, *amount: object, **options: object) -> object:
        """Return a draw of this guard; see :func:`meterguard.consumes_entitlement`, whose options it takes."""
        from .gating.consumption import declare_draw

        return declare_draw(self, name, *amount, **options)

    def meters_usage(
        self, name: str, value: Amount = 1, unit: Unit | str = "Count", **options: Unpack[MeterOptions]
    ) -> Meter:
        """Return a meter of this guard; see :func:`meterguard.meters_usage`, whose options it takes."""
        from .gating.consumption import declare_meter

        return declare_meter(self, name, value, unit, **options)

    @property
    def ledger(self) -> LedgerReport:
        """The balances and usage records of this guard's ledger."""
        from .ledger import LedgerReport

        till = self.till
        return LedgerReport(till.teller.ledger, till.draws.limits.scope, till.postings.settle)

    # -- entering, for draws and meters ----------------------------------------------------------

    def draw(self, wish: Wish, *, charge_on_error: bool) -> Drawing:
        """Reserve units for a call, or raise why there are none. Draws call this: to count code, enter a draw."""
        till = self.till_in_use
        if till is None or till.pid != getpid():
            till = self.till
        drawing: Drawing = (_drawing or _loaded()).draw(till, wish, charge_on_error)
        return drawing

    async def adraw(self, wish: Wish, *, charge_on_error: bool) -> Drawing:
        """:meth:`draw` without blocking the loop."""
        require_asyncio()
        till = self.till_in_use
        if till is None or till.pid != getpid():
            till = self.till
        drawing: Drawing = await (_drawing or _loaded()).adraw(till, wish, charge_on_error)
        return drawing

    def probe(self, wish: Wish) -> None:
        """Raise the error that a draw would raise, as far as it is known. Draws no unit."""
        from .runtime import drivers

        drivers.blocking(self.till.probe(wish))

    async def aprobe(self, wish: Wish) -> None:
        """:meth:`probe` without blocking the loop."""
        from .runtime import drivers

        require_asyncio()
        await drivers.awaiting(self.till.probe(wish))

    def meter(
        self, entitlement: Entitlement, quantity: Quantity, subject: str | None, *, charge_on_error: bool
    ) -> Drawing:
        """Begin a call whose usage is written down."""
        made = (_drawing or _loaded()).meter(self.till, entitlement, quantity, subject, charge_on_error)
        drawing: Drawing = made
        return drawing


_drawing: ModuleType | None = None


def _loaded() -> ModuleType:
    """Return the module that programs without a draw or meter need not import."""
    global _drawing
    from .gating import drawing

    _drawing = drawing
    return drawing
