"""Exhaustion: whether usage proves that a no means that all units are in use."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import EntitlementDenied
from ..model import Entitlement
from ..ports import Usage
from ..reasons import Reason
from . import messages
from .requirements import Requirement


def may_be_exhaustion(denied: EntitlementDenied) -> bool:
    """Return True when a no can mean that all units are in use. It can also mean a missing entitlement."""
    lines = denied.missing or denied.entitlements
    return denied.reason in (Reason.NOT_ENTITLED, Reason.COVERS_LESS) and any(one.is_counted for one in lines)


def is_exhausted(denied: EntitlementDenied, usages: Iterable[Usage] | None) -> bool:
    """Return True when the licence has all that was asked for, and too few units of it are free."""
    used = {(one.name, one.unit): one for one in usages or ()}
    lines = [(one, used.get((one.name, one.unit))) for one in denied.missing or denied.entitlements]
    return (
        may_be_exhaustion(denied)
        and all(usage is not None and _fits(one, usage) for one, usage in lines)
        and any(usage is not None and not _fits(one, usage, usage.consumed) for one, usage in lines)
    )


def has_room(wanted: Requirement, usages: Iterable[Usage]) -> bool:
    """Return True when usage proves that all of this is free, beside what is in use now."""
    used = {(one.name, one.unit): one for one in usages}
    lines = [(one, used.get((one.name, one.unit))) for one in wanted if one.is_counted]
    return all(usage is not None and _fits(one, usage, usage.consumed) for one, usage in lines)


def explains_nothing(denied: EntitlementDenied, usages: Iterable[Usage] | None) -> bool:
    """Return True when usage shows units enough for what was denied, so that it may be older than the denial."""
    free = {(one.name, one.unit) for one in usages or () if one.maximum is None or one.consumed < one.maximum}
    lines = denied.missing or denied.entitlements
    return not is_exhausted(denied, usages) and all((one.name, one.unit) in free for one in lines if one.is_counted)


def prove_used_up(denied: EntitlementDenied, usages: Iterable[Usage] | None) -> None:
    """:func:`prove` for units that are drawn, which never come back."""
    known = None if usages is None else is_exhausted(denied, usages)
    text = messages.used_up(denied.entitlements) if known else denied.args[0]
    reason = Reason.USED_UP if known else denied.reason
    denied.is_exhausted, denied.reason = known, reason
    denied.args = (text, *denied.args[1:3], reason, *denied.args[4:-1], known)


def not_left(wanted: Requirement, usages: Iterable[Usage]) -> EntitlementDenied | None:
    """Return the denial of a draw as far as usage tells: None where the licence may well have so many left."""
    used = {(one.name, one.unit): one for one in usages}
    for one in wanted:
        usage = used.get((one.name, one.unit))
        if usage is None or not (_fits(one, usage, usage.consumed) or _is_overdrawn(usage)):
            denied = messages.denied_draw(one)
            prove_used_up(denied, used.values())
            return denied
    return None


def _is_overdrawn(usage: Usage) -> bool:
    """Tell whether more is used than there is: the licence allows that (``Overage``)."""
    return usage.maximum is not None and usage.consumed > usage.maximum


def prove(denied: EntitlementDenied, usages: Iterable[Usage] | None) -> bool:
    """Write on a denial what usage says of it, None where that is not known. Copies made from ``args`` say it too.

    Returns True where all units are in use.
    """
    known = None if usages is None else is_exhausted(denied, usages)
    text = messages.all_in_use(denied.entitlements) if known else denied.args[0]
    denied.is_exhausted, denied.args = known, (text, *denied.args[1:-1], known)
    return bool(known)


def retry_after(denied: EntitlementDenied, seconds: float | None) -> None:
    """Write on a denial when a unit comes back, as :func:`prove` does."""
    denied.retry_after, denied.args = seconds, (*denied.args[:6], seconds, *denied.args[7:])


def _fits(one: Entitlement, usage: Usage, taken: int = 0) -> bool:
    return not isinstance(one.value, int) or usage.maximum is None or taken + one.value <= usage.maximum
