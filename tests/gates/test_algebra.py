"""``a & b`` is one atomic checkout of both; ``a | b`` are ordered alternatives."""

from __future__ import annotations

import asyncio

import pytest

from meterguard import AuthorizationRefused, ConfigurationError, EntitlementDenied, EntitlementUnavailable


@pytest.fixture
def gates(guard):
    """``gates(a, b)``: gates for these, of one guard."""
    return lambda *asked, **options: [guard.requires_entitlement(*one, **options) for one in asked]


def names(error):
    return [str(one) for one in error.entitlements]


# -- and -----------------------------------------------------------------------------------------


def test_both_are_taken_in_one_request(gates, checkouts, lm, licence):
    seat, job = gates(("Seats", 1), ("Jobs", 2))
    with seat & job as lease:
        assert [str(one) for one in lease.entitlements] == ["Seats (1 Count)", "Jobs (2 Count)"]
    assert checkouts() == [{"Seats": "1", "Jobs": "2"}]
    assert lm.usage(licence) == {"Seats": 1, "Jobs": 2, "Pages": 0, "Tokens": 0}


def test_without_one_of_them_none_is_taken(gates, lm, licence):
    both = gates(("Seats", 1))[0] & gates(("Nope",))[0]
    with pytest.raises(EntitlementDenied) as caught:
        both(lambda: "never")()
    assert names(caught.value) == ["Seats (1 Count)", "Nope"]
    assert lm.usage(licence) == {"Seats": 0, "Jobs": 0, "Pages": 0, "Tokens": 0}


def test_more_than_two_may_be_joined(gates, checkouts):
    seat, job, export = gates(("Seats", 1), ("Jobs", 1), ("Export",))
    assert (seat & job & export)(lambda: "ran")() == "ran"
    assert checkouts() == [{"Seats": "1", "Jobs": "1", "Export": None}]


def test_one_name_twice_is_asked_for_as_its_sum(gates, checkouts):
    one, two = gates(("Seats", 1), ("Seats", 2))
    assert (one & two)(lambda: "ran")() == "ran"
    assert checkouts() == [{"Seats": "3"}]


def test_a_feature_twice_is_asked_for_once(gates, checkouts):
    feature, same = gates(("Export",), ("Export",))
    assert (feature & same)(lambda: "ran")() == "ran"
    assert checkouts() == [{"Export": None}]


def test_one_name_in_two_units_is_a_mistake(gates):
    count, megabytes = gates(("Seats", 1), ("Seats", 1, "Megabytes"))
    with pytest.raises(ConfigurationError, match=r"^'Seats' is asked for in 'Count' and in 'Megabytes' at once"):
        count & megabytes


def test_what_was_declared_apart_stays_apart(gates, checkouts):
    seat, job = gates(("Seats", 1), ("Jobs", 1))
    seat & job, seat | job
    assert seat(lambda: "ran")() == "ran"
    assert checkouts() == [{"Seats": "1"}]


# -- or ------------------------------------------------------------------------------------------


def test_the_first_that_is_granted_is_taken(gates, checkouts):
    nope, seat, job = gates(("Nope",), ("Seats", 1), ("Jobs", 1))
    with nope | seat | job as lease:
        assert [str(one) for one in lease.entitlements] == ["Seats (1 Count)"]
    assert checkouts() == [{"Nope": None}, {"Seats": "1"}]


def test_one_that_is_held_is_used_before_another_is_asked_for(gates, checkouts):
    seat, job = gates(("Seats", 1), ("Jobs", 1))
    with job:
        pass
    with seat | job as lease:
        assert [str(one) for one in lease.entitlements] == ["Jobs (1 Count)"]
    assert checkouts() == [{"Jobs": "1"}]


def test_later_calls_ride_on_what_was_granted(gates, checkouts):
    nope, seat = gates(("Nope",), ("Seats", 1))
    guarded = (nope | seat)(lambda: "ran")
    assert [guarded(), guarded(), guarded()] == ["ran"] * 3
    assert len(checkouts()) == 2


def test_when_all_are_denied_the_first_choice_says_why(gates, checkouts):
    nope, none = gates(("Nope",), ("None such",))
    with pytest.raises(EntitlementDenied) as caught:
        (nope | none)(lambda: "never")()
    assert names(caught.value) == ["Nope"]
    assert checkouts() == [{"Nope": None}, {"None such": None}]


def asks_for(name):
    return lambda parameters: parameters["Entitlements"][0]["Name"] == name


@pytest.mark.parametrize("order", [("Nope", "Seats"), ("Seats", "Nope")], ids=" | ".join)
@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_no_beside_an_unknown_is_unknown(lm, guard, order, hold):
    lm.faults.add("CheckoutLicense", error="RedirectException", times=None, when=asks_for("Seats"))
    first, second = (guard.requires_entitlement(name, hold=hold) for name in order)
    with pytest.raises(EntitlementUnavailable) as caught:
        (first | second)(lambda: "never")()
    assert names(caught.value) == ["Seats"]


def test_an_unknown_moves_on_to_the_next(lm, guard):
    lm.faults.add("CheckoutLicense", error="RedirectException", times=None, when=asks_for("Jobs"))
    either = guard.requires_entitlement("Jobs", 1) | guard.requires_entitlement("Seats", 1)
    with either as lease:
        assert [str(one) for one in lease.entitlements] == ["Seats (1 Count)"]


def test_a_no_beside_an_unknown_may_be_allowed(lm, guard):
    lm.faults.add("CheckoutLicense", error="RedirectException", times=None, when=asks_for("Seats"))
    either = guard.requires_entitlement("Nope", on_unknown="allow") | guard.requires_entitlement("Seats", 1)
    with either as lease:
        assert (lease.is_live, lease.token) == (False, None)


def test_a_refusal_by_iam_moves_on_to_the_next(lm, gates):
    lm.faults.add("CheckoutLicense", error="AccessDeniedException", when=asks_for("Jobs"))
    job, seat = gates(("Jobs", 1), ("Seats", 1))
    assert (job | seat)(lambda: "ran")() == "ran"


def test_when_all_are_refused_it_is_a_refusal(lm, gates):
    lm.faults.add("CheckoutLicense", error="AccessDeniedException", times=None)
    job, seat = gates(("Jobs", 1), ("Seats", 1))
    with pytest.raises(AuthorizationRefused):
        (job | seat)(lambda: "never")()


def test_a_mistake_beside_a_no_is_a_mistake(lm, gates):
    lm.faults.add("CheckoutLicense", error="InvalidParameterValueException", when=asks_for("Seats"))
    nope, seat = gates(("Nope",), ("Seats", 1))
    with pytest.raises(ConfigurationError):
        (nope | seat)(lambda: "never")()


# -- both ----------------------------------------------------------------------------------------


def test_and_binds_tighter_than_or(gates, checkouts):
    nope, seat, job = gates(("Nope",), ("Seats", 1), ("Jobs", 1))
    with nope & seat | seat & job as lease:
        assert [str(one) for one in lease.entitlements] == ["Seats (1 Count)", "Jobs (1 Count)"]
    assert checkouts() == [{"Nope": None, "Seats": "1"}, {"Seats": "1", "Jobs": "1"}]


def test_and_distributes_over_or(gates, checkouts):
    nope, seat, job = gates(("Nope",), ("Seats", 1), ("Jobs", 1))
    with (nope | seat) & job as lease:
        assert [str(one) for one in lease.entitlements] == ["Seats (1 Count)", "Jobs (1 Count)"]
    assert checkouts() == [{"Nope": None, "Jobs": "1"}, {"Seats": "1", "Jobs": "1"}]


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_joined_gates_work_in_every_style(gates, used, hold):
    nope, seat = gates(("Nope",), ("Seats", 1), hold=hold)
    either = nope | seat

    @either
    async def coroutine():
        return used()

    @either
    def generator():
        yield used()

    async def block():
        async with either:
            return used()

    outcomes = [either(used)(), asyncio.run(coroutine()), *generator(), asyncio.run(block())]
    assert outcomes == [1, 1, 1, 1]
    assert used() == (0 if hold == "call" else 1)


def test_computed_values_may_be_joined(guard, checkouts):
    seat = guard.requires_entitlement("Seats", lambda n: n)
    job = guard.requires_entitlement("Jobs", 1)
    assert (seat & job)(lambda n: n)(2) == 2
    assert checkouts() == [{"Seats": "2", "Jobs": "1"}]


# -- what goes together --------------------------------------------------------------------------

DIFFERENT = {
    "hold": ({"hold": "call"}, {}),
    "per": ({"per": "a"}, {"per": "b"}),
    "wait": ({"wait": 1}, {"wait": 2}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_gates_that_differ_cannot_be_joined(guard, name):
    a, b = (guard.requires_entitlement("Seats", 1, **options) for options in DIFFERENT[name])
    with pytest.raises(ConfigurationError, match=rf"^gates joined by & must have the same {name}=$"):
        a & b
    with pytest.raises(ConfigurationError, match=rf"^gates joined by \| must have the same {name}=$"):
        a | b


def test_gates_of_two_guards_cannot_be_joined(guard, new_guard):
    with pytest.raises(ConfigurationError, match=r"must have the same guard=$"):
        guard.requires_entitlement("Seats", 1) & new_guard().requires_entitlement("Jobs", 1)


CONTRADICTIONS = {
    "fallback= or default=": ({"default": 1}, {"fallback": lambda: 2}),
    "on_unknown=": ({"on_unknown": "deny"}, {"on_unknown": "allow"}),
    "pass_lease=": ({"pass_lease": "a"}, {"pass_lease": "b"}),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_gates_that_contradict_each_other_cannot_be_joined(guard, name):
    a, b = (guard.requires_entitlement("Seats", 1, **options) for options in CONTRADICTIONS[name])
    with pytest.raises(ConfigurationError, match=rf"^gates joined by & must not differ in {name}$"):
        a & b


def test_what_one_of_them_says_counts_for_both(guard, denied):
    assert (denied() & guard.requires_entitlement("Seats", 1, default="instead"))(lambda: "never")() == "instead"
    assert (denied(default="instead") | denied())(lambda: "never")() == "instead"
    assert (denied(default=None) | denied(default=None))(lambda: "never")() is None
    passing = guard.requires_entitlement("Seats", 1, pass_lease="lease") & guard.requires_entitlement("Export")
    assert passing(lambda lease: lease.is_live)()


@pytest.mark.parametrize("other", [None, 1, "Seats", lambda: "Seats"], ids=["None", "number", "text", "function"])
def test_only_gates_can_be_joined(guard, other):
    gate = guard.requires_entitlement("Seats", 1)
    with pytest.raises(TypeError, match="unsupported operand"):
        gate & other
    with pytest.raises(TypeError, match="unsupported operand"):
        gate | other


def test_a_gate_shows_what_it_asks_for(gates, guard):
    nope, seat, job = gates(("Nope",), ("Seats", 1), ("Jobs", 2))
    assert repr(nope | seat & job) == "<Gate Nope or Seats (1 Count) and Jobs (2 Count)>"
    assert repr(guard.requires_entitlement("Seats", lambda: 1)) == "<Gate Seats (computed)>"
