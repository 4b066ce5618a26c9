"""``fallback=`` and ``default=``: what a call gives instead of raising on denied or unknown."""

from __future__ import annotations

import asyncio
import threading

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable, requires_entitlement

FAULTS = {
    "no": "NoEntitlementsAllowedException",
    "refused by IAM": "AccessDeniedException",
    "unknown": "RedirectException",
}


@pytest.fixture(params=FAULTS.values(), ids=FAULTS)
def no_seat(request, lm, guard):
    """``no_seat(**options)``: a gate whose checkout fails."""
    lm.faults.add("CheckoutLicense", error=request.param, times=None)
    return lambda **options: guard.requires_entitlement("Seats", 1, **options)


# -- what comes instead --------------------------------------------------------------------------


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_fallback_gets_the_arguments_and_gives_the_result(no_seat, hold):
    ran = []

    @no_seat(fallback=lambda *args, **kwargs: (args, kwargs), hold=hold)
    def guarded(*args, **kwargs):
        ran.append(args)

    assert guarded(1, 2, c=3) == ((1, 2), {"c": 3})
    assert ran == []


@pytest.mark.parametrize("hold", ["shared", "call"])
@pytest.mark.parametrize("default", [None, 0, (), "instead"], ids=repr)
def test_a_default_is_the_result_also_when_it_is_none(no_seat, default, hold):
    guarded = no_seat(default=default, hold=hold)(lambda: "never")
    assert guarded() is default


def test_the_same_object_is_given_each_time(denied):
    default = []
    guarded = denied(default=default)(lambda: "never")
    assert guarded() is default
    assert guarded() is default


def test_a_fallback_of_a_method_gets_self(denied):
    class Report:
        def short(self, pages):
            return self, pages

        @denied(fallback=short)
        def full(self, pages):
            raise AssertionError

    report = Report()
    assert report.full(3) == (report, 3)


def test_a_fallback_of_a_classmethod_gets_the_class(denied):
    class Report:
        @classmethod
        @denied(fallback=lambda cls, pages: (cls, pages))
        def below(cls, pages): ...

        @denied(fallback=lambda cls, pages: (cls, pages))
        @classmethod
        def above(cls, pages): ...

    assert Report.below(1) == (Report, 1)
    assert Report.above(2) == (Report, 2)


async def coroutine(x):
    await asyncio.sleep(0)
    return "instead", x


FALLBACKS = {"plain": lambda x: ("instead", x), "coroutine": coroutine, "plain of a coroutine": lambda x: coroutine(x)}


@pytest.mark.parametrize("fallback", FALLBACKS.values(), ids=FALLBACKS)
@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_coroutine_function_may_fall_back_on_either_kind(no_seat, fallback, hold):
    @no_seat(fallback=fallback, hold=hold)
    async def guarded(x): ...

    assert asyncio.run(guarded(1)) == ("instead", 1)


def test_a_coroutine_function_may_have_a_default(no_seat):
    @no_seat(default=None)
    async def guarded():
        return "never"

    assert asyncio.run(guarded()) is None


def test_a_fallback_may_be_guarded_too(denied, guard, checkouts):
    lesser = guard.requires_entitlement("Export")(lambda: "lesser")
    assert denied(fallback=lesser)(lambda: "never")() == "lesser"
    assert checkouts() == [{"Nope": None}, {"Export": None}]


def test_an_exception_of_the_fallback_is_not_chained_to_the_denial(denied):
    error = ValueError("mine")

    def fallback():
        raise error

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        denied(fallback=fallback)(lambda: "never")()
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)


def test_the_fallback_takes_no_seat(denied, used):
    assert denied(fallback=used, hold="call")(lambda: "never")() == 0


# -- when it comes -------------------------------------------------------------------------------


def test_with_a_seat_the_fallback_does_not_run(guard):
    guarded = guard.requires_entitlement("Seats", 1, fallback=lambda: "instead")(lambda: "ran")
    assert [guarded(), guarded()] == ["ran", "ran"]


def test_it_comes_and_goes_with_the_seat(guard, used):
    """One seat too few: the call degrades; the seat comes free: the next call has it."""
    guarded = guard.requires_entitlement("Seats", 1, hold="call", default="instead")(lambda: "ran")
    with guard.requires_entitlement("Seats", 3, hold="call"):
        assert guarded() == "instead"
    assert guarded() == "ran"


def test_calls_at_once_degrade_one_by_one(guard, used):
    """Four calls for three seats: three run, one falls back."""
    barrier = threading.Barrier(4, timeout=10)
    outcomes = []

    @guard.requires_entitlement("Seats", 1, hold="call", fallback=lambda: "instead")
    def work():
        barrier.wait()
        return "ran"

    def call():
        outcome = work()
        if outcome == "instead":
            barrier.wait()
        outcomes.append(outcome)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["instead", "ran", "ran", "ran"]


@pytest.mark.parametrize(
    "raised", [EntitlementDenied("mine"), EntitlementUnavailable("mine"), ValueError("mine")], ids=repr
)
def test_what_the_function_itself_raises_is_not_degraded(guard, raised):
    """Not even a denial: that one is of some gate inside, which had its own say."""

    def work():
        raise raised

    async def awork():
        raise raised

    gate = guard.requires_entitlement("Seats", 1, default="instead")
    with pytest.raises(type(raised)) as caught:
        gate(work)()
    assert caught.value is raised
    with pytest.raises(type(raised)) as caught:
        asyncio.run(gate(awork)())
    assert caught.value is raised


def test_a_mistake_is_never_degraded(lm, guard):
    lm.faults.add("CheckoutLicense", error="InvalidParameterValueException", times=None)
    for option in ({"default": "instead"}, {"fallback": lambda: "instead"}, {"on_unknown": "allow"}):
        with pytest.raises(ConfigurationError):
            guard.requires_entitlement("Seats", 1, **option)(lambda: "never")()


def test_a_missing_set_up_is_never_degraded():
    guarded = requires_entitlement("Seats", 1, default="instead", on_unknown="allow")(lambda: "never")
    with pytest.raises(ConfigurationError, match=r"^product_sku is missing"):
        guarded()


def test_a_closed_guard_is_never_degraded(guard):
    guarded = guard.requires_entitlement("Seats", 1, default="instead", on_unknown="allow")(lambda: "ran")
    assert guarded() == "ran"
    guard.close()
    with pytest.raises(ConfigurationError, match="closed"):
        guarded()
