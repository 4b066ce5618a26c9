"""Declarations of draws and meters: arguments checked where they are written."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, TypedDict

from .. import arguments
from ..arguments import OnUnknownName
from ..core.requirements import entitlement
from ..errors import ConfigurationError
from ..model import shortened
from ..units import Unit
from .declaration import NOT_GIVEN, checked_degrading, checked_guard, checked_keyword, checked_line
from .draw import Draw, DrawTerms, Meter, Subject
from .drawing import metered

Units: TypeAlias = "int | str | Decimal | Callable[..., int | str | Decimal]"
Amount: TypeAlias = "int | Decimal | Callable[..., int | Decimal]"


class MeterOptions(TypedDict, total=False):
    """The options of a meter; :func:`meterguard.meters_usage` explains them."""

    subject: Subject
    charge_on_error: bool
    per_item: bool
    pass_charge: str | None


class DrawOptions(MeterOptions, total=False):
    """The options of a draw that do not change its type; :func:`meterguard.consumes_entitlement` explains them."""

    per_unit: int | None
    block: int | None
    on_unknown: OnUnknownName | None


_OF_GATES = {
    "hold": "units are used up, whoever else has some",
    "per": "units are no seats; subject= says for whom they are",
    "wait": "units that are used up do not come back",
    "pass_lease": "there is no lease; pass_charge= passes the charge",
}
_OF_DRAWS = {
    "per_unit": "a meter writes a Decimal down as it is",
    "block": "a meter asks no licence",
    "on_unknown": "a meter asks no licence",
    "fallback": "a meter refuses nobody",
    "default": "a meter refuses nobody",
}


def declare_draw(
    guard: object,
    name: object,
    value: object = NOT_GIVEN,
    unit: object = "Count",
    *,
    per_unit: object = None,
    block: object = None,
    charge_on_error: object = False,
    per_item: object = False,
    subject: object = None,
    on_unknown: object = None,
    fallback: object = NOT_GIVEN,
    default: object = NOT_GIVEN,
    pass_charge: object = None,
    **others: object,
) -> Draw:
    """Return a draw from checked arguments."""
    _refuse_others("consumes_entitlement", others, _OF_GATES)
    if value is NOT_GIVEN and not callable(name):
        raise ConfigurationError(f"value is missing: say how many units of {shortened(name)} a call uses")
    _require_counted(unit)
    terms = DrawTerms(
        ((checked_line(name, value, unit, "consumes_entitlement"),),),
        None if block is None else arguments.count("block", block),
        arguments.flag("charge_on_error", charge_on_error),
        arguments.flag("per_item", per_item),
        _checked_subject(subject),
        None if on_unknown is None else arguments.on_unknown("on_unknown", on_unknown),
        1 if per_unit is None else arguments.count("per_unit", per_unit, least=2),
    )
    keyword = _checked_keyword(pass_charge, terms)
    return Draw(checked_guard(guard), terms, checked_degrading(fallback, default), keyword)


def declare_meter(
    guard: object,
    name: object,
    value: object = 1,
    unit: object = "Count",
    *,
    subject: object = None,
    charge_on_error: object = False,
    per_item: object = False,
    pass_charge: object = None,
    **others: object,
) -> Meter:
    """Return a meter from checked arguments."""
    _refuse_others("meters_usage", others, _OF_GATES | _OF_DRAWS)
    _require_counted(unit)
    checked_line(name, 1, unit, "meters_usage")
    terms = DrawTerms(
        (),
        None,
        arguments.flag("charge_on_error", charge_on_error),
        arguments.flag("per_item", per_item),
        _checked_subject(subject),
    )
    quantity = value if callable(value) else metered("value", value)
    one = entitlement(name, 1, unit)
    return Meter(checked_guard(guard), one, quantity, terms, _checked_keyword(pass_charge, terms))


def _refuse_others(declaration: str, options: Iterable[str], others: Mapping[str, str]) -> None:
    """Say why there is no such option, where another declaration has it; else what Python says."""
    for option in options:
        if option in others:
            raise ConfigurationError(f"{declaration} has no option {option}=: {others[option]}")
        raise TypeError(f"{declaration}() got an unexpected keyword argument {option!r}")


def _require_counted(unit: object) -> None:
    if unit is None or unit == Unit.NONE:
        raise ConfigurationError(
            "unit must be one that is counted: a feature (unit 'None') cannot be used up; guard it with "
            "requires_entitlement"
        )


def _checked_keyword(pass_charge: object, terms: DrawTerms) -> str | None:
    keyword = checked_keyword(pass_charge, "pass_charge")
    if keyword is not None and terms.per_item:
        raise ConfigurationError(
            "pass_charge= and per_item=True were both given; each item has a charge of its own, and none is passed: "
            "leave one of them out"
        )
    return keyword


def _checked_subject(subject: Any) -> Subject:
    if subject is None or (isinstance(subject, str) and subject) or isinstance(subject, contextvars.ContextVar):
        return subject
    if callable(subject):
        told: Callable[..., Any] = subject
        return told
    raise ConfigurationError(
        f"subject must be a non-empty string, a ContextVar or a callable on the call's arguments; got "
        f"{shortened(subject)}"
    )
