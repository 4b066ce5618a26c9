"""The entrance of guarded code, as the wrappers around it see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .kinds import Kind

if TYPE_CHECKING:
    from .admission import Entered

Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
Arguments = tuple[Any, ...]
"""A wrapper, and what says whether the next call needs it."""


class Entrance(Protocol):
    """The gate in front of a callable, as a wrapper sees it."""

    keyword: str | None
    """The keyword under which the callable gets its lease or charge."""
    outside: Callable[[], bool] | None
    """Says whether the next call has to be looked at; None: each call."""
    wrappers: dict[Kind, Arguments]
    """What was made for this gate, by kind of callable."""
    is_itemized: bool
    """True where each item of a generator is a call of its own."""

    @property
    def passes(self) -> str:
        """The option that names the keyword."""
        ...

    @property
    def declaration(self) -> str:
        """The name of the function that declares it."""
        ...

    def enter(self, /, *args: object, **kwargs: object) -> Entered[object]:
        """Let a call with these arguments through."""
        ...

    async def aenter(self, /, *args: object, **kwargs: object) -> Entered[object]:
        """:meth:`enter` without blocking the loop."""
        ...

    @property
    def degrades(self) -> bool:
        """True where something stands in for the result of a call that was not let through."""
        ...

    def degraded(self, /, *args: object, **kwargs: object) -> object:
        """Return what stands in."""
        ...


def passing_on(gate: Entrance, kwargs: dict[str, Any], admission: Entered[object]) -> dict[str, Any]:
    """Return the keyword arguments of a call, with the lease or charge where it is to be passed."""
    return kwargs if gate.keyword is None else {**kwargs, gate.keyword: admission.passed}
