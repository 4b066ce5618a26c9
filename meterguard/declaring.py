"""Declaring gates: arguments checked where they are written."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload
from weakref import WeakValueDictionary

from . import arguments
from .core.requirements import entitlement
from .errors import ConfigurationError
from .gates import NOT_GIVEN, DegradingGate, Gate, Line
from .model import Entitlement, shortened
from .units import Unit

if TYPE_CHECKING:
    from decimal import Decimal

    from .guard import MeterGuard

D = TypeVar("D")
Value: TypeAlias = "int | str | Decimal | Callable[..., int | str | Decimal] | None"
Seat = str | contextvars.ContextVar[Any] | Callable[..., Any] | None
Hold = Literal["shared", "call"]
OnUnknownName = Literal["grace", "deny", "allow"]
Wait = arguments.Duration


@overload
def requires_entitlement(
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
    guard: MeterGuard | None = None,
) -> DegradingGate[Coroutine[Any, Any, D], D]: ...
@overload
def requires_entitlement(
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
    guard: MeterGuard | None = None,
) -> DegradingGate[D, D]: ...
@overload
def requires_entitlement(
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
    guard: MeterGuard | None = None,
) -> DegradingGate[D, D]: ...
@overload
def requires_entitlement(
    name: str,
    value: Value = None,
    unit: Unit | str | None = None,
    *,
    hold: Hold = "shared",
    per: Seat = None,
    wait: Wait = 0,
    on_unknown: OnUnknownName | None = None,
    pass_lease: str | None = None,
    guard: MeterGuard | None = None,
) -> Gate: ...
def requires_entitlement(
    name: Any,
    value: Any = None,
    unit: Any = None,
    *,
    hold: Any = "shared",
    per: Any = None,
    wait: Any = 0,
    fallback: Any = NOT_GIVEN,
    default: Any = NOT_GIVEN,
    on_unknown: Any = None,
    pass_lease: Any = None,
    guard: MeterGuard | None = None,
) -> Any:
    """A gate: what is behind it runs only while a licence covers it.

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
    :param pass_lease: the keyword under which the function gets its :class:`Lease`.
    :param guard: the guard to ask; default: the one of :func:`configure` or of the environment, looked
        up at each call.
    :raises ConfigurationError: here for a wrong declaration, at the call for a wrong set-up.
    :raises EntitlementDenied: at the call: the licence does not cover it.
    :raises EntitlementUnavailable: at the call: the service could not be asked, and policy says no.
    """
    return declare(guard, name, value, unit, hold, per, wait, fallback, default, on_unknown, pass_lease)


_gates: WeakValueDictionary[Any, Gate] = WeakValueDictionary()


def declare(
    guard: MeterGuard | None,
    name: Any,
    value: Any,
    unit: Any,
    hold: Any,
    per: Any,
    wait: Any,
    fallback: Any,
    default: Any,
    on_unknown: Any,
    pass_lease: Any,
) -> Gate:
    """A gate from checked arguments; equal plain declarations share one gate."""
    plain = fallback is NOT_GIVEN and default is NOT_GIVEN and type(value) in (int, str, type(None))
    key: Any = None
    if plain and not callable(per):
        key = (guard, name, value, unit, hold, per, wait, on_unknown, pass_lease)
        try:
            gate = _gates.get(key)
        except TypeError:  # something unhashable, which the checks below will name
            key, gate = None, None
        if gate is not None and type(wait) is int:
            return gate
    gate = Gate(
        ((_line(name, value, unit),),),
        _checked_guard(guard),
        _checked_hold(hold),
        _checked_per(per),
        arguments.seconds("wait", wait),
        _checked_degrading(fallback, default),
        None if on_unknown is None else arguments.on_unknown("on_unknown", on_unknown),
        _checked_keyword(pass_lease),
    )
    if key is not None:
        _gates[key] = gate
    return gate


def _line(name: Any, value: Any, unit: Any) -> Entitlement | Line:
    if callable(name):
        raise ConfigurationError(
            "name is missing: @requires_entitlement stands with the entitlement's name in parentheses, "
            'as in @requires_entitlement("Seats", 1)'
        )
    if not callable(value):
        return entitlement(name, value, unit)
    unit = Unit.COUNT if unit is None else unit
    entitlement(name, "computed" if unit in (Unit.NONE, "None") else 1, unit)
    return (name, value, unit)


def _checked_guard(guard: Any) -> Any:
    if guard is None or hasattr(guard, "_enter"):
        return guard
    raise ConfigurationError(f"guard must be a MeterGuard; got {shortened(guard)}")


def _checked_hold(hold: Any) -> str:
    if hold not in ("shared", "call"):
        raise ConfigurationError(f"hold must be 'shared' or 'call'; got {shortened(hold)}")
    return str(hold)


def _checked_per(per: Any) -> Any:
    if per is None or (isinstance(per, str) and per) or isinstance(per, contextvars.ContextVar) or callable(per):
        return per
    raise ConfigurationError(
        f"per must be a non-empty string, a ContextVar or a callable on the call's arguments; got {shortened(per)}"
    )


def _checked_degrading(fallback: Any, default: Any) -> Any:
    """A callable with the call's arguments, or NOT_GIVEN."""
    if fallback is NOT_GIVEN:
        return default if default is NOT_GIVEN else Constant(default)
    if default is not NOT_GIVEN:
        raise ConfigurationError("fallback= and default= were both given; one of them says what is returned instead")
    if not callable(fallback):
        raise ConfigurationError(
            f"fallback must be a callable with the function's arguments; for a value use default={shortened(fallback)}"
        )
    return fallback


class Constant:
    """A fallback that returns one value."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and (self.value is other.value or self.value == other.value)

    def __hash__(self) -> int:
        return hash(Constant)  # the value may have none

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.value


def _checked_keyword(pass_lease: Any) -> str | None:
    if pass_lease is None or (isinstance(pass_lease, str) and pass_lease.isidentifier()):
        return pass_lease
    raise ConfigurationError(f"pass_lease must be the name of a keyword argument; got {shortened(pass_lease)}")
