"""Several draws at once: ``a & b`` takes both or neither, ``a | b`` tries one after the other."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from meterguard import (
    Charge,
    Charges,
    ConfigurationError,
    Draw,
    EntitlementDenied,
    EntitlementUnavailable,
    JoinedDraw,
    consumes_entitlement,
)

MOST = 100  # units of each of the two entitlements


@pytest.fixture
def draw(guard):
    return guard.consumes_entitlement


@pytest.fixture
def both_charged(charged):
    return lambda: (charged("Pages"), charged("Tokens"))


# -- and -----------------------------------------------------------------------------------------------


def test_both_are_charged(draw, both_charged):
    both = draw("Pages", 2) & draw("Tokens", 3)
    assert both(lambda: "ran")() == "ran"
    assert both_charged() == (2, 3)


def test_both_are_settled_by_name(draw, both_charged):
    with draw("Pages", 10) & draw("Tokens", 20) as charges:
        assert isinstance(charges, Charges)
        assert {name: charge.reserved for name, charge in charges.items()} == {"Pages": 10, "Tokens": 20}
        charges["Pages"].settle(4)
        with pytest.raises(ConfigurationError) as caught:
            charges.settle(3)
        assert str(caught.value) == (
            "this call draws Pages and Tokens: settle each by its name, as in charge['Pages'].settle(...)"
        )
    assert both_charged() == (4, 20)


def test_both_are_cancelled(draw, both_charged):
    with draw("Pages", 10) & draw("Tokens", 20) as charges:
        charges.cancel()
    assert both_charged() == (0, 0)


def test_neither_is_charged_when_the_body_raises(draw, both_charged):
    def work():
        with draw("Pages", 10) & draw("Tokens", 20) as charges:
            charges["Tokens"].settle(1)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert both_charged() == (0, 1), "but for what was settled"


@pytest.mark.parametrize("order", [0, 1], ids=["the first", "the second"])
def test_when_one_is_denied_the_others_units_are_back(draw, both_charged, balance, order):
    names = ["Pages", "Tokens"]
    denied, other = names[order], names[1 - order]
    draws = [draw(name, MOST + 1 if name == denied else 10) for name in names]
    ran = []
    with pytest.raises(EntitlementDenied) as caught:
        (draws[0] & draws[1])(lambda: ran.append(1))()
    assert [one.name for one in caught.value.missing] == [denied]
    assert (ran, both_charged()) == ([], (0, 0))
    with draw(other, MOST):
        assert balance(other).reserved == MOST
    assert balance(other).charged == MOST


def test_the_same_entitlement_is_added_up(draw, charged):
    with draw("Pages", 2) & draw("Pages", lambda: 3) as charges:
        assert charges["Pages"].reserved == 5
    assert charged() == 5


def test_three_and_of_alternatives(draw, both_charged, charged, lm):
    three = draw("Pages", 1) & draw("Tokens", 2) & draw("Jobs", 1)
    with three as charges:
        assert list(charges) == ["Pages", "Tokens", "Jobs"]
    with (draw("Nope", 1) | draw("Pages", 3)) & draw("Tokens", 4) as charges:
        assert list(charges) == ["Pages", "Tokens"]
    assert (both_charged(), charged("Jobs")) == ((4, 6), 1)


# -- or ------------------------------------------------------------------------------------------------


def test_the_first_that_is_granted_is_charged(draw, both_charged):
    either = draw("Pages", 60) | draw("Tokens", 60)
    names = []
    for _ in range(2):
        with either as charge:
            assert isinstance(charge, Charge)
            names.append(charge.entitlement.name)
    with pytest.raises(EntitlementDenied), either:
        pass
    assert (names, both_charged()) == (["Pages", "Tokens"], (60, 60))


def test_more_than_two(draw, charged):
    work = (draw("Nope", 1) | draw("Neither", 1) | draw("Tokens", 1) | draw("Pages", 1))(lambda: "ran")
    assert [work(), charged("Tokens"), charged("Pages")] == ["ran", 1, 0]


def test_where_one_was_unknown_the_answer_is_unknown(draw, lm):
    either = draw("Nope", 1) | draw("Pages", 1)
    lm.faults.add("CheckoutLicense", error="NoEntitlementsAllowedException", times=1)
    lm.faults.add("CheckoutLicense", error="RedirectException", times=None)
    with pytest.raises(EntitlementUnavailable), either:
        pass


def test_under_allow_an_unknown_lets_it_through_uncounted(draw, both_charged, unreachable):
    either = draw("Pages", 1, on_unknown="allow") | draw("Tokens", 1)
    with unreachable(), either as charge:
        assert charge.reserved == 0
    with unreachable(), draw("Pages", 1, on_unknown="allow") & draw("Tokens", 1) as charges:
        assert [charge.reserved for charge in charges.values()] == [0, 0]
    assert both_charged() == (0, 0)


def test_an_alternative_of_several_gives_charges_by_name_whichever_it_is(draw, both_charged):
    for either in (
        draw("Pages", 1) | draw("Nope", 1) & draw("Tokens", 1),
        draw("Nope", 1) & draw("Tokens", 1) | draw("Pages", 1),
    ):
        assert isinstance(either, JoinedDraw)
        with either as charges:
            assert list(charges) == ["Pages"]
    assert both_charged() == (2, 0)


def test_what_a_function_gets_is_of_the_same_kind(draw):
    one, both = draw("Pages", 1, pass_charge="charge"), draw("Pages", 1, pass_charge="charge") & draw("Tokens", 1)
    assert isinstance(one, Draw)
    assert isinstance(one(lambda charge: charge)(), Charge)
    assert isinstance(both(lambda charge: charge)(), Charges)


# -- above each other ----------------------------------------------------------------------------------


def test_nested_draws_are_charged_each(draw, both_charged):
    pages = draw("Pages", 10)
    with pages as outer, pages as inner, draw("Tokens", 5) as other:
        inner.settle(1)
        other.settle(2)
        outer.settle(3)
    assert both_charged() == (4, 2)


def test_what_is_inside_is_charged_when_what_is_outside_fails(draw, both_charged):
    inner = draw("Tokens", 5)(lambda: None)

    @draw("Pages", 10)
    def outer():
        inner()
        raise KeyError

    with pytest.raises(KeyError):
        outer()
    assert both_charged() == (0, 5)


def test_a_draw_within_itself(draw, charged):
    @draw("Pages", lambda depth: depth + 1)
    def work(depth):
        return depth + (work(depth - 1) if depth else 0)

    assert (work(3), charged()) == (6, 10)


@pytest.mark.parametrize("order", ["gate above", "gate below"])
def test_a_gate_and_a_draw(guard, denied, used, charged, order):
    def stacked(gate, draw):
        work = lambda: (ran.append(used()), "ran")[1]  # noqa: E731
        return gate(draw(work)) if order == "gate above" else draw(gate(work))

    ran = []
    draw, gate = guard.consumes_entitlement("Pages", 2), guard.requires_entitlement("Seats", 1, hold="call")
    assert (stacked(gate, draw)(), ran, used(), charged()) == ("ran", [1], 0, 2)
    for refused in (stacked(denied(), draw), stacked(gate, guard.consumes_entitlement("Nope", 1))):
        with pytest.raises(EntitlementDenied):
            refused()
    assert (ran, used(), charged()) == ([1], 0, 2)


def test_all_three_in_one_with_statement(guard, used, charged, metered):
    seat, pages, meter = (
        guard.requires_entitlement("Seats", 1, hold="call"),
        guard.consumes_entitlement("Pages", 2),
        guard.meters_usage("Requests"),
    )

    async def main():
        async with seat, pages, meter:
            pass

    with seat as lease, pages, meter:
        assert (lease.is_live, used()) == (True, 1)
    asyncio.run(main())
    assert (used(), charged(), metered()) == (0, 4, 2)


# -- what does not go together ---------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["&", "|"])
def test_gates_draws_and_meters_are_not_joined(guard, sign):
    kinds = [guard.requires_entitlement("Seats", 1), guard.consumes_entitlement("Pages", 1), guard.meters_usage("R")]
    for a in kinds:
        for b in kinds:
            if type(a) is type(b) and a is not kinds[2]:
                continue
            with pytest.raises(ConfigurationError) as caught:
                a & b if sign == "&" else a | b
            assert str(caught.value).startswith(
                f"{sign} joins gates to gates and draws to draws; a gate, a draw and a meter are put above each other, "
                "as decorators or in one with statement ("
            )


@pytest.mark.parametrize("other", [None, 1, len, "Pages"], ids=repr)
def test_what_is_no_draw_is_not_joined(guard, other):
    draw = guard.consumes_entitlement("Pages", 1)
    for join in (lambda: draw & other, lambda: draw | other, lambda: other & draw, lambda: other | draw):
        with pytest.raises(TypeError, match=r"^a draw can be joined to draws; got "):
            join()


customer = contextvars.ContextVar("customer")
DIFFERENCES = {
    "block": {"block": 10},
    "subject": {"subject": customer},
    "per_item": {"per_item": True},
    "charge_on_error": {"charge_on_error": True},
    "per_unit": {"per_unit": 1000},
}


@pytest.mark.parametrize("sign", ["&", "|"])
@pytest.mark.parametrize(("name", "options"), DIFFERENCES.items(), ids=DIFFERENCES)
def test_joined_draws_must_agree(draw, sign, name, options):
    a, b = draw("Pages", 1), draw("Tokens", 1, **options)
    for one, other in ((a, b), (b, a)):
        with pytest.raises(ConfigurationError, match=rf"^draws joined by \{sign} must have the same {name}=$"):
            one & other if sign == "&" else one | other
    same = draw("Pages", 1, **options)
    assert isinstance(same & b, JoinedDraw)
    assert isinstance(same | b, Draw)


def test_they_must_be_of_one_guard(draw):
    with pytest.raises(ConfigurationError, match=r"^draws joined by & must have the same guard=$"):
        draw("Pages", 1) & consumes_entitlement("Tokens", 1)


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        ({"on_unknown": "allow"}, {"on_unknown": "deny"}, "on_unknown="),
        ({"default": 1}, {"default": 2}, "fallback= or default="),
        ({"pass_charge": "a"}, {"pass_charge": "b"}, "pass_charge="),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_both_say_they_say_alike(draw, a, b, name):
    with pytest.raises(ConfigurationError, match=rf"^draws joined by \| must not differ in {name}$"):
        draw("Pages", 1, **a) | draw("Tokens", 1, **b)
    assert isinstance(draw("Pages", 1, **a) | draw("Tokens", 1), Draw)


def test_a_fallback_of_one_is_that_of_both(draw, both_charged):
    work = (draw("Pages", 1) & draw("Tokens", MOST + 1, default="instead"))(lambda: "ran")
    assert (work(), both_charged()) == ("instead", (0, 0))
