"""Draws and meters: declarations that count what runs behind them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Never, Protocol, Self, TypeVar, overload

from ..core.requirements import Wish
from ..errors import ConfigurationError
from ..model import Entitlement, shortened
from ..reasons import OnUnknown
from .barrier import Barrier, Fallback, agreed
from .drawing import metered
from .gate import Degrading, Gate
from .questions import Line, described, evaluated, value_of

if TYPE_CHECKING:
    from .admission import Entered, Guard
    from .charge import Charge, Charges, Quantity  # noqa: F401 - named in the classes' arguments

H = TypeVar("H")
S = TypeVar("S")
A = TypeVar("A")
S_co = TypeVar("S_co", covariant=True)
A_co = TypeVar("A_co", covariant=True)
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
    per_unit: int = 1

    def is_fixed(self) -> bool:
        """Tell whether the wish is the same for each call."""
        lines = [line for alternative in self.alternatives for line in alternative]
        is_named = self.subject is None or isinstance(self.subject, str)
        return is_named and all(isinstance(line, Entitlement) for line in lines)

    def wish(self, args: tuple[object, ...], kwargs: dict[str, object], *, is_joined: bool = False) -> Wish:
        """Return the wish of a call with these arguments."""
        alternatives = tuple(dict.fromkeys(evaluated(one, args, kwargs) for one in self.alternatives))
        subject = subject_of(self.subject, args, kwargs)
        return Wish(alternatives, self.block, self.on_unknown, subject, is_joined, self.per_unit)

    def __str__(self) -> str:
        text = " or ".join(described(alternative) for alternative in self.alternatives)
        return text if self.per_unit == 1 else f"{text}, of which {self.per_unit} make one"


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


class AnyDraw(Barrier[H]):
    """Units to count in front of code. ``H`` is what the code may settle: one charge, or several by name."""

    __slots__ = ("_fixed", "_terms", "guard")

    is_joined: ClassVar[bool]
    """True where the charges have names."""

    @property
    def passes(self) -> str:
        """The option that names the keyword."""
        return "pass_charge"

    @property
    def declaration(self) -> str:
        """The function that declares it."""
        return "consumes_entitlement"

    def __init__(
        self, guard: Guard, terms: DrawTerms, instead: Fallback | None = None, pass_charge: str | None = None
    ) -> None:
        super().__init__(instead, pass_charge, is_itemized=terms.per_item)
        self.guard = guard
        self._terms = terms
        self._fixed = terms.wish((), {}, is_joined=self.is_joined) if terms.is_fixed() else None

    @property
    def alternatives(self) -> tuple[tuple[Line, ...], ...]:
        """The entitlements that it draws, of which one line must be had as a whole."""
        return self._terms.alternatives

    def enter(self, /, *args: object, **kwargs: object) -> Entered[H]:
        """Reserve units for a call with these arguments, or raise why there are none.

        :raises EntitlementDenied: the licence has not so many left.
        :raises EntitlementUnavailable: the service or the ledger could not be asked, and policy says no.
        :raises ConfigurationError: the set-up is wrong, or a callable of the declaration gave a wrong value.
        """
        wish = self._fixed or self._wish(args, kwargs)
        entered: Entered[Any] = self.guard.draw(wish, charge_on_error=self._terms.charge_on_error)
        return entered

    async def aenter(self, /, *args: object, **kwargs: object) -> Entered[H]:
        """:meth:`enter` without blocking the loop."""
        wish = self._fixed or self._wish(args, kwargs)
        entered: Entered[Any] = await self.guard.adraw(wish, charge_on_error=self._terms.charge_on_error)
        return entered

    def check(self, /, *args: object, **kwargs: object) -> None:
        """Raise the error that :meth:`enter` would raise, as far as it is known. Draws no unit."""
        self.guard.probe(self._wish(args, kwargs))

    async def acheck(self, /, *args: object, **kwargs: object) -> None:
        """:meth:`check` without blocking the loop."""
        await self.guard.aprobe(self._wish(args, kwargs))

    def of(self, guard: Guard) -> Self:
        """Return the same draw of another guard."""
        return type(self)(guard, self._terms, self.instead, self.keyword)

    def _wish(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Wish:
        return self._fixed or self._terms.wish(args, kwargs, is_joined=self.is_joined)

    def _joined(self, other: object, sign: str) -> tuple[Guard, DrawTerms, Fallback | None, str | None]:
        """Return what a draw is made of that joins this one and another."""
        if not isinstance(other, AnyDraw):
            raise _not_joined(other, sign)
        mine, others, joined = self._terms, other._terms, f"draws joined by {sign}"
        if self.guard != other.guard:
            raise ConfigurationError(f"{joined} must have the same guard=")
        for name in "block", "subject", "per_item", "charge_on_error", "per_unit":
            if getattr(mine, name) != getattr(others, name):
                raise ConfigurationError(f"{joined} must have the same {name}=")
        both = tuple((*a, *b) for a in mine.alternatives for b in others.alternatives)
        terms = mine._replace(
            alternatives=both if sign == "&" else (*mine.alternatives, *others.alternatives),
            on_unknown=agreed(mine.on_unknown, others.on_unknown, "on_unknown=", joined),
        )
        instead = agreed(self.instead, other.instead, "fallback= or default=", joined)
        return self.guard, terms, instead, agreed(self.keyword, other.keyword, "pass_charge=", joined)

    def _either(self, other: Any) -> Any:
        made = self._joined(other, "|")
        return JoinedDraw(*made) if self.is_joined or other.is_joined else Draw(*made)

    # what stands on the left is no draw, else it would have been asked

    def __rand__(self, other: Never, /) -> Never:
        raise _not_joined(other, "&")

    def __ror__(self, other: Never, /) -> Never:
        raise _not_joined(other, "|")

    def __repr__(self) -> str:
        return f"<Draw of {self._terms}>"


class Draw(AnyDraw["Charge"]):
    """Units to count in front of code: a decorator and a (sync and async) context manager that gives a :class:`Charge`.

    Made by :func:`consumes_entitlement`. A draw is immutable, and may be used many times, by any number of threads
    and tasks at once, and within itself. ``a & b`` draws both or neither; ``a | b`` tries one after the other.
    """

    __slots__ = ()

    is_joined = False

    @overload
    def __and__(self, other: Draw | JoinedDraw, /) -> JoinedDraw: ...
    @overload
    def __and__(self, other: DegradingDraw[S, A], /) -> DegradingDraw[S, A]: ...
    def __and__(self, other: Any, /) -> Any:
        """Join two draws: both, or neither."""
        return JoinedDraw(*self._joined(other, "&"))

    @overload
    def __or__(self, other: Draw, /) -> Draw: ...
    @overload
    def __or__(self, other: JoinedDraw, /) -> JoinedDraw: ...
    @overload
    def __or__(self, other: DegradingDraw[S, A], /) -> DegradingDraw[S, A]: ...
    def __or__(self, other: Any, /) -> Any:
        """Join two draws: this one, or else the other."""
        return self._either(other)


class JoinedDraw(AnyDraw["Charges"]):
    """Draws of several entitlements at once, made by ``a & b``. Its context manager gives :class:`Charges`, by name."""

    __slots__ = ()

    is_joined = True

    @overload
    def __and__(self, other: Draw | JoinedDraw, /) -> JoinedDraw: ...
    @overload
    def __and__(self, other: DegradingDraw[S, A], /) -> DegradingDraw[S, A]: ...
    def __and__(self, other: Any, /) -> Any:
        """Join two draws: both, or neither."""
        return JoinedDraw(*self._joined(other, "&"))

    @overload
    def __or__(self, other: Draw | JoinedDraw, /) -> JoinedDraw: ...
    @overload
    def __or__(self, other: DegradingDraw[S, A], /) -> DegradingDraw[S, A]: ...
    def __or__(self, other: Any, /) -> Any:
        """Join two draws: this one, or else the other."""
        return self._either(other)


class DegradingDraw(Degrading[S_co, A_co], Protocol[S_co, A_co]):
    """A draw with a fallback or default: what it decorates may return that instead."""

    def __and__(self, other: Draw | JoinedDraw, /) -> DegradingDraw[S_co, A_co]: ...
    def __or__(self, other: Draw | JoinedDraw, /) -> DegradingDraw[S_co, A_co]: ...


class Meter(Barrier["Charge"]):
    """Usage to write down: a decorator and a (sync and async) context manager that gives a :class:`Charge`.

    Made by :func:`meters_usage`. It refuses nobody.
    """

    __slots__ = ("_entitlement", "_terms", "_value", "guard")

    @property
    def passes(self) -> str:
        """The option that names the keyword."""
        return "pass_charge"

    @property
    def declaration(self) -> str:
        """The function that declares it."""
        return "meters_usage"

    def __init__(
        self,
        guard: Guard,
        entitlement: Entitlement,
        value: Quantity | Callable[..., object],
        terms: DrawTerms,
        pass_charge: str | None = None,
    ) -> None:
        super().__init__(None, pass_charge, is_itemized=terms.per_item)
        self.guard = guard
        self._terms = terms._replace(alternatives=((entitlement,),))
        self._entitlement = entitlement
        self._value = value

    @property
    def alternatives(self) -> tuple[tuple[Line, ...], ...]:
        """Nothing: a meter refuses nobody."""
        return ()

    def enter(self, /, *args: object, **kwargs: object) -> Entered[Charge]:
        """Begin a call with these arguments.

        :raises ConfigurationError: the set-up is wrong, or a callable of the declaration gave a wrong value.
        """
        value = self._value
        quantity = metered("value", value(*args, **kwargs)) if callable(value) else value
        subject = subject_of(self._terms.subject, args, kwargs)
        entered: Entered[Any] = self.guard.meter(
            self._entitlement, quantity, subject, charge_on_error=self._terms.charge_on_error
        )
        return entered

    async def aenter(self, /, *args: object, **kwargs: object) -> Entered[Charge]:
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


def _not_joined(other: object, sign: str) -> Exception:
    if isinstance(other, Gate | Meter):
        return ConfigurationError(_apart(other, sign))
    return TypeError(f"a draw can be joined to draws; got {shortened(other)}")


def _apart(other: object, sign: str) -> str:
    return (
        f"{sign} joins gates to gates and draws to draws; a gate, a draw and a meter are put above each other, as "
        f"decorators or in one with statement ({other!r} stands on one side here)"
    )
