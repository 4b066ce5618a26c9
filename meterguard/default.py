"""The default guard, its followers, and the functions that ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from .config import Hidden
from .gating.admission import Admission, Entered, Guard
from .gating.declaration import GateOptions, Number, Value, checked_guard, declare, signature
from .guard import MeterGuard
from .options import GuardOptions
from .runtime import forking

if TYPE_CHECKING:
    from .core.requirements import Question, Wish
    from .decision import Decision
    from .events import Event
    from .gating.charge import Charge, Charges, Quantity
    from .gating.gate import DegradingGate, Gate, Work
    from .gating.protection import Protection
    from .model import Entitlement
    from .runtime.window import Window
    from .units import Unit

D = TypeVar("D")

_default: MeterGuard | None = None
_followers: tuple[Follower, ...] = ()


class Current(Guard):
    """The default guard, as it is at each call."""

    def admit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """Ask the default guard."""
        return get_guard().admit(question, window, probing=probing)

    async def aadmit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """Ask the default guard."""
        return await get_guard().aadmit(question, window, probing=probing)

    def draw(self, wish: Wish, *, charge_on_error: bool) -> Entered[Charge | Charges]:
        """Draw from the default guard's licence."""
        return get_guard().draw(wish, charge_on_error=charge_on_error)

    async def adraw(self, wish: Wish, *, charge_on_error: bool) -> Entered[Charge | Charges]:
        """Draw from the default guard's licence."""
        return await get_guard().adraw(wish, charge_on_error=charge_on_error)

    def probe(self, wish: Wish) -> None:
        """Ask the default guard."""
        get_guard().probe(wish)

    async def aprobe(self, wish: Wish) -> None:
        """Ask the default guard."""
        await get_guard().aprobe(wish)

    def meter(
        self, entitlement: Entitlement, quantity: Quantity, subject: str | None, *, charge_on_error: bool
    ) -> Entered[Charge | Charges]:
        """Write down in the default guard's ledger."""
        return get_guard().meter(entitlement, quantity, subject, charge_on_error=charge_on_error)


CURRENT = Current()


@overload
def requires_entitlement(
    name: str,
    value: Value = None,
    unit: Unit | str | None = None,
    *,
    fallback: Callable[..., Work[D]],
    guard: MeterGuard | None = None,
    **options: Unpack[GateOptions],
) -> DegradingGate[Work[D], D]: ...
@overload
def requires_entitlement(
    name: str,
    value: Value = None,
    unit: Unit | str | None = None,
    *,
    fallback: Callable[..., D],
    guard: MeterGuard | None = None,
    **options: Unpack[GateOptions],
) -> DegradingGate[D, D]: ...
@overload
def requires_entitlement(
    name: str,
    value: Value = None,
    unit: Unit | str | None = None,
    *,
    default: D,
    guard: MeterGuard | None = None,
    **options: Unpack[GateOptions],
) -> DegradingGate[D, D]: ...
@overload
def requires_entitlement(
    name: str,
    value: Value = None,
    unit: Unit | str | None = None,
    *,
    guard: MeterGuard | None = None,
    **options: Unpack[GateOptions],
) -> Gate: ...
def requires_entitlement(
    name: object, value: object = None, unit: object = None, *, guard: MeterGuard | None = None, **options: object
) -> object:
    """Return a gate: the code behind it runs only while a licence covers it.

    ::

        @requires_entitlement("Seats", 1, "Count")
        def export_pdf(document): ...

        with requires_entitlement("Export") as lease: ...

    The first call checks out, later calls ride on that lease until it ends, and a lease in use is
    renewed before it ends. Nothing is configured, imported or asked at decoration.

    :param name: the entitlement's name in the licence (for AWS Marketplace the dimension's API name).
    :param value: how many units: a positive whole number, or a callable that gets the call's
        arguments and returns one. None for a feature; a string for a feature that must carry it.
    :param unit: a :class:`Unit` or its wire string. Default: ``None`` (a feature) without a value,
        else ``"Count"``. It must be the unit of the licence: License Manager refuses another one as
        if the entitlement did not exist.
    :param hold: ``"shared"``: one lease for all calls of this guard. ``"call"``: each call checks
        out a seat of its own and checks it in at its end.
    :param per: what is one seat: None (the guard), a string, a ``ContextVar``, or a callable on the
        call's arguments; one lease for each distinct value.
    :param wait: seconds to queue for a unit before a no is final.
    :param fallback: called with the same arguments, instead of raising, on denied or unknown.
    :param default: returned instead of raising, on denied or unknown; None counts.
    :param on_unknown: overrides the guard's policy for when the service cannot be asked.
    :param pass_lease: the keyword under which the function gets its :class:`Lease`; it must have a parameter of that
        name, or ``**kwargs``.
    :param guard: the guard to ask; default: the one of :func:`configure` or of the environment, looked
        up at each call.
    :raises ConfigurationError: here for a wrong declaration, at the call for a wrong set-up.
    :raises EntitlementDenied: at the call: the licence does not cover it.
    :raises EntitlementUnavailable: at the call: the service could not be asked, and policy says no.
    """
    return declare(CURRENT if guard is None else guard, name, value, unit, **options)


requires_entitlement.__dict__["__signature__"] = signature()


class ProtectionOptions(GateOptions, total=False):
    """The options of a gate, with those that change what a function returns."""

    fallback: Callable[..., object]
    default: object


def protect(
    target: str,
    name: str,
    value: Value = None,
    unit: Unit | str | None = None,
    *,
    guard: MeterGuard | None = None,
    **options: Unpack[ProtectionOptions],
) -> Protection:
    """Guard code that you cannot edit, by its name. Nothing is imported for it.

    ::

        protect("reports.pdf:Exporter.export", "Export")

    A module that is imported is guarded at once, another one at the end of its import. Protections of the same target
    are all in force. Who has taken the function out of its module before, as ``from module import function`` does,
    goes on without the guard: ``meterguard doctor --protected`` finds them.

    :param target: ``"package.module:function"`` or ``"package.module:Class.method"``.
    :param name: the entitlement's name, as for :func:`requires_entitlement`. So are the other arguments.
    :returns: what takes the guard away again, by ``remove()`` or at the end of a ``with`` block.
    :raises ConfigurationError: the declaration or the target is wrong; or the module is there, and has no such
        thing. Where the module is imported later, that import raises it.
    :raises TypeError: in the same places: what is there is a class, a property, or what else cannot be guarded.
    """
    from .gating.protection import Protection  # which few programs need

    for option in options.keys() - ProtectionOptions.__annotations__.keys():
        raise TypeError(f"protect() got an unexpected keyword argument {option!r}")
    gate = declare(CURRENT if guard is None else guard, name, value, unit, **options)
    return Protection(target, gate).begin()


# -- which guard it is ---------------------------------------------------------------------------------


def configure(
    product_sku: str | None = None, key_fingerprint: str | None = None, **options: Unpack[GuardOptions]
) -> MeterGuard:
    """Set the guard that module-level functions and undirected gates use; the replaced guard is closed.

    Takes the arguments of :class:`MeterGuard`.
    """
    given = Hidden(options, product_sku=product_sku, key_fingerprint=key_fingerprint)
    del product_sku, key_fingerprint, options  # debug pages show the variables of this frame
    return install_guard(MeterGuard(**given))


configure.__dict__["__wrapped__"] = MeterGuard  # for help() and inspect


def install_guard(guard: MeterGuard) -> MeterGuard:
    """Make this the default guard; the replaced guard is closed."""
    replaced = exchange_guard(guard)
    if replaced is not None and replaced is not guard:
        replaced.close()
    return guard


def exchange_guard(guard: MeterGuard | None) -> MeterGuard | None:
    """Make this the default guard (None: that of the environment), and return the replaced one, which stays open."""
    global _default
    with forking.importing():  # the one lock that a forked child finds free
        replaced, _default = _default, guard
        if guard is not None:
            for follower in _followers:
                follower.hear(guard)
    if replaced is not None:
        replaced.empty_windows()  # they belong to gates, which follow the new one
    return replaced


def current_guard() -> MeterGuard | None:
    """Return the default guard, None where nobody has needed one yet."""
    return _default


def get_guard() -> MeterGuard:
    """Return the default guard; it is built from the environment when nothing was configured."""
    guard = _default
    if guard is None:
        with forking.importing():
            guard = _default or MeterGuard()
            exchange_guard(guard)
    return guard


# -- asking it -----------------------------------------------------------------------------------------


def _asked(guard: MeterGuard | None) -> MeterGuard:
    if guard is None:
        return get_guard()
    checked_guard(guard)
    return guard


def has_entitlement(
    name: str, value: Number = None, unit: Unit | str | None = None, *, guard: MeterGuard | None = None
) -> bool:
    """Return True when a gate for this would let a call through. Leaves no unit taken.

    Answers from a lease that is held; else checks out, and checks counted units in at once. False
    when denied; when the service cannot be asked, True within grace and under ``"allow"``.

    :raises ConfigurationError: the question or the set-up is wrong.
    """
    return _asked(guard).has_entitlement(name, value, unit)


async def ahas_entitlement(
    name: str, value: Number = None, unit: Unit | str | None = None, *, guard: MeterGuard | None = None
) -> bool:
    """:func:`has_entitlement` without blocking the loop."""
    return await _asked(guard).ahas_entitlement(name, value, unit)


def decide(
    name: str, value: Number = None, unit: Unit | str | None = None, *, guard: MeterGuard | None = None
) -> Decision:
    """Return the answer of :func:`has_entitlement`, with its reason."""
    return _asked(guard).decide(name, value, unit)


async def adecide(
    name: str, value: Number = None, unit: Unit | str | None = None, *, guard: MeterGuard | None = None
) -> Decision:
    """:func:`decide` without blocking the loop."""
    return await _asked(guard).adecide(name, value, unit)


# -- listening to it -----------------------------------------------------------------------------------


class Follower:
    """A subscriber, and the guards that it hears."""

    def __init__(self, callback: Callable[[Event], object]) -> None:
        self._callback = callback
        self._ends: dict[MeterGuard, Callable[[], None]] = {}

    @property
    def guards(self) -> list[MeterGuard]:
        """The guards that it hears. A replaced guard is among them until it is closed, since it still has leases."""
        return list(self._ends)

    def hear(self, guard: MeterGuard) -> None:
        """Listen to this guard too."""
        for closed in [one for one in self._ends if one.is_closed]:
            self._ends.pop(closed)()
        if guard not in self._ends:
            self._ends[guard] = guard.subscribe(self._callback)

    def begin(self, guard: MeterGuard | None = None) -> None:
        """Listen to this guard; None: to the default guard, also when another one takes its place."""
        global _followers
        with forking.importing():  # the one lock that a forked child finds free
            if guard is None:
                _followers = (*_followers, self)
            current = guard or _default
            if current is not None:
                self.hear(current)

    def end(self) -> None:
        """Stop listening. Idempotent."""
        global _followers
        with forking.importing():
            _followers = tuple(one for one in _followers if one is not self)
            while self._ends:
                self._ends.popitem()[1]()
