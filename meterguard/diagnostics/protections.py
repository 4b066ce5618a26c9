"""Protections: whether they are in place, and what goes around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .findings import Finding

if TYPE_CHECKING:
    from ..gating.protection import Protection


def protections(registered: Iterable[tuple[str, object]] = ()) -> Iterator[Finding]:
    """Check that the protections of this process are in place, and that nothing goes around them.

    :param registered: what an application has registered, with the name of each.
    """
    from ..gating import protection, references  # which few programs need

    every = protection.in_force()
    yield _in_place(every)
    yield from _references(every, references.bare((one for each in every for one in each.bypassing()), registered))
    yield from _unwrapping(
        every, references.unwrapping(each.target.rpartition(":")[2].rpartition(".")[2] for each in every)
    )


def _references(every: list[Protection], held: list[str]) -> Iterator[Finding]:
    if held:
        yield Finding(
            "references",
            "failed",
            f"made before the guard, and without it: {', '.join(held)}",
            "call protect() before these are imported, or import the module there and not the name",
        )
    elif every:
        yield Finding("references", "ok", "no reference to a function without its guard was found")


def _unwrapping(every: list[Protection], reading: list[str]) -> Iterator[Finding]:
    if reading:
        yield Finding(
            "unwrapping",
            "failed",
            f"take the guard off by __wrapped__: {', '.join(reading)}",
            "call the function itself",
        )
    elif every:
        reached = ", ".join(f"{each.target.replace(':', '.')}.__wrapped__" for each in every)
        yield Finding("unwrapping", "ok", f"no code was found that uses what every program can reach: {reached}")


def _in_place(every: list[Protection]) -> Finding:
    displaced = [each.target for each in every if not each.is_waiting and not each.is_in_place]
    waiting = [each.target for each in every if each.is_waiting]
    if not every:
        fix = "call protect() in a module that the application imports"
        return Finding("protections", "failed", "nothing is protected once the application is loaded", fix)
    if displaced:
        fix = "call protect() after what replaces it"
        return Finding("protections", "failed", f"something else stands in the place of: {', '.join(displaced)}", fix)
    more = f"; waiting for their modules: {', '.join(waiting)}" if waiting else ""
    return Finding("protections", "ok", f"{len(every) - len(waiting)} in place{more}")
