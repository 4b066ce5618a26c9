"""The guard: one product's licence, and everything held of it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from . import config
from .borrowing import BorrowingGuard
from .core.requirements import Question, entitlement, together
from .errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from .gating.admission import Admission, refusal
from .gating.declaration import GateOptions, Number, Value, declare
from .gating.gate import DegradingGate, Gate, Work
from .gating.loops import require_asyncio
from .interruption import passing
from .model import shortened
from .options import GuardOptions, described, signature
from .runtime import forking
from .runtime.window import Window
from .units import Unit

if TYPE_CHECKING:
    from .decision import Decision
    from .events import Event
    from .lease import Lease
    from .ports import Ledger
    from .runtime.engine import Engine
    from .runtime.publisher import Publisher
    from .runtime.till import Till

D = TypeVar("D")


class MeterGuard(BorrowingGuard):
    """Holds the leases of one product and answers for them.

    Every argument may be left out; None means the same, and leaves the default in place. What is missing is looked up
    in the environment when the guard is first used (``METERGUARD_PRODUCT_SKU`` and so on), and only then is anything
    imported, opened or asked. :mod:`meterguard.options` says what each means.

    :raises ConfigurationError: an argument is wrong; the message names it.
    """

    def __init__(
        self, product_sku: str | None = None, key_fingerprint: str | None = None, **options: Unpack[GuardOptions]
    ) -> None:
        given = config.Hidden(options, product_sku=product_sku, key_fingerprint=key_fingerprint)
        del product_sku, key_fingerprint, options  # debug pages show the variables of this frame
        self._arguments = config.check(given)
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._publisher: Publisher | None = None
        self.ledger_in_use: Ledger | None = None
        self.till_in_use: Till | None = None
        self._is_closed = False
        forking.enlist(self)

    # -- guarding --------------------------------------------------------------------------------

    @overload
    def requires_entitlement(
        self,
        name: str,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        fallback: Callable[..., Work[D]],
        **options: Unpack[GateOptions],
    ) -> DegradingGate[Work[D], D]: ...
    @overload
    def requires_entitlement(
        self,
        name: str,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        fallback: Callable[..., D],
        **options: Unpack[GateOptions],
    ) -> DegradingGate[D, D]: ...
    @overload
    def requires_entitlement(
        self,
        name: str,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        default: D,
        **options: Unpack[GateOptions],
    ) -> DegradingGate[D, D]: ...
    @overload
    def requires_entitlement(
        self, name: str, value: Value = None, unit: Unit | str | None = None, **options: Unpack[GateOptions]
    ) -> Gate: ...
    def requires_entitlement(
        self, name: object, value: object = None, unit: object = None, **options: object
    ) -> object:
        """Return a gate of this guard; see :func:`meterguard.requires_entitlement`, whose options it takes."""
        return declare(self, name, value, unit, **options)

    def has_entitlement(self, name: str, value: Number = None, unit: Unit | str | None = None) -> bool:
        """Return True when a gate for this would let a call through. Leaves no unit taken.

        :raises ConfigurationError: the question or the set-up is wrong.
        """
        return self.decide(name, value, unit).allowed

    async def ahas_entitlement(self, name: str, value: Number = None, unit: Unit | str | None = None) -> bool:
        """:meth:`has_entitlement` without blocking the loop."""
        return (await self.adecide(name, value, unit)).allowed

    def decide(self, name: str, value: Number = None, unit: Unit | str | None = None) -> Decision:
        """Return the answer of :meth:`has_entitlement`, with the reason for it."""
        ask = Question((together([entitlement(name, value, unit)]),), proves=False)
        try:
            admission = self.admit(ask, probing=True)
        except (EntitlementDenied, EntitlementUnavailable) as no:
            return refusal(no)
        decision = admission.decision()
        admission.release(probing=True)
        return decision

    async def adecide(self, name: str, value: Number = None, unit: Unit | str | None = None) -> Decision:
        """:meth:`decide` without blocking the loop."""
        ask = Question((together([entitlement(name, value, unit)]),), proves=False)
        try:
            admission = await self.aadmit(ask, probing=True)
        except (EntitlementDenied, EntitlementUnavailable) as no:
            return refusal(no)
        decision = admission.decision()
        await admission.arelease(probing=True)
        return decision

    def admit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """Let a call through, or raise why not. Gates call this: to guard code, enter a gate."""
        engine = self.engine
        entry = _drivers().blocking(engine.seek(question, window, probing=probing))
        return Admission(engine, entry, single=question.single)

    async def aadmit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """:meth:`admit` without blocking the loop."""
        require_asyncio()
        engine = self.engine
        entry = await _drivers().awaiting(engine.seek(question, window, probing=probing))
        return Admission(engine, entry, single=question.single)

    # -- life ------------------------------------------------------------------------------------

    def leases(self) -> list[Lease]:
        """Return the leases that are held now."""
        engine = self._engine
        return [] if engine is None else [lease for lease in engine.registry.leases() if lease.is_live]

    def check_settings(self) -> None:
        """Check that the arguments and the environment say all that a guard needs. Asks nobody.

        :raises ConfigurationError: something is missing or wrong.
        """
        config.settle(self._arguments)

    @property
    def shares_leases(self) -> bool:
        """True where other processes ride on the same leases, by the store.

        :raises ConfigurationError: the set-up is incomplete.
        """
        return config.settle(self._arguments).store != "memory://"

    def prewarm(self) -> None:
        """Import boto3 and make the client in the background, so that the first call need not. Takes no unit.

        Over a shared store, what dead processes left goes back from now on.

        :raises ConfigurationError: the set-up is incomplete.
        """
        passing(self.engine.warm)

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Have ``callback`` called with each :mod:`event <meterguard.events>`, in the thread where it happens.

        Returns a function that ends the subscription.

        :raises ConfigurationError: ``callback`` cannot be called.
        """
        if not callable(callback):
            raise ConfigurationError(f"callback must be callable with an event; got {shortened(callback)}")
        return self._announced().subscribe(callback)

    def close(self) -> None:
        """Give everything back, within two seconds. A call after it is a ConfigurationError.

        Closing again gives back what the service did not take the first time.
        """
        with self._lock:
            self._is_closed = True
            engine = self._engine
        if engine is not None:
            from .runtime import shutdown

            if passing(shutdown.close, engine.registry):
                shutdown.strike_off(id(engine))  # else the end of the process tries once more

    @property
    def is_closed(self) -> bool:
        """True once it was closed, until it is reopened."""
        return self._is_closed

    def reopen(self) -> None:
        """Make a closed guard usable anew, for an application that is started again after it was shut down."""
        with self._lock:
            if self._is_closed:
                self._is_closed, self._engine, self.till_in_use = False, None, None

    def resume(self, told: MeterGuard) -> None:
        """Close, and begin anew with the arguments of another guard, for settings that change. Subscribers stay.

        Do nothing where the arguments are the same and the guard is open.
        """
        if told._arguments == self._arguments and not self._is_closed:
            return
        self.close()
        with self._lock:
            self._arguments, self.ledger_in_use = told._arguments, None
        self.reopen()

    async def aclose(self) -> None:
        """:meth:`close` without blocking the loop."""
        require_asyncio()
        import asyncio

        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        if "_is_closed" not in vars(self):
            return "<MeterGuard that was not made>"
        product = self._arguments["product_sku"] or "of the environment"
        return f"<MeterGuard {product}{' (closed)' if self._is_closed else ''}>"

    # -- inside ----------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine of this process, made on first use.

        :raises ConfigurationError: the set-up is incomplete, or the guard is closed.
        """
        engine = self._engine
        if engine is not None and engine.is_of_this_process() and not self._is_closed:
            return engine
        with forking.importing():
            from . import assembly
            from .core import messages

            with self._lock:
                if self._is_closed:
                    raise messages.closed()
                if self._engine is None or not self._engine.is_of_this_process():
                    self._engine = assembly.engine(config.settle(self._arguments), self._announced())
                return self._engine

    @property
    def till(self) -> Till:
        """The till of this process, made on first use.

        :raises ConfigurationError: the set-up is incomplete, or the guard is closed.
        """
        till, engine = self.till_in_use, self.engine
        if till is not None and till.engine is engine:
            return till
        with forking.importing():
            from . import assembly

            with self._lock:
                if self.till_in_use is None or self.till_in_use.engine is not engine:
                    settings = config.settle(self._arguments)
                    self.ledger_in_use = self.ledger_in_use or assembly.ledger(settings.ledger)
                    self.till_in_use = assembly.till(engine, self.ledger_in_use, settings)
                return self.till_in_use

    @property
    def settings(self) -> config.Settings:
        """The settings that count now.

        :raises ConfigurationError: something is missing or wrong, or the guard is closed.
        """
        if self._is_closed:
            from .core import messages

            raise messages.closed()
        return config.settle(self._arguments)

    @property
    def engine_in_use(self) -> Engine | None:
        """The engine, None before first use."""
        return self._engine

    @property
    def scope(self) -> str:
        """The scope of this licence in a ledger.

        :raises ConfigurationError: the set-up is incomplete.
        """
        return config.settle(self._arguments).scope

    def empty_windows(self) -> None:
        """Have each gate look again before its next call."""
        for record in () if self._engine is None else self._engine.registry.all_records():
            record.empty_windows()

    def _announced(self) -> Publisher:
        with forking.importing(), self._lock:
            if self._publisher is None:
                from .runtime.publisher import Publisher

                self._publisher = Publisher()
            return self._publisher

    def forget(self) -> None:
        """Forget what is held, in a forked child: it belongs to the parent."""
        self._lock = threading.RLock()
        if self._publisher is not None:
            self._publisher.forget()
        self._engine = self.till_in_use = self.ledger_in_use = None


def _drivers() -> Any:
    from .runtime import drivers

    return drivers


MeterGuard.__init__.__dict__["__signature__"] = signature()
MeterGuard.__doc__ = f"{inspect.cleandoc(MeterGuard.__doc__ or '')}\n{described('')}"
