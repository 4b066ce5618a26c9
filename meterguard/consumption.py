"""The functions that declare draws and meters of the default guard, or of one that is named."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from .default import CURRENT
from .gating.consumption import Amount, DrawOptions, MeterOptions, Units, declare_draw, declare_meter
from .guard import MeterGuard

if TYPE_CHECKING:
    from .gating.draw import DegradingDraw, Draw, Meter
    from .gating.gate import Work
    from .units import Unit

D = TypeVar("D")


@overload
def consumes_entitlement(
    name: str,
    value: Units,
    unit: Unit | str = "Count",
    *,
    fallback: Callable[..., Work[D]],
    guard: MeterGuard | None = None,
    **options: Unpack[DrawOptions],
) -> DegradingDraw[Work[D], D]: ...
@overload
def consumes_entitlement(
    name: str,
    value: Units,
    unit: Unit | str = "Count",
    *,
    fallback: Callable[..., D],
    guard: MeterGuard | None = None,
    **options: Unpack[DrawOptions],
) -> DegradingDraw[D, D]: ...
@overload
def consumes_entitlement(
    name: str,
    value: Units,
    unit: Unit | str = "Count",
    *,
    default: D,
    guard: MeterGuard | None = None,
    **options: Unpack[DrawOptions],
) -> DegradingDraw[D, D]: ...
@overload
def consumes_entitlement(
    name: str,
    value: Units,
    unit: Unit | str = "Count",
    *,
    guard: MeterGuard | None = None,
    **options: Unpack[DrawOptions],
) -> Draw: ...
def consumes_entitlement(name: object, *amount: object, guard: MeterGuard | None = None, **options: object) -> object:
    """Return a draw: what runs behind it uses units of a licence up.

    ::

        @consumes_entitlement("Pages", lambda document: document.pages, "Count", block=100)
        def render(document): ...

        with consumes_entitlement("Tokens", 2_000, "Count") as charge:
            charge.settle(ask_the_model())

    The units are reserved before the code runs, charged when it succeeds, and given back when it raises. They are drawn
    from the licence in blocks (``CheckoutLicense`` with type ``PERPETUAL``, which never come back), and counted in the
    guard's ledger.

    :param name: the entitlement's name in the licence.
    :param value: how many units a call uses: a positive whole number, or a callable that gets the call's arguments and
        returns one.
    :param unit: a :class:`Unit` or its wire string, one that is counted; it must be the unit of the licence. Nothing is
        converted to another one.
    :param per_unit: how many of what ``value`` and ``settle`` count make one unit, from 2, as in
        ``consumes_entitlement("Scanned", size_in_bytes, "Gigabytes", per_unit=10**9)``. Units are charged whole, each
        to the call that uses its first part; its other parts are for later calls, and the ledger keeps them meanwhile.
    :param block: how many units are drawn at once; one further block may be drawn ahead of need. None: as many as a
        call needs at first, and more, up to 1,000, when they go fast.
    :param charge_on_error: charge a call that raises, too.
    :param per_item: charge ``value`` for each item that a generator yields, and not once. Units are reserved
        before an item is made; an item for which there are none reaches nobody, and the call raises.
    :param subject: for whom, for the usage records: a string, a ``ContextVar`` or a callable on the call's arguments.
    :param on_unknown: overrides the guard's policy for when units have run out and the service cannot be asked.
        Grace does not apply to draws: ``"grace"`` means ``"deny"`` here. Under ``"allow"`` the call is not counted.
    :param fallback: called with the same arguments, instead of raising, on denied or unknown.
    :param default: returned instead of raising, on denied or unknown; None counts.
    :param pass_charge: the keyword under which the function gets its :class:`Charge`.
    :param guard: the guard to ask; default: the one of :func:`configure` or of the environment, looked up at each call.
    :raises ConfigurationError: here for a wrong declaration, at the call for a wrong set-up.
    :raises EntitlementDenied: at the call: the licence has not so many units left.
    :raises EntitlementUnavailable: at the call: the service or the ledger could not be asked, and policy says no.
    """
    return declare_draw(CURRENT if guard is None else guard, name, *amount, **options)


def meters_usage(
    name: str,
    value: Amount = 1,
    unit: Unit | str = "Count",
    *,
    guard: MeterGuard | None = None,
    **options: Unpack[MeterOptions],
) -> Meter:
    """Return a meter: what runs behind it is written down, for a bill. It asks no licence and refuses nobody.

    ::

        @meters_usage("Requests", subject=current_customer)
        def answer(request): ...

    The usage of a call that succeeds is in the guard's ledger before the call returns.

    :param name: what is counted; where it is reported to AWS Marketplace, the dimension's name.
    :param value: how much a call uses: a positive ``int``, or ``Decimal`` of at most 6 places, or a callable that
        gets the call's arguments and returns one.
    :param unit: a :class:`Unit` or its wire string, one that is counted.
    :param subject: for whom, for the usage records: a string, a ``ContextVar`` or a callable on the call's arguments.
    :param charge_on_error: count a call that raises, too.
    :param per_item: count ``value`` for each item that a generator yields, and not once.
    :param pass_charge: the keyword under which the function gets its :class:`Charge`.
    :param guard: the guard whose ledger it is; default: the one of :func:`configure` or of the environment.
    :raises ConfigurationError: here for a wrong declaration, at the call for a wrong set-up.
    """
    return declare_meter(CURRENT if guard is None else guard, name, value, unit, **options)


def _signature(declare: Callable[..., object]) -> inspect.Signature:
    """Return the signature of a declaration: the guard comes last, and by name."""
    guard, *others, _ = inspect.signature(declare).parameters.values()
    last = inspect.Parameter(guard.name, inspect.Parameter.KEYWORD_ONLY, default=None)
    plain = [one.replace(annotation=one.empty) for one in others]
    plain[1] = plain[1].replace(default=1 if declare is declare_meter else inspect.Parameter.empty)
    return inspect.Signature([*plain, last])


consumes_entitlement.__dict__["__signature__"] = _signature(declare_draw)
meters_usage.__dict__["__signature__"] = _signature(declare_meter)
