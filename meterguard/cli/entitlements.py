"""Entitlements as they are written on a command line: ``NAME``, ``NAME=VALUE``, ``NAME=VALUE:UNIT``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ..model import Entitlement, shortened
from ..units import Unit

FORM = "NAME[=VALUE[:UNIT]]"
MOST_DIGITS = 19


def read_entitlements(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> tuple[Entitlement, ...]:
    """Return the entitlements that texts mean: the callback of an option that may be given several times."""
    return tuple(_read(text) for text in texts)


def _read(text: str) -> Entitlement:
    name, equals, rest = text.partition("=")
    amount, colon, unit = rest.partition(":")
    if equals and not (amount and (unit or not colon)):
        raise click.BadParameter(f"{shortened(text)} is not {FORM}, such as Export, Seats=2 or Disk=5:Gigabytes")
    if equals and unit != Unit.NONE and not (amount.isascii() and amount.isdigit() and len(amount) <= MOST_DIGITS):
        raise click.BadParameter(f"{shortened(text)}: {shortened(amount)} is not a whole number below 2**63")
    try:
        if not equals:
            return Entitlement(name)
        return Entitlement(name, amount if unit == Unit.NONE else int(amount), unit or Unit.COUNT)
    except ValueError as problem:
        raise click.BadParameter(f"{shortened(text)}: {problem}") from None


def lines(entitlements: Iterable[Entitlement]) -> list[dict[str, object]]:
    """Return entitlements as JSON documents have them."""
    return [{"name": one.name, "value": one.value, "unit": one.unit.value} for one in entitlements]
