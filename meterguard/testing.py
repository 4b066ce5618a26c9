"""A licence in the hands of a test: who is entitled to what, what the service does, what was asked.

What a test gets is real: boto3, a guard, and an emulator of License Manager that answers in the process, without a
socket. Only AWS is missing.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from .default import exchange_guard
from .emulator import Emulator, Fault, Request
from .errors import ConfigurationError
from .guard import MeterGuard
from .model import Entitlement, shortened
from .runtime import clock, forking

__all__ = ("Clock", "Control", "override")

T = TypeVar("T")

_REGION = "us-east-1"
_PRODUCT = "meterguard-testing"
_MINE, _OTHERS = "guard", "others"
# Longer than a guard tries: what is going to fail all the time is not tried again, and no test has to wait for that.
_LASTING = {"Retry-After": "60"}


class Clock:
    """Moves time for emulators and for all guards alike, without waiting for it. Nothing else of the process moves."""

    def __init__(self, *emulators: Emulator) -> None:
        for one in emulators:
            if not isinstance(one, Emulator):
                raise ConfigurationError(f"emulators: {shortened(one)} is not an Emulator")
        self._emulators = emulators
        self._moved = 0.0

    def shift(self, duration: float | timedelta) -> None:
        """Let time pass: seconds, or a timedelta."""
        seconds = _seconds(duration)
        for emulator in self._emulators:
            emulator.clock.advance(seconds)
        self._move(seconds)

    advance = shift
    """The emulator's word for the same."""

    def restore(self) -> None:
        """Back to the true time, for guards; emulators keep theirs."""
        self._move(-self._moved)

    def _move(self, seconds: float) -> None:
        clock.move(seconds)
        self._moved += seconds
        for guard in forking.enlisted(MeterGuard):
            guard.empty_windows()


class Control:
    """What a test does to its licence, and asks of it.

    :param entitlements: what is granted at the start: a number of units, ``(number, unit)``, True or None for a
        feature, a text for a feature that carries it, False for what is denied.
    :param options: further arguments of the :class:`~meterguard.MeterGuard`. A denial is not remembered
        (``denial_ttl=0``) unless they say so.
    """

    guard_class = MeterGuard

    def __init__(self, entitlements: Mapping[str, Any] | None = None, **options: Any) -> None:
        granted = _table("entitlements", entitlements)
        self.emulator = Emulator(region=_REGION)
        self.clock = Clock(self.emulator)
        self._granted: dict[str, tuple[str, Any, str]] = {}
        self._spent: Counter[str] = Counter()
        for name, terms in granted.items():
            if terms is not False:
                self._put(name, *_terms(terms))
        self._licence = self.emulator.add_license(_PRODUCT, entitlements=self._entitlements())
        self.guard = self._make_guard({"denial_ttl": 0, **options})

    # -- what the licence says -------------------------------------------------------------------

    def grant(self, name: str, value: Any = None, unit: str | None = None) -> None:
        """Put an entitlement into the licence: so many units, or a feature without a value."""
        terms = (value, unit) if unit is not None else value
        self._put(name, *_terms(terms))
        self._changed()

    def deny(self, *names: str) -> None:
        """Take entitlements out of the licence. Leases on them end."""
        _require_names("names", *names)
        for name in names:
            self._granted.pop(name, None)
        self._changed()

    def exhaust(self, *names: str) -> None:
        """Let somebody else use up every unit that is left. Leases of this test's guard go back first."""
        _require_names("names", *names)
        self._restart()
        used = self.emulator.usage(_PRODUCT)
        for name in names:
            _, most, unit = self._granted.get(name, (name, None, "None"))
            if unit == "None":
                raise ConfigurationError(f"{name!r} is no counted entitlement that was granted, so it has no units")
            left = most + self._spent[name] - used[name]
            if left > 0:
                self._spend(name, left, unit)

    def _spend(self, name: str, units: int, unit: str) -> None:
        with self.emulator.faults.paused():
            _client(self.emulator, _OTHERS).checkout_license(
                ProductSKU=_PRODUCT,
                CheckoutType="PERPETUAL",  # which no passing of time gives back
                KeyFingerprint=self._licence.key_fingerprint,
                Entitlements=[{"Name": name, "Value": str(units), "Unit": unit}],
                ClientToken=f"{name}-{self._spent[name]}",
            )
        self._spent[name] += units

    # -- what the service does -------------------------------------------------------------------

    def fail(self, error: str = "InternalFailure", operation: str = "*", **how: Any) -> Fault:
        """Let requests fail from now on, with the code of an error of the service.

        A code that means a no, such as ``AccessDeniedException``, is a refusal; others make the answer unknown. Leases
        that are held go on until they end, as in life; :meth:`expire` ends them. No call waits for it to be over: the
        answers say to try again in a minute, unless ``times`` says how many there are.

        :param how: anything else that :meth:`meterguard.emulator.Faults.add` knows, such as ``times``.
        """
        lasting = {"headers": _LASTING} if how.get("times") is None else {}
        return self.emulator.faults.add(operation, **{"error": error, "times": None, **lasting, **how})

    def recover(self) -> None:
        """Let requests succeed again."""
        self.emulator.faults.clear()

    def expire(self) -> None:
        """Let so much time pass that every lease has ended."""
        longest = max((lease.expires_in for lease in self.guard.leases()), default=0.0)
        self.clock.shift(longest + 1)

    # -- what happened ---------------------------------------------------------------------------

    @property
    def calls(self) -> list[str]:
        """The operations that the guard asked for, in order."""
        return [request.operation for request in self._requests()]

    def in_use(self, name: str) -> int:
        """How many units of an entitlement the guard holds; for a feature, how many leases are on it."""
        _require_names("name", name)
        return sum(
            one.value if isinstance(one.value, int) else 1
            for lease in self.guard.leases()
            for one in lease.entitlements
            if one.name == name
        )

    def assert_checked_out(self, name: str, value: int | None = None) -> None:
        """Fail unless so many units of it are held now; None: unless any is."""
        _require_units(value)
        found = self.in_use(name)
        if found != value if value is not None else not found:
            wanted = f"{value} of {name}" if value is not None else name
            raise AssertionError(f"{wanted} should be checked out; {self._story()}")

    def assert_all_checked_in(self) -> None:
        """Fail unless nothing is held."""
        if self.guard.leases():
            raise AssertionError(f"everything should be checked in; {self._story()}")

    def leaks(self) -> list[str]:
        """Seats of single calls (``hold="call"``) that nobody gave back."""
        engine = self.guard.engine_in_use
        seats = [] if engine is None else list(engine.fleet.seats)
        return sorted(" and ".join(map(str, seat.key.requirement)) for seat in seats if seat.lease is not None)

    def unused(self) -> list[str]:
        """What is granted, and was never asked for."""
        asked = {one["Name"] for request in self._requests() for one in request.parameters.get("Entitlements", ())}
        return sorted(self._granted.keys() - asked)

    def _story(self) -> str:
        held = "; ".join(map(repr, self.guard.leases())) or "nothing"
        return f"held now: {held}; asked of the service: {', '.join(map(_told, self._requests())) or 'nothing'}"

    def _requests(self) -> list[Request]:
        return [request for request in tuple(self.emulator.requests) if request.caller.access_key == _MINE]

    # -- life ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give everything back, and set the clock right."""
        self.recover()
        self.guard.close()
        self.clock.restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------

    def _make_guard(self, options: Mapping[str, Any]) -> MeterGuard:
        client = _client(self.emulator, _MINE)
        try:
            return self.guard_class(_PRODUCT, self._licence.key_fingerprint, client=client, **options)
        except TypeError as error:  # an option that there is not, or one that belongs to the fixture
            raise ConfigurationError(f"options of the guard: {error}") from None

    def _put(self, name: str, value: Any, unit: str) -> None:
        try:
            Entitlement(name, value, unit)
        except ValueError as error:
            raise ConfigurationError(f"what is granted makes no sense: {error}") from None
        self._granted[name] = (name, value, unit)

    def _entitlements(self) -> list[Any]:
        # a licence has at least one entitlement
        terms = self._granted.values()
        return [
            (name, value if unit == "None" else value + self._spent[name], unit) for name, value, unit in terms
        ] or [("meterguard::Nothing", None, "None")]

    def _changed(self) -> None:
        self._restart()
        self._licence = self.emulator.update_license(_PRODUCT, entitlements=self._entitlements())

    def _restart(self) -> None:
        """What is held was granted on other terms."""
        with self.emulator.faults.paused():
            self.guard.close()
        self.guard.reopen()


def _client(emulator: Emulator, who: str) -> Any:
    import boto3
    from botocore.config import Config

    # as a guard's own client: what is to be tried again the guard decides
    once = Config(retries={"total_max_attempts": 1}, proxies={})
    session = boto3.Session(aws_access_key_id=who, aws_secret_access_key="opens nothing", region_name=_REGION)  # noqa: S106
    client = session.client("license-manager", endpoint_url="http://127.0.0.1:9", config=once)
    emulator.attach(client)
    return client


def _told(request: Request) -> str:
    """One request and what became of it."""
    asked = " and ".join(
        " ".join(one[key] for key in ("Name", "Value") if key in one)
        for one in request.parameters.get("Entitlements", ())
    )
    outcome = request.error or ("dropped" if request.dropped else "")
    return request.operation + (f" of {asked}" if asked else "") + (f" ({outcome})" if outcome else "")


def _seconds(duration: object) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, (int, float)) and not isinstance(duration, bool) and math.isfinite(duration):
        return float(duration)
    raise ConfigurationError(f"duration: {shortened(duration)} is neither seconds nor a timedelta")


def _require_units(value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ConfigurationError(f"value: {shortened(value)} is not a number of units")


def _table(argument: str, given: object) -> Mapping[str, Any]:
    given = {} if given is None else given
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigurationError(f"{argument}: {shortened(given)} is not a mapping of names")
    return given


def _require_names(argument: str, *names: object) -> None:
    for name in names:
        if not isinstance(name, str):
            raise ConfigurationError(f"{argument}: {shortened(name)} is not the name of an entitlement")


def _terms(terms: Any) -> tuple[Any, str]:
    if terms is None or terms is True:
        return None, "None"
    if isinstance(terms, tuple) and len(terms) == 2:
        return terms[0], str(terms[1])
    if isinstance(terms, int):
        return terms, "Count"
    if isinstance(terms, str):
        return terms, "None"
    raise ConfigurationError(
        "what is granted must be a number of units, (number, unit), True for a feature, or a text that a feature "
        f"carries; got {shortened(terms)}"
    )


class override:  # noqa: N801 - it is used as a decorator and a statement
    """Another default guard, with a licence as described, for a test or a block.

    ::

        with override(Seats=5, Export=False) as control: ...

        @override(Seats=5)
        async def test_export(): ...

        @override({"AWS::Marketplace::Usage": True})
        class ExportTest(unittest.TestCase): ...

    Gates that were declared before, and name no guard, follow it. Each use has a licence of its own; a decorated
    function that takes a ``control`` gets it. On a class it wraps each test method.

    :param entitlements: what the licence has, as for :class:`Control`, for names that are no Python names.
    :param options: arguments for the guard.
    """

    control_class = Control

    def __init__(
        self,
        entitlements: Mapping[str, Any] | None = None,
        /,
        *,
        options: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        self._entitlements = {**_table("entitlements", entitlements), **named}
        self._options = dict(_table("options", options))
        self._open: list[tuple[Control, MeterGuard | None]] = []

    def __enter__(self) -> Control:
        control = self.control_class(self._entitlements, **self._options)
        self._open.append((control, exchange_guard(control.guard)))
        return control

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        control, before = self._open.pop()
        exchange_guard(before)
        control.close()

    async def __aenter__(self) -> Control:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, trace)

    def __call__(self, decorated: T) -> T:
        given: object = decorated
        if not callable(given):
            raise ConfigurationError(f"override decorates a function or a class, not {shortened(decorated)}")
        if isinstance(decorated, type):
            for name, method in list(vars(decorated).items()):
                if name.startswith("test") and callable(method):
                    setattr(decorated, name, self._wrapped(method))
            return decorated
        wrapped: T = self._wrapped(decorated)
        return wrapped

    def _wrapped(self, test: Any) -> Any:
        takes_control = "control" in inspect.signature(test).parameters

        def fresh() -> override:
            return type(self)(self._entitlements, options=self._options)

        def given(control: Control, kwargs: dict[str, Any]) -> dict[str, Any]:
            return {**kwargs, "control": control} if takes_control else kwargs

        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                async with fresh() as control:
                    return await test(*args, **given(control, kwargs))

            wrapper: Any = run_async
        else:

            @functools.wraps(test)
            def run(*args: Any, **kwargs: Any) -> Any:
                with fresh() as control:
                    return test(*args, **given(control, kwargs))

            wrapper = run
        if takes_control:  # pytest would look for a fixture of that name
            signature = inspect.signature(test)
            kept = [one for one in signature.parameters.values() if one.name != "control"]
            wrapper.__signature__ = signature.replace(parameters=kept)
        return wrapper
