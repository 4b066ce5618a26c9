"""Draws and meters: declarations that count what runs behind them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Never

from ..core.requirements import Wish
from ..errors import ConfigurationError
from ..model import Entitlement, shortened
from ..reasons import OnUnknown
from .barrier import Barrier, Fallback, agreed
from .charge import Charge, Charges
from .drawing import metered
from .gate import Gate
from .questions import Line, described, evaluated, value_of

if TYPE_CHECKING:
    from .admission import Entered, Guard

Subject = str | contextvars.ContextVar[Any] | Callable[..., Any] | None
"""For whom it is: a text, or what a variable or a callable says at the call."""


class DrawTerms(NamedTuple):
    """The terms of a draw, declared and checked."""

    alternatives: tuple[tuple[Line, ...], ...]
    block: int | None = None
    charge_on_error: bool = False
    per_item: bool = False
    subject: Subject = None
    on_unknown: OnUnknown | None = None

    def wish(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Wish:
        """Return the wish of a call with these arguments."""
        alternatives = tuple(dict.fromkeys(evaluated(one, args, kwargs) for one in self.alternatives))
        return Wish(alternatives, self.block, self.on_unknown, subject_of(self.subject, args, kwargs))

    def __str__(self) -> str:
        return " or ".join(described(alternative) for alternative in self.alternatives)


def subject_of(subject: Subject, args: tuple[object, ...], kwargs: dict[str, object]) -> str | None:
    """Return for whom a call is, as text; None where nobody is named."""
    if subject is None or isinstance(subject, str):
        return subject
    found = value_of(subject, "subject") if isinstance(subject, contextvars.ContextVar) else subject(*args, **kwargs)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    raise ConfigurationError(
        f"subject= gave a {type(found).__name__}, which usage records cannot name: give a text or a number"
    )


class Draw(Barrier["Charge | Charges"]):
    """Units to count in front of code: a decorator and a (sync and async) context manager that gives a :class:`Charge`.

    Made by :func:`consumes_entitlement`. A draw is immutable, and may be used many times, by any number of threads
    and tasks at once, and within itself. ``a & b`` draws both or neither; ``a | b`` tries one after the other.
    """

    __slots__ = ("_terms", "guard")

    @property
    def passes(self) -> str:
        """The option that names the keyword."""
        return "pass_charge"

    def __init__(
        self, guard: Guard, terms: DrawTerms, instead: Fallback | None = None, pass_charge: str | None = None
    ) -> None:
        super().__init__(instead, pass_charge, is_itemized=terms.per_item)
        self.guard = guard
        self._terms = terms

    def enter(self, /, *args: object, **kwargs: object) -> Entered[Charge | Charges]:
        """Reserve units for a call with these arguments, or raise why there are none.

        :raises EntitlementDenied: the licence has not so many left.
        :raises EntitlementUnavailable: the service or the ledger could not be asked, and policy says no.
        :raises ConfigurationError: the set-up is wrong, or a callable of the declaration gave a wrong value.
        """
        return self.guard.draw(self._terms.wish(args, kwargs), charge_on_error=self._terms.charge_on_error)

    async def aenter(self, /, *args: object, **kwargs: object) -> Entered[Charge | Charges]:
        """:meth:`enter` without blocking the loop."""
        return await self.guard.adraw(self._terms.wish(args, kwargs), charge_on_error=self._terms.charge_on_error)

    def check(self, /, *args: object, **kwargs: object) -> None:
        """Raise the error that :meth:`enter` would raise, as far as it is known. Draws no unit."""
        self.guard.probe(self._terms.wish(args, kwargs))

    async def acheck(self, /, *args: object, **kwargs: object) -> None:
        """:meth:`check` without blocking the loop."""
        await self.guard.aprobe(self._terms.wish(args, kwargs))

    def of(self, guard: Guard) -> Draw:
        """Return the same draw of another guard."""
        return Draw(guard, self._terms, self.instead, self.keyword)

    def __and__(self, other: object, /) -> Draw:
        """Join two draws: both, or neither."""
        return self._joined(other, "&")

    def __or__(self, other: object, /) -> Draw:
        """Join two draws: this one, or else the other."""
        return self._joined(other, "|")

    __rand__ = __and__
    __ror__ = __or__

    def _joined(self, other: object, sign: str) -> Draw:
        if isinstance(other, Gate | Meter):
            raise ConfigurationError(_apart(other, sign))
        if not isinstance(other, Draw):
            raise TypeError(f"a draw can be joined to draws; got {shortened(other)}")
        mine, others, joined = self._terms, other._terms, f"draws joined by {sign}"
        same = {
            "guard": self.guard == other.guard,
            "block": mine.block == others.block,
            "subject": mine.subject == others.subject,
            "per_item": mine.per_item == others.per_item,
            "charge_on_error": mine.charge_on_error == others.charge_on_error,
        }
        for name, is_same in same.items():
            if not is_same:
                raise ConfigurationError(f"{joined} must have the same {name}=")
        both = tuple((*a, *b) for a in mine.alternatives for b in others.alternatives)
        terms = mine._replace(
            alternatives=both if sign == "&" else (*mine.alternatives, *others.alternatives),
            on_unknown=agreed(mine.on_unknown, others.on_unknown, "on_unknown=", joined),
        )
        instead = agreed(self.instead, other.instead, "fallback= or default=", joined)
        return Draw(self.guard, terms, instead, agreed(self.keyword, other.keyword, "pass_charge=", joined))

    def __repr__(self) -> str:
        return f"<Draw of {self._terms}>"


class Meter(Barrier["Charge | Charges"]):
    """Usage to write down: a decorator and a (sync and async) context manager that gives a :class:`Charge`.

    Made by :func:`meters_usage`. It refuses nobody.
    """

    __slots__ = ("_entitlement", "_terms", "_value", "guard")

    @property
    def passes(self) -> str:
        """The option that names the keyword."""
        return "pass_charge"

    def __init__(
        self, guard: Guard, entitlement: Entitlement, value: object, terms: DrawTerms, pass_charge: str | None = None
    ) -> None:
        super().__init__(None, pass_charge, is_itemized=terms.per_item)
        self.guard = guard
        self._terms = terms._replace(alternatives=((entitlement,),))
        self._entitlement = entitlement
        self._value = value

    def enter(self, /, *args: object, **kwargs: object) -> Entered[Charge | Charges]:
        """Begin a call with these arguments.

        :raises ConfigurationError: the set-up is wrong, or a callable of the declaration gave a wrong value.
        """
        value = self._value(*args, **kwargs) if callable(self._value) else self._value
        subject = subject_of(self._terms.subject, args, kwargs)
        quantity = metered("value", value)
        return self.guard.meter(self._entitlement, quantity, subject, charge_on_error=self._terms.charge_on_error)

    async def aenter(self, /, *args: object, **kwargs: object) -> Entered[Charge | Charges]:
        """Begin a call; nothing is waited for."""
        return self.enter(*args, **kwargs)

    def check(self, /, *args: object, **kwargs: object) -> None:
        """Do nothing: a meter refuses nobody."""

    async def acheck(self, /, *args: object, **kwargs: object) -> None:
        """Do nothing."""

    def of(self, guard: Guard) -> Meter:
        """Return the same meter of another guard."""
        return Meter(guard, self._entitlement, self._value, self._terms, self.keyword)

    def __and__(self, other: object, /) -> Never:
        raise ConfigurationError(_apart(self, "&"))

    def __or__(self, other: object, /) -> Never:
        raise ConfigurationError(_apart(self, "|"))

    __rand__ = __and__
    __ror__ = __or__

    def __repr__(self) -> str:
        return f"<Meter of {self._terms}>"


def _apart(other: object, sign: str) -> str:
    return (
        f"{sign} joins gates to gates and draws to draws; a gate, a draw and a meter are put above each other, as "
        f"decorators or in one with statement ({other!r} stands on one side here)"
    )
