"""Laws 9 and 10: quiet, and free when it is yes."""

from __future__ import annotations

import asyncio
import inspect
import logging
import subprocess
import sys
import threading

import boto3
import pytest

from meterguard import EntitlementDenied, EntitlementUnavailable, MeterGuardError


def test_importing_starts_nothing_and_installs_no_signal_handler():
    program = """
import signal, sys, threading
before = {number: signal.getsignal(number) for number in signal.valid_signals()}
import meterguard
@meterguard.requires_entitlement("Seats", 1, "Count")
def f(): ...
assert threading.active_count() == 1, threading.enumerate()
assert before == {number: signal.getsignal(number) for number in signal.valid_signals()}
assert not {"boto3", "botocore", "cachetools"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)


def test_a_call_on_a_live_lease_makes_no_request_and_takes_no_lock(lm, guard, monkeypatch):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    assert seat() == "ran"
    record = next(iter(guard.engine.registry.all_records()))

    class Forbidden:
        def __enter__(self):
            raise AssertionError("the hot path takes a lock")

        acquire = __enter__

    held, record.around.locks = record.around.locks, (Forbidden(),) * len(record.around.locks)
    try:
        frames = []
        sys.setprofile(lambda frame, event, arg: frames.append(frame.f_code.co_name) if event == "call" else None)
        try:
            assert seat() == "ran"
        finally:
            sys.setprofile(None)
    finally:
        record.around.locks = held
    assert frames == ["outside", "<lambda>"]
    assert lm.calls() == 1


def test_the_hot_path_of_a_coroutine_function_is_its_own_coroutine(guard):
    async def bare():
        return "ran"

    coroutine = guard.requires_entitlement("Seats", 1, "Count")(bare)
    asyncio.run(coroutine())
    hot = coroutine()
    assert hot.cr_code is bare.__code__
    assert asyncio.run(hot) == "ran"
    assert inspect.iscoroutinefunction(coroutine)


def test_ten_thousand_calls_cost_one_request(lm, guard):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: None)
    for _ in range(10_000):
        seat()
    assert lm.calls() == 1


class Collecting(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.said = []

    def emit(self, record):
        self.said.append(self.format(record) + repr(record.__dict__))


@pytest.fixture
def log():
    handler = Collecting()
    logger = logging.getLogger("meterguard")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.said
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_nothing_secret_is_ever_said(lm, licence, make_warm, log):
    guard = make_warm(lm, licence, timeout=0.5, denial_ttl=0, on_unknown="deny")
    said = []
    guard.subscribe(lambda event: said.append(repr(event)))
    secrets = {licence.arn, licence.key_fingerprint, licence.arn.split(":")[-1]}
    gate = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    with gate as lease:
        secrets.add(lease.token)
        said += [repr(lease), str(lease), repr(gate), repr(guard), repr(guard.decide("Seats", 1)), repr(lease._facts)]
    causes = []
    codes = ["AccessDeniedException", "ResourceNotFoundException", "ValidationException", "RedirectException"]
    for code in [*codes, "NoEntitlementsAllowedException", "RateLimitExceededException", "ServerInternalException"]:
        for operation in ("CheckoutLicense", "CheckInLicense"):
            with lm.faults.active(operation, error=code, message=f"no {licence.arn} {lease.token}"):
                try:
                    with gate as held:
                        secrets.add(held.token)
                except MeterGuardError as error:
                    said += [repr(error), str(error), repr(error.args), repr(error.__dict__)]
                    causes += [error.__cause__, None if error.__suppress_context__ else error.__context__]
    assert set(causes) == {None}, "service exceptions are not chained: their text carries ARNs"
    engine = guard.engine
    said += [
        repr(one)
        for one in (engine, engine.registry, engine.registry.exchange, engine.policy, *engine.registry.all_records())
    ]
    text = "\n".join([*said, *log])
    assert len(said) > 20
    assert log
    assert [secret for secret in secrets if secret in text] == []


def test_a_failing_subscriber_breaks_no_call_and_is_logged(guard, log):
    def broken(event):
        raise ZeroDivisionError("the subscriber's own")

    seen = []
    guard.subscribe(broken)
    stop = guard.subscribe(seen.append)
    assert guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")() == "ran"
    assert "ZeroDivisionError" in "\n".join(log)
    assert len(seen) == 1
    stop()
    guard.close()
    assert len(seen) == 1


def test_a_guard_that_was_never_used_starts_no_thread(make_guard, lm, licence):
    before = threading.active_count()
    guard = make_guard(lm, licence)
    guard.requires_entitlement("Seats", 1, "Count")(lambda: None)
    guard.subscribe(print)
    guard.close()
    assert threading.active_count() == before
    assert lm.calls() == 0


def test_prewarming_makes_the_client_and_asks_nothing(lm, licence, make_guard):
    made = threading.Event()

    class Session(boto3.Session):
        def client(self, *args, **options):
            client = super().client(*args, **options)
            made.set()
            return client

    guard = make_guard(lm, licence, session=Session(region_name=lm.region))
    guard.prewarm()
    assert made.wait(20)
    assert lm.requests == []
    assert guard.leases() == []


def test_denied_and_unavailable_share_only_the_root():
    assert EntitlementDenied.__mro__[1] is EntitlementUnavailable.__mro__[1] is MeterGuardError
