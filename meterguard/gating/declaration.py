"""Declarations of gates: arguments checked where they are written."""

from __future__ import annotations

import contextvars
import inspect
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict
from weakref import WeakValueDictionary

from .. import arguments
from ..arguments import Duration, OnUnknownName
from ..core.requirements import entitlement
from ..errors import ConfigurationError
from ..model import shortened
from ..units import Unit
from .admission import Guard
from .gate import Gate
from .questions import Computed, Line, Per, Terms

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

Number: TypeAlias = "int | str | Decimal | None"
Value: TypeAlias = "Number | Callable[..., int | str | Decimal]"


class GateOptions(TypedDict, total=False):
    """The options of a gate that do not change its type; :func:`meterguard.requires_entitlement` explains them."""

    hold: Literal["shared", "call"]
    per: Per
    wait: Duration
    on_unknown: OnUnknownName | None
    pass_lease: str | None


class _NotGiven:
    def __repr__(self) -> str:
        return "..."


NOT_GIVEN: Any = _NotGiven()
"""Stands for an argument whose None counts."""

_gates: WeakValueDictionary[Any, Gate] = WeakValueDictionary()


def declare(
    guard: Guard,
    name: object,
    value: object = None,
    unit: object = None,
    *,
    hold: object = "shared",
    per: object = None,
    wait: object = 0,
    fallback: object = NOT_GIVEN,
    default: object = NOT_GIVEN,
    on_unknown: object = None,
    pass_lease: object = None,
) -> Gate:
    """Return a gate from checked arguments; equal plain declarations share one gate."""
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
        checked_guard(guard),
        Terms(
            ((checked_line(name, value, unit),),),
            _is_single(hold),
            _checked_per(per),
            arguments.seconds("wait", wait),
            None if on_unknown is None else arguments.on_unknown("on_unknown", on_unknown),
        ),
        checked_degrading(fallback, default),
        checked_keyword(pass_lease),
    )
    if key is not None:
        _gates[key] = gate
    return gate


declare.__qualname__ = "requires_entitlement"  # the name that Python says of a wrong keyword


def signature() -> inspect.Signature:
    """Return the signature of a declaration: the guard comes last, and by name."""
    guard, *others = inspect.signature(declare).parameters.values()
    last = inspect.Parameter(guard.name, inspect.Parameter.KEYWORD_ONLY, default=None)
    return inspect.Signature([*(one.replace(annotation=one.empty) for one in others), last])


def checked_line(name: Any, value: Any, unit: Any, declaration: str = "requires_entitlement") -> Line:
    """Return what one declaration asks for, or raise a ConfigurationError that names the argument."""
    if callable(name):
        raise ConfigurationError(
            f"name is missing: @{declaration} stands with the entitlement's name in parentheses, "
            f'as in @{declaration}("Seats", 1)'
        )
    if not callable(value):
        return entitlement(name, value, unit)
    unit = Unit.COUNT if unit is None else unit
    entitlement(name, "computed" if unit in (Unit.NONE, "None") else 1, unit)
    return Computed(name, value, unit)


def checked_guard(guard: object) -> Guard:
    """Return the value, or raise a ConfigurationError that names the argument."""
    if isinstance(guard, Guard):
        return guard
    raise ConfigurationError(f"guard must be a MeterGuard; got {shortened(guard)}")


def _is_single(hold: Any) -> bool:
    if hold not in ("shared", "call"):
        raise ConfigurationError(f"hold must be 'shared' or 'call'; got {shortened(hold)}")
    return bool(hold == "call")


def _checked_per(per: Any) -> Per:
    if per is None or (isinstance(per, str) and per) or isinstance(per, contextvars.ContextVar) or callable(per):
        seat: Per = per
        return seat
    raise ConfigurationError(
        f"per must be a non-empty string, a ContextVar or a callable on the call's arguments; got {shortened(per)}"
    )


def checked_degrading(fallback: Any, default: Any) -> Callable[..., Any] | None:
    """Return a callable with the call's arguments, None where nothing was given."""
    if fallback is NOT_GIVEN:
        return None if default is NOT_GIVEN else Constant(default)
    if default is not NOT_GIVEN:
        raise ConfigurationError("fallback= and default= were both given; one of them says what is returned instead")
    if not callable(fallback):
        raise ConfigurationError(
            f"fallback must be a callable with the function's arguments; for a value use default={shortened(fallback)}"
        )
    stand_in: Callable[..., Any] = fallback
    return stand_in


class Constant:
    """A fallback that returns one value."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and (self.value is other.value or self.value == other.value)

    def __hash__(self) -> int:
        return hash(Constant)  # the value may have none

    def __call__(self, *_args: object, **_kwargs: object) -> object:
        return self.value


def checked_keyword(keyword: Any, option: str = "pass_lease") -> str | None:
    """Return the name of a keyword argument or None, or raise a ConfigurationError that names the option."""
    if keyword is None or (isinstance(keyword, str) and keyword.isidentifier()):
        return keyword
    raise ConfigurationError(f"{option} must be the name of a keyword argument; got {shortened(keyword)}")
