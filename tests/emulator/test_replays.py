"""A ``ClientToken`` and what it is answered the second time."""

from __future__ import annotations

import pytest


def bare(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_a_replay_is_the_first_answer_and_takes_nothing(lm, take):
    lm.clock.freeze()
    first = take(Seats=1, token="same")
    lm.clock.advance(300)
    assert bare(take(Seats=1, token="same")) == bare(first)
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert [one.replayed for one in lm.requests] == [False, True]


def test_a_replay_outlives_what_it_answers(lm, take, client):
    first = take(Seats=1, token="same")
    client.check_in_license(LicenseConsumptionToken=first["LicenseConsumptionToken"])
    assert bare(take(Seats=1, token="same")) == bare(first)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_the_same_token_with_other_parameters_is_wrong(lm, take, code):
    take(Seats=1, token="same")
    with code("InvalidParameterValueException"):
        take(Seats=2, token="same")
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_after_ten_minutes_a_token_is_new(lm, take):
    lm.clock.freeze()
    first = take(Seats=1, token="same")
    lm.clock.advance(599)
    assert bare(take(Seats=1, token="same")) == bare(first)
    lm.clock.advance(1)
    assert bare(take(Seats=1, token="same")) != bare(first)
    assert lm.usage("ACME-1") == {"Seats": 2}


def test_a_token_is_forgotten_in_time_when_the_clock_was_set_back(lm, take):
    lm.clock.freeze()
    take(Seats=1, token="later")
    lm.clock.advance(-300)
    lm.update_license("ACME-1", begin="2020-01-01")
    first = take(Seats=1, token="same")
    lm.clock.advance(600)
    assert bare(take(Seats=1, token="same")) != bare(first)


def test_a_refusal_is_not_remembered(lm, take, client, code):
    held = take(Seats=3)
    with code("NoEntitlementsAllowedException"):
        take(Seats=1, token="same")
    client.check_in_license(LicenseConsumptionToken=held["LicenseConsumptionToken"])
    take(Seats=1, token="same")


def test_tokens_are_an_operations_own(lm, take, client):
    both = lm.add_license("BOTH", [("Seats", 3, "Count")], borrow_ttl=60)
    take(Seats=1, of=both, token="same")
    client.checkout_borrow_license(
        LicenseArn=both.arn,
        Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": "1"}],
        DigitalSignatureMethod="JWT_PS384",
        ClientToken="same",
    )
    assert lm.usage(both) == {"Seats": 2}


def test_tokens_are_the_accounts_own(lm, connect, take):
    shared = lm.add_license("SHARED", [("Seats", 2, "Count")], recipients=["222222222222", "333333333333"])
    for account in ("222222222222", "333333333333"):
        take(Seats=1, of=shared, using=connect(account), token="same")
    assert lm.usage(shared) == {"Seats": 2}


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"status": 500, "applied": True}, {"body": "cut"}])
def test_a_lost_answer_can_be_asked_for_again(lm, take, fault):
    lm.faults.add("CheckoutLicense", **fault)
    answer = None
    while answer is None or "LicenseConsumptionToken" not in answer:
        try:
            answer = take(Seats=1, token="same")
        except Exception:  # noqa: BLE001 - whatever the fault made of it
            answer = None
    assert lm.calls("CheckoutLicense") == 2
    assert lm.usage("ACME-1") == {"Seats": 1}
