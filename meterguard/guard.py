"""The guard: one product's licence, and everything held of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from . import arguments, following
from .core.exhaustion import is_exhausted, may_be_exhaustion
from .core.requirements import Ask, entitlement, together
from .decision import Decision
from .declaring import Hold, OnUnknownName, Seat, Value, Wait, requires_entitlement
from .errors import EntitlementDenied, EntitlementUnavailable
from .gates import DegradingGate, Gate, Held
from .lease import Lease
from .reasons import Reason
from .runtime import forking
from .runtime.window import Window
from .units import Unit

if TYPE_CHECKING:
    from .events import Event
    from .runtime.announcing import Announcer
    from .runtime.engine import Engine

D = TypeVar("D")
P = ParamSpec("P")


class MeterGuard:
    """Holds the leases of one product and answers for them.

    Every argument may be left out; what is missing is looked up in the environment when the guard
    is first used (``METERGUARD_PRODUCT_SKU`` and so on), and only then is anything imported,
    opened or asked.

    :param product_sku: the licence's ``ProductSKU``; for AWS Marketplace the product *ID*.
    :param key_fingerprint: the issuer you trust, ``aws:<account>:<issuer>:issuer-fingerprint``; for
        AWS Marketplace always ``aws:294406891311:AWS/Marketplace:issuer-fingerprint``.
    :param beneficiary: needed when this account issued the licence itself (API reference,
        ``CheckoutLicense``); leave it out for licences that were granted or bought.
    :param node_id: sent with each checkout, to tell instances apart.
    :param region_name: as for boto3; default ``AWS_REGION``, then boto3's own settings.
    :param endpoint_url: as for boto3, for an emulator or a private endpoint.
    :param session: a ``boto3.Session`` to make the client from.
    :param client: an object with boto3's methods, used as it is.
    :param store: where leases live; ``memory://`` is this process.
    :param ledger: where draws are counted; ``memory://`` is this process.
    :param on_unknown: what counts when the service cannot be asked: ``"grace"``, ``"deny"`` or ``"allow"``.
    :param grace: seconds after the last good answer for which an unknown still counts as yes.
    :param denial_ttl: seconds for which a no is remembered.
    :param linger: seconds for which an idle lease is kept and renewed before it is given back; None:
        a lease that is not used after its last renewal is left to lapse.
    :param refresh_ahead: the last part of a lease's life in which it is renewed, between 0 and 1.
    :param timeout: seconds for one answer, retries and making the client included.
    :param max_leases: requirements remembered at once; the least recently used gives its lease back.
    :param check_in_on_exit: give everything back when the guard closes or the process ends.
    :raises ConfigurationError: an argument is wrong; the message names it.
    """

    def __init__(
        self,
        product_sku: str | None = None,
        key_fingerprint: str | None = None,
        *,
        beneficiary: str | None = None,
        node_id: str | None = None,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        session: Any = None,
        client: Any = None,
        store: str | None = None,
        ledger: str = "memory://",
        on_unknown: str | None = None,
        grace: arguments.Duration | None = None,
        denial_ttl: arguments.Duration = 5,
        linger: arguments.Duration | None = None,
        refresh_ahead: float = 0.2,
        timeout: arguments.Duration = 10,
        max_leases: int = 10_000,
        check_in_on_exit: bool = True,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        self._arguments = arguments.check(given)
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._announcer: Announcer | None = None
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
        hold: Hold = "shared",
        per: Seat = None,
        wait: Wait = 0,
        fallback: Callable[..., Coroutine[Any, Any, D]],
        on_unknown: OnUnknownName | None = None,
        pass_lease: str | None = None,
    ) -> DegradingGate[Coroutine[Any, Any, D], D]: ...
    @overload
    def requires_entitlement(
        self,
        name: str,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        hold: Hold = "shared",
        per: Seat = None,
        wait: Wait = 0,
        fallback: Callable[..., D],
        on_unknown: OnUnknownName | None = None,
        pass_lease: str | None = None,
    ) -> DegradingGate[D, D]: ...
    @overload
    def requires_entitlement(
        self,
        name: str,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        hold: Hold = "shared",
        per: Seat = None,
        wait: Wait = 0,
        default: D,
        on_unknown: OnUnknownName | None = None,
        pass_lease: str | None = None,
    ) -> DegradingGate[D, D]: ...
    @overload
    def requires_entitlement(
        self,
        name: str,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        hold: Hold = "shared",
        per: Seat = None,
        wait: Wait = 0,
        on_unknown: OnUnknownName | None = None,
        pass_lease: str | None = None,
    ) -> Gate: ...
    def requires_entitlement(self, name: Any, value: Any = None, unit: Any = None, **options: Any) -> Any:
        """A gate of this guard; see :func:`meterguard.requires_entitlement`, whose options it takes."""
        return requires_entitlement(name, value, unit, guard=self, **options)

    def has_entitlement(self, name: str, value: Any = None, unit: Any = None) -> bool:
        """Whether a gate for this would let a call through. Leaves no unit taken.

        :raises ConfigurationError: the question or the set-up is wrong.
        """
        return self.decide(name, value, unit).allowed

    async def ahas_entitlement(self, name: str, value: Any = None, unit: Any = None) -> bool:
        """:meth:`has_entitlement` without blocking the loop."""
        return (await self.adecide(name, value, unit)).allowed

    def decide(self, name: str, value: Any = None, unit: Any = None) -> Decision:
        """The answer of :meth:`has_entitlement`, with the reason for it."""
        ask = Ask((together([entitlement(name, value, unit)]),))
        try:
            held = self._enter(ask, None, probing=True)
        except (EntitlementDenied, EntitlementUnavailable) as no:
            return _refusal(no)
        decision = _approval(held)
        held.release(probing=True)
        return decision

    async def adecide(self, name: str, value: Any = None, unit: Any = None) -> Decision:
        """:meth:`decide` without blocking the loop."""
        ask = Ask((together([entitlement(name, value, unit)]),))
        try:
            held = await self._aenter(ask, None, probing=True)
        except (EntitlementDenied, EntitlementUnavailable) as no:
            return _refusal(no)
        decision = _approval(held)
        await held.arelease(probing=True)
        return decision

    def is_exhausted(self, denied: EntitlementDenied) -> bool:
        """Whether the licence's usage proves that a denial is for want of free units, so that waiting may help.

        Asks ``GetLicenseUsage``, at most once in ``denial_ttl`` seconds; without a lease to know the licence by
        also ``ListReceivedLicenses`` or, with a beneficiary, ``ListLicenses``. False where IAM does not allow that.
        """
        if not may_be_exhaustion(denied):
            return False
        return is_exhausted(denied, _doors().block(self._ready().survey_wait()))

    async def ais_exhausted(self, denied: EntitlementDenied) -> bool:
        """:meth:`is_exhausted` without blocking the loop."""
        if not may_be_exhaustion(denied):
            return False
        return is_exhausted(denied, await _doors().pause(self._ready().survey_wait()))

    # -- life ------------------------------------------------------------------------------------

    def leases(self) -> list[Lease]:
        """What is held now."""
        engine = self._engine
        return [] if engine is None else [lease for lease in engine.fleet.leases() if lease.is_live]

    def prewarm(self) -> None:
        """Import boto3 and make the client in the background, so that the first call need not. Takes no unit.

        :raises ConfigurationError: the set-up is incomplete.
        """
        self._ready().warm()

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Have ``callback`` called with each :mod:`event <meterguard.events>`, in the thread where it happens.

        Returns a function that ends the subscription.
        """
        return self._announced().subscribe(callback)

    def close(self) -> None:
        """Give everything back, within two seconds. Idempotent; a call after it is a ConfigurationError."""
        with self._lock:
            self._is_closed = True
            engine = self._engine
        if engine is not None:
            from .runtime import leaving

            leaving.close(engine.fleet, check_in=engine.policy.check_in_on_exit)
            leaving.strike_off(id(engine))

    def _reopen(self) -> None:
        """For an application that is started again after it was shut down: what was closed is usable anew."""
        with self._lock:
            if self._is_closed:
                self._is_closed, self._engine = False, None

    async def aclose(self) -> None:
        """:meth:`close` without blocking the loop."""
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
        product = self._arguments["product_sku"] or "of the environment"
        return f"<MeterGuard {product}{' (closed)' if self._is_closed else ''}>"

    # -- inside ----------------------------------------------------------------------------------

    def _enter(self, ask: Ask, hot: Window | None, *, probing: bool = False) -> Held:
        engine = self._ready()
        return Held(engine, _doors().blocking(engine.seek(ask, hot, probing=probing)))

    async def _aenter(self, ask: Ask, hot: Window | None, *, probing: bool = False) -> Held:
        engine = self._ready()
        return Held(engine, await _doors().awaiting(engine.seek(ask, hot, probing=probing)))

    def _ready(self) -> Engine:
        engine = self._engine
        if engine is not None and engine.is_of_this_process() and not self._is_closed:
            return engine
        with forking.importing():
            from . import assembly, config
            from .core import messages

            with self._lock:
                if self._is_closed:
                    raise messages.closed()
                if self._engine is None or not self._engine.is_of_this_process():
                    self._engine = assembly.engine(config.settle(self._arguments), self._announced())
                return self._engine

    def _announced(self) -> Announcer:
        with forking.importing(), self._lock:
            if self._announcer is None:
                from .runtime.announcing import Announcer

                self._announcer = Announcer()
            return self._announcer

    def forget(self) -> None:
        """In a forked child: what is held is the parent's."""
        self._lock = threading.RLock()
        if self._announcer is not None:
            self._announcer.forget()
        self._engine = None


def _doors() -> Any:
    from .runtime import doors

    return doors


def _approval(held: Held) -> Decision:
    admission = held.admission
    fault = admission.fault
    detail = f"allowed: {admission.reason.value}" if fault is None else f"allowed without an answer: {fault}"
    return Decision(True, admission.reason, admission.lease, fault is not None, detail, admission.age)


def _refusal(no: EntitlementDenied | EntitlementUnavailable) -> Decision:
    if isinstance(no, EntitlementUnavailable):
        return Decision(False, Reason.UNAVAILABLE, None, True, str(no))
    return Decision(False, no.reason, None, False, str(no))


# -- the default guard -------------------------------------------------------------------------------

_default: MeterGuard | None = None


def _taking_the_arguments_of(
    _: Callable[P, MeterGuard],
) -> Callable[[Callable[..., MeterGuard]], Callable[P, MeterGuard]]:
    """For type checkers."""
    return lambda fn: fn


@_taking_the_arguments_of(MeterGuard)
def configure(*args: Any, **kwargs: Any) -> MeterGuard:
    """Set the guard that module-level functions and undirected gates use; the one it replaces is closed.

    Takes the arguments of :class:`MeterGuard`.
    """
    return install_guard(MeterGuard(*args, **kwargs))


configure.__dict__["__wrapped__"] = MeterGuard  # for help() and inspect


def install_guard(guard: MeterGuard) -> MeterGuard:
    """Make this the default guard; the one it replaces is closed."""
    replaced = exchange_guard(guard)
    if replaced is not None and replaced is not guard:
        replaced.close()
    return guard


def exchange_guard(guard: MeterGuard | None) -> MeterGuard | None:
    """Make this the default guard, None: the one of the environment; returns the one it replaces, which stays open."""
    global _default
    with forking.importing():  # the one lock that a forked child finds free
        replaced, _default = _default, guard
        following.took_over(guard)
    engine = None if replaced is None else replaced._engine
    for slot in () if engine is None else engine.fleet.all_slots():
        slot.empty_windows()  # they belong to gates, which follow the new one
    return replaced


def get_guard() -> MeterGuard:
    """The default guard, built from the environment when nothing was configured."""
    guard = _default
    if guard is None:
        with forking.importing():
            guard = _default or MeterGuard()
            exchange_guard(guard)
    return guard


def has_entitlement(name: str, value: Any = None, unit: Any = None, *, guard: MeterGuard | None = None) -> bool:
    """Whether a gate for this would let a call through. Leaves no unit taken.

    Answers from a lease that is held; else checks out, and checks counted units in at once. False
    when denied; when the service cannot be asked, True within grace and under ``"allow"``.

    :raises ConfigurationError: the question or the set-up is wrong.
    """
    return (guard or get_guard()).has_entitlement(name, value, unit)


async def ahas_entitlement(name: str, value: Any = None, unit: Any = None, *, guard: MeterGuard | None = None) -> bool:
    """:func:`has_entitlement` without blocking the loop."""
    return await (guard or get_guard()).ahas_entitlement(name, value, unit)


def decide(name: str, value: Any = None, unit: Any = None, *, guard: MeterGuard | None = None) -> Decision:
    """The answer of :func:`has_entitlement`, with the reason for it."""
    return (guard or get_guard()).decide(name, value, unit)


async def adecide(name: str, value: Any = None, unit: Any = None, *, guard: MeterGuard | None = None) -> Decision:
    """:func:`decide` without blocking the loop."""
    return await (guard or get_guard()).adecide(name, value, unit)
