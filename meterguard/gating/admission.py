"""Entering as a contract: a guard admits a call, and the call gives back what it holds when it is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar, cast

from ..errors import EntitlementDenied, EntitlementUnavailable
from ..interruption import passing
from ..reasons import Reason

if TYPE_CHECKING:
    from ..core.requirements import Question, Wish
    from ..decision import Decision
    from ..lease import Lease
    from ..model import Entitlement
    from ..runtime.admission import Admission as Entry
    from ..runtime.waits import Wait
    from ..runtime.window import Window
    from .charge import Charge, Charges, Quantity

R = TypeVar("R")
H_co = TypeVar("H_co", covariant=True)


class Guard(ABC):
    """Anything that can be asked to let a call through. :class:`meterguard.MeterGuard` is one."""

    @abstractmethod
    def admit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """Let a call through, or raise why not.

        :param window: opened while calls need not be looked at.
        :param probing: the answer is wanted, and no lease.
        """

    @abstractmethod
    async def aadmit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """:meth:`admit` without blocking the loop."""

    @abstractmethod
    def draw(self, wish: Wish, *, charge_on_error: bool) -> Entered[Charge | Charges]:
        """Reserve units for a call, or raise why there are none."""

    @abstractmethod
    async def adraw(self, wish: Wish, *, charge_on_error: bool) -> Entered[Charge | Charges]:
        """:meth:`draw` without blocking the loop."""

    @abstractmethod
    def probe(self, wish: Wish) -> None:
        """Raise the error that a draw would raise, as far as it is known. Draws no unit."""

    @abstractmethod
    async def aprobe(self, wish: Wish) -> None:
        """:meth:`probe` without blocking the loop."""

    @abstractmethod
    def meter(
        self, entitlement: Entitlement, quantity: Quantity, subject: str | None, *, charge_on_error: bool
    ) -> Entered[Charge | Charges]:
        """Begin a call whose usage is written down."""


class Releases(Protocol):
    """Something that takes back the lease of a call."""

    def release(self, entry: Entry, /, *, probing: bool = False) -> Wait | None:
        """Take the lease back. The return value can be waited for."""
        ...

    def discard(self, entry: Entry, /) -> Wait | None:
        """:meth:`release` for finalizers, which run in the middle of anything, whatever locks are held."""
        ...


class Entered(ABC, Generic[H_co]):
    """A call that was let through, until it is over: with a lease (:class:`Admission`), or with units to use.

    End it once: ``release`` when the call succeeded, ``fail`` when it raised, or hand its result over.
    """

    __slots__ = ()

    hold: Literal["shared", "call"]
    """``"call"`` for a seat or units of this call's own."""

    @property
    @abstractmethod
    def passed(self) -> H_co:
        """The object that the guarded code may ask for: the lease, or the charge."""

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """True once it ended."""

    @abstractmethod
    def release(self) -> None:
        """End the call, which succeeded. Idempotent."""

    @abstractmethod
    async def arelease(self) -> None:
        """:meth:`release` without blocking the loop."""

    @abstractmethod
    def drop(self, *, failed: bool = True) -> None:
        """End the call without waiting, as where a coroutine is thrown away. Idempotent."""

    @abstractmethod
    def finish(self) -> None:
        """:meth:`release` where work was closed, or else collected: by a thread that may hold a lock of ours."""

    def cancel(self) -> None:
        """End the call, which did not take place. Idempotent."""
        self.release()

    def fail(self) -> None:
        """End the call, which raised. Idempotent."""
        self.release()

    async def afail(self) -> None:
        """:meth:`fail` without blocking the loop."""
        await self.arelease()

    def hand_over(self, result: R) -> R:
        """End the call, or let what it holds go with a result that is still to be made or sent. Return the result.

        Coroutines, futures, iterators, streamed responses and responses with background tasks carry the seat of
        ``hold="call"``, or the units of a draw, to their end; what is returned then stands for the result, and must be
        used in its place.
        """
        carried = None if type(result) in _FINISHED else self._carried(result)
        if carried is not None:
            return carried
        self.release()
        return result

    async def ahand_over(self, result: R) -> R:
        """:meth:`hand_over` without blocking the loop."""
        carried = None if type(result) in _FINISHED else self._carried(result)
        if carried is not None:
            return carried
        await self.arelease()
        return result

    def _carried(self, result: R) -> R | None:
        if self.hold == "shared":
            return None
        from .handover import outlasting

        return cast("R | None", outlasting(result, self))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        elif kind is GeneratorExit:
            self.finish()
        else:
            self.fail()


class Admission(Entered["Lease"]):
    """One call that was let through under a lease, until it is over.

    Release it when the call is over, or hand its result over: with ``hold="call"`` the seat then goes with a result
    that is still to be made or sent. An admission that is thrown away gives its seat back in the background.
    """

    __slots__ = ("_engine", "_entry", "hold")

    def __init__(self, engine: Releases, entry: Entry, *, single: bool = False) -> None:
        self._engine = engine
        self._entry: Entry | None = entry
        self.hold: Literal["shared", "call"] = "call" if single else "shared"

    @property
    def lease(self) -> Lease:
        """The lease that the call runs under."""
        return self._admitted().lease

    @property
    def passed(self) -> Lease:
        """The same."""
        return self.lease

    @property
    def is_over(self) -> bool:
        """True once it was released."""
        return self._entry is None

    def decision(self) -> Decision:
        """Return why the call was let through."""
        from ..decision import Decision

        entry = self._admitted()
        fault = entry.fault
        detail = f"allowed: {entry.reason.value}" if fault is None else f"allowed without an answer: {fault}"
        return Decision(True, entry.reason, entry.lease, fault is not None, detail, entry.age)

    def release(self, *, probing: bool = False) -> None:
        """End the call: a seat of its own is back at the service when this returns. Idempotent."""
        entry, self._entry = self._entry, None
        if entry is not None:
            _block(passing(self._engine.release, entry, probing=probing))

    async def arelease(self, *, probing: bool = False) -> None:
        """:meth:`release` without blocking the loop."""
        entry, self._entry = self._entry, None
        wait = None if entry is None else passing(self._engine.release, entry, probing=probing)
        if wait is not None:
            from ..runtime import drivers

            await drivers.pause(wait)

    def drop(self, *, failed: bool = True) -> None:  # noqa: ARG002 - a seat goes back however the call ended
        """End the call without waiting: a seat of its own goes back in the background. Idempotent."""
        self._discard()

    def finish(self) -> None:
        """:meth:`release` where work was closed, or else collected: by a thread that may hold a lock of ours."""
        _block(self._discard())

    def _discard(self) -> Wait | None:
        entry, self._entry = self._entry, None
        return None if entry is None else passing(self._engine.discard, entry)

    def _admitted(self) -> Entry:
        if self._entry is None:
            raise RuntimeError("the call is over")
        return self._entry

    def __enter__(self) -> Lease:
        return self.lease


# What no work and no response is. Most functions return one of these.
_FINISHED = frozenset({type(None), bool, int, float, str, bytes, dict, list})


def _block(wait: Wait | None) -> None:
    if wait is not None:
        from ..runtime import drivers

        drivers.block(wait)


def refusal(error: EntitlementDenied | EntitlementUnavailable) -> Decision:
    """Return why a call was not let through."""
    from ..decision import Decision

    if isinstance(error, EntitlementUnavailable):
        return Decision(False, Reason.UNAVAILABLE, None, True, str(error))
    return Decision(False, error.reason, None, False, str(error))
