"""Declarations of draws and meters: arguments checked where they are written."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
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

    block: int | None
    on_unknown: OnUnknownName | None


def declare_draw(
    guard: object,
    name: object,
    value: object = NOT_GIVEN,
    unit: object = "Count",
    *,
    block: object = None,
    charge_on_error: object = False,
    per_item: object = False,
    subject: object = None,
    on_unknown: object = None,
    fallback: object = NOT_GIVEN,
    default: object = NOT_GIVEN,
    pass_charge: object = None,
) -> Draw:
    """Return a draw from checked arguments."""
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
    )
    instead = checked_degrading(fallback, default)
    return Draw(checked_guard(guard), terms, instead, checked_keyword(pass_charge, "pass_charge"))


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
) -> Meter:
    """Return a meter from checked arguments."""
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
    return Meter(checked_guard(guard), one, quantity, terms, checked_keyword(pass_charge, "pass_charge"))


for _declare, _name in ((declare_draw, "consumes_entitlement"), (declare_meter, "meters_usage")):
    _declare.__qualname__ = _name  # the name that Python says of a wrong keyword


def _require_counted(unit: object) -> None:
    if unit is None or unit == Unit.NONE:
        raise ConfigurationError(
            "unit must be one that is counted: a feature (unit 'None') cannot be used up; guard it with "
            "requires_entitlement"
        )


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
