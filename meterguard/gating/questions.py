"""Questions of gates: the terms of a gate, and the question that follows from them for one call."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from ..core.requirements import Question, Requirement, entitlement, shown, together
from ..errors import ConfigurationError
from ..model import Entitlement
from ..reasons import OnUnknown


class Computed(NamedTuple):
    """One entitlement whose value is a callable on the call's arguments."""

    name: str
    value: Callable[..., Any]
    unit: Any


Line = Entitlement | Computed
Per = str | contextvars.ContextVar[Any] | Callable[..., Any] | None
"""What is one seat: the guard (None), a string, or what a variable or a callable says at the call."""


class Terms(NamedTuple):
    """The terms of a gate, declared and checked."""

    alternatives: tuple[tuple[Line, ...], ...]
    single: bool = False
    """A seat of its own for each call, as ``hold="call"`` says."""
    per: Per = None
    wait: float = 0.0
    on_unknown: OnUnknown | None = None

    def is_fixed(self) -> bool:
        """Tell whether the question is the same for each call."""
        lines = [line for alternative in self.alternatives for line in alternative]
        return all(isinstance(line, Entitlement) for line in lines) and (self.per is None or isinstance(self.per, str))

    def question(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Question:
        """Return the question of a call with these arguments."""
        alternatives = tuple(evaluated(alternative, args, kwargs) for alternative in self.alternatives)
        per = _seat(self.per, args, kwargs)
        return Question(tuple(dict.fromkeys(alternatives)), per, self.single, self.wait, self.on_unknown)

    def __str__(self) -> str:
        return " or ".join(described(alternative) for alternative in self.alternatives)


def evaluated(alternative: tuple[Line, ...], args: tuple[object, ...], kwargs: dict[str, object]) -> Requirement:
    """Return what an alternative asks for in a call with these arguments."""
    return together(
        line if isinstance(line, Entitlement) else entitlement(line.name, line.value(*args, **kwargs), line.unit)
        for line in alternative
    )


def described(alternative: tuple[Line, ...]) -> str:
    """Return an alternative for people."""
    return " and ".join(
        shown((line,)) if isinstance(line, Entitlement) else f"{line.name} (computed)" for line in alternative
    )


def _seat(per: Per, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Hashable, ...]:
    if per is None:
        return ()
    if isinstance(per, str):
        seat: Any = per
    elif isinstance(per, contextvars.ContextVar):
        seat = value_of(per)
    else:
        seat = per(*args, **kwargs)
    try:
        hash(seat)
    except TypeError:
        raise ConfigurationError(
            f"per= gave a {type(seat).__name__}, which cannot be told apart from others: give an id"
        ) from None
    return (seat,)


def value_of(variable: contextvars.ContextVar[Any], option: str = "per") -> Any:
    """Return what a variable says at the call, or raise a ConfigurationError that names the option."""
    try:
        return variable.get()
    except LookupError:
        raise ConfigurationError(
            f"{option}={variable.name!r} is a ContextVar that is not set here: set it before the call"
        ) from None
