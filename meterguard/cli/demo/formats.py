"""Values in the form in which people read them."""

from __future__ import annotations

from collections.abc import Mapping

from .records import Claim, Finale, Outcome


def duration(seconds: float) -> str:
    """Format seconds in the unit that suits them."""
    if seconds < 10e-6:
        return f"{seconds * 1e6:.2f} µs"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def shown(value: object, unit: str = "") -> str:
    """Format any value of a claim."""
    if unit == "s" and isinstance(value, int | float):
        return duration(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def expected(claim: Claim) -> str:
    """Format the expected value of a claim; empty where the actual value says it."""
    wanted = shown(claim.expected, claim.unit)
    if claim.relation != "is":
        return f"{claim.relation} {wanted}"
    return "" if claim.holds else f"expected {wanted}"


def per_call(outcome: Outcome) -> str:
    """Format the time that a guarded call took."""
    return "" if outcome.per_call is None else duration(outcome.per_call)


def verdict(finale: Finale) -> str:
    """Sum up the demonstration in a sentence."""
    cost = f"{finale.calls:,} guarded calls, {finale.requests} requests to AWS, {finale.seconds:.1f} s"
    if finale.holds:
        return f"All {len(finale.claims)} claims hold: {cost}."
    broken = len(finale.broken)
    unplayed = finale.scenes - len(finale.steps)
    missing = f", and {unplayed} of {finale.scenes} scenes were not played" if unplayed else ""
    return f"{broken} of {len(finale.claims)} claims {'does' if broken == 1 else 'do'} not hold{missing}: {cost}."
