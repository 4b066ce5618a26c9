"""Checkouts that take long hold up neither renewals nor check-ins: each has a lane of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from meterguard import ConfigurationError, EntitlementUnavailable

USERS = 100


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Users", 400, "Count"), ("Seats", 2, "Count")], ttl=4)


def of_users(parameters):
    return any(line["Name"] == "Users" for line in parameters["Entitlements"])


@pytest.fixture
def stuck(lm, guard):
    """With ``stuck():`` more checkouts than there are threads for are in the air or in a queue, unanswered."""

    def run(body):
        fault = lm.faults.add("CheckoutLicense", hold=True, times=None, when=of_users)
        user = iter(range(USERS))

        @guard.requires_entitlement("Users", 1, "Count", per=lambda: next(user))
        async def work():
            return "ran"

        async def main():
            tasks = [asyncio.create_task(work()) for _ in range(USERS)]
            await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense", 32)
            try:
                await asyncio.to_thread(body)
            finally:
                fault.release()
            return await asyncio.gather(*tasks)

        assert asyncio.run(main()) == ["ran"] * USERS

    return run


def test_a_lease_in_use_is_renewed_beside_them(lm, guard, stuck):
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate as lease:
        stuck(lambda: lm.wait_for_calls("ExtendLicenseConsumption", done=True))
        assert lease.is_live


def test_seats_go_back_beside_them(lm, guard, stuck):
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    entered, free = threading.Event(), threading.Event()

    def hold():
        with seat:
            entered.set()
            free.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait()

    def give_back():
        free.set()
        lm.wait_for_calls("CheckInLicense", done=True)
        holder.join()

    stuck(give_back)
    assert lm.usage("ACME-1")["Seats"] == 0


def test_leases_are_given_back_at_close_beside_them(lm, licence, make_guard):
    guard = make_guard(lm, licence)
    keep = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    keep()
    fault = lm.faults.add("CheckoutLicense", hold=True, times=None, when=of_users)
    refused = []

    def work(user):
        try:
            guard.requires_entitlement("Users", 1, "Count", per=user)(lambda: "ran")()
        except (ConfigurationError, EntitlementUnavailable) as closed:
            refused.append(closed)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(40)]
    for thread in threads:
        thread.start()
    lm.wait_for_calls("CheckoutLicense", 33)
    guard.close()
    assert lm.usage("ACME-1")["Seats"] == 0
    fault.release()
    for thread in threads:
        thread.join()
    assert len(refused) == 40
