"""``has_entitlement`` and ``decide``: whether a call would be let through. Asking leaves no unit taken."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

import meterguard
from meterguard import ConfigurationError, Decision, Reason


@pytest.fixture(params=["decide", "adecide"])
def decide(request):
    """``decide(guard, *question)``, by either door."""

    def ask(guard, *question):
        answer = getattr(guard, request.param)(*question)
        return asyncio.run(answer) if request.param == "adecide" else answer

    return ask


@pytest.fixture(params=["has_entitlement", "ahas_entitlement"])
def has(request):
    """``has(owner, *question)``, by either door; the owner is a guard or the module."""

    def ask(owner, *question, **options):
        answer = getattr(owner, request.param)(*question, **options)
        return asyncio.run(answer) if request.param == "ahas_entitlement" else answer

    return ask


def test_a_counted_unit_is_taken_to_find_out_and_returned_at_once(guard, has, used, lm):
    assert has(guard, "Seats", 3) is True
    assert used() == 0
    assert [one.operation for one in lm.requests] == ["CheckoutLicense", "CheckInLicense"]


def test_what_is_not_there_is_not_had(guard, has, used):
    assert has(guard, "Seats", 4) is False
    assert has(guard, "Nope") is False
    assert used() == 0


def test_a_feature_is_had_and_kept(guard, has, checkouts):
    """It takes nothing from anybody, so the lease stays, and the next one rides on it."""
    assert has(guard, "Export") is True
    assert guard.requires_entitlement("Export")(lambda: "ran")() == "ran"
    assert len(checkouts()) == 1


def test_what_is_held_is_had_without_asking(guard, has, used, checkouts):
    guard.requires_entitlement("Seats", 1)(lambda: None)()
    assert has(guard, "Seats", 1) is True
    assert (used(), len(checkouts())) == (1, 1)


def test_what_calls_hold_for_themselves_is_not_lent(guard, per_call, has, used):
    """With all seats in use a new caller would be denied, whoever uses them."""
    with per_call, per_call, per_call:
        assert has(guard, "Seats", 1) is False
    assert has(guard, "Seats", 1) is True
    assert used() == 0


def test_a_lease_that_somebody_takes_up_meanwhile_stays(lm, guard, used):
    """A call joins the very flight of the question; its lease is not given back under it."""

    @guard.requires_entitlement("Seats", 1)
    async def guarded():
        return used()

    fault = lm.faults.add("CheckoutLicense", hold=True)

    async def main():
        question = asyncio.create_task(guard.ahas_entitlement("Seats", 1))
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense")
        call = asyncio.create_task(guarded())
        await asyncio.sleep(0)  # it runs until it has to wait
        fault.release()
        return await question, await call

    assert asyncio.run(main()) == (True, 1)
    assert used() == 1


def test_an_unknown_is_had_only_where_it_is_allowed(unreachable, new_guard, has):
    with unreachable():
        answers = {policy: has(new_guard(on_unknown=policy), "Seats", 1) for policy in ("grace", "deny", "allow")}
    assert answers == {"grace": False, "deny": False, "allow": True}


def test_the_module_asks_the_default_guard_or_the_one_given(lm, licence, guard, has):
    assert has(meterguard, "Seats", 1, guard=guard) is True
    meterguard.configure(licence.product_sku, licence.key_fingerprint, endpoint_url=lm.url, region_name=lm.region)
    assert has(meterguard, "Seats", 1) is True
    assert has(meterguard, "Seats", 4) is False


@pytest.mark.parametrize("question", [("Seats", 0), ("", 1), ("Seats", 1, "Parsecs")], ids=repr)
def test_a_wrong_question_is_a_mistake(guard, has, question, checkouts):
    with pytest.raises(ConfigurationError):
        has(guard, *question)
    assert checkouts() == []


def test_a_missing_set_up_is_a_mistake(has):
    with pytest.raises(ConfigurationError, match=r"^product_sku is missing"):
        has(meterguard, "Seats", 1)


def test_a_closed_guard_answers_nothing(guard, has):
    guard.close()
    with pytest.raises(ConfigurationError, match="closed"):
        has(guard, "Seats", 1)


# -- with the reason -----------------------------------------------------------------------------


def test_a_yes_that_was_asked_for(guard, decide, used):
    decision = decide(guard, "Seats", 2)
    assert isinstance(decision, Decision)
    assert (decision.allowed, bool(decision), decision.reason) == (True, True, Reason.CHECKED_OUT)
    assert (decision.is_fallback, decision.detail) == (False, "allowed: checked_out")
    assert 0 <= decision.age < 5
    assert [str(one) for one in decision.lease.entitlements] == ["Seats (2 Count)"]
    assert (decision.lease.is_live, used()) == (False, 0), "it was returned"


def test_a_yes_from_a_lease_that_is_held(guard, decide):
    with guard.requires_entitlement("Seats", 1) as lease:
        decision = decide(guard, "Seats", 1)
    assert (decision.allowed, decision.reason, decision.lease) == (True, Reason.CACHED, lease)
    assert decision.lease.is_live


def test_a_no(guard, decide):
    decision = decide(guard, "Nope")
    assert (decision.allowed, bool(decision), decision.reason) == (False, False, Reason.NOT_ENTITLED)
    assert (decision.lease, decision.is_fallback) == (None, False)
    assert decision.detail.startswith("License Manager does not allow Nope: ")


NOES = {
    "ResourceNotFoundException": Reason.NO_LICENSE,
    "AccessDeniedException": Reason.REFUSED,
    "NoEntitlementsAllowedException": Reason.NOT_ENTITLED,
}


@pytest.mark.parametrize("code", NOES)
def test_each_no_has_its_reason(lm, guard, decide, code):
    lm.faults.add("CheckoutLicense", error=code)
    assert decide(guard, "Seats", 1).reason is NOES[code]


def test_an_answer_that_covers_less(lm, guard, decide, used):
    lm.faults.add("CheckoutLicense", partial={"Seats": 1})
    assert decide(guard, "Seats", 2).reason is Reason.COVERS_LESS
    assert used() == 0


def test_an_answer_that_cannot_be_believed(lm, guard, decide, used):
    lm.faults.add("CheckoutLicense", lifetime=-5)
    assert decide(guard, "Seats", 1).reason is Reason.UNTRUSTED
    assert used() == 0


def test_an_unknown(unreachable, new_guard, decide):
    with unreachable():
        decision = decide(new_guard(), "Seats", 1)
    assert (decision.allowed, decision.reason, decision.is_fallback) == (False, Reason.UNAVAILABLE, True)
    assert decision.detail.startswith("License Manager ")
    assert "Seats (1 Count)" in decision.detail


def test_an_unknown_that_is_allowed(unreachable, new_guard, decide):
    with unreachable():
        decision = decide(new_guard(on_unknown="allow"), "Seats", 1)
    assert (decision.allowed, decision.reason, decision.is_fallback) == (True, Reason.ALLOWED_UNKNOWN, True)
    assert decision.detail.startswith("allowed without an answer: License Manager ")
    assert decision.lease.token is None


def test_an_unknown_in_grace(unreachable, new_guard, decide):
    guard = new_guard(grace=7200)
    with freeze_time(datetime.now(UTC), real_asyncio=True) as frozen:
        guard.requires_entitlement("Seats", 1)(lambda: None)()
        frozen.tick(3601)
        with unreachable():
            decision = decide(guard, "Seats", 1)
    assert (decision.allowed, decision.reason, decision.is_fallback) == (True, Reason.GRACE, True)
    assert decision.age == pytest.approx(3601, abs=5)
