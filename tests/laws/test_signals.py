"""What the application raises from a signal handler passes through unchanged, wherever it strikes; no seat is lost."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import sys
import threading

import pytest

from meterguard import EntitlementDenied
from meterguard.events import LeaseLapsed
from meterguard.runtime.workers import start


class Expired(Exception):
    """An application's own."""


class Stopped(BaseException):
    """Another, which no ``except Exception`` is meant to catch."""


KINDS = [TimeoutError, Expired, Stopped, KeyboardInterrupt, SystemExit, ConnectionResetError]


class Alarm:
    """A handler of the application's; how it is written makes no difference."""

    def __init__(self, raised):
        self.raised = raised

    def __call__(self, number, frame):
        raise self.raised

    def method(self, number, frame):
        self(number, frame)


HANDLERS = {
    "function": lambda alarm: lambda number, frame: alarm(number, frame),
    "object": lambda alarm: alarm,
    "method": lambda alarm: alarm.method,
    "partial": lambda alarm: functools.partial(Alarm.__call__, alarm),
}


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=60)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def raised(request):
    return request.param("of the application")


@pytest.fixture
def strike(lm):
    """``strike(raised, operation, work)``: do work, and let a signal come while the service keeps it waiting."""
    before = signal.getsignal(signal.SIGUSR2)

    def run(raised, operation, work, handler="function", **fault):
        signal.signal(signal.SIGUSR2, HANDLERS[handler](Alarm(raised)))
        arrived = lm.calls(operation)

        def send():
            lm.wait_for_calls(operation, arrived + 1, timeout=30)
            os.kill(os.getpid(), signal.SIGUSR2)

        sender = threading.Thread(target=send)
        held = lm.faults.add(operation, **{"hold": True, "times": None, **fault})
        sender.start()
        try:
            with pytest.raises(type(raised)) as caught:
                work()
        finally:
            sender.join()
            lm.faults.remove(held)
        assert caught.value is raised

    yield run
    signal.signal(signal.SIGUSR2, before)


def gone(lm, licence):
    """Whether every seat is free, soon."""
    for _ in range(200):
        if lm.usage(licence) == {"Seats": 0}:
            return True
        threading.Event().wait(0.05)
    return False


@pytest.fixture(params=[False, True], ids=["threads", "frozen"])
def guard(lm, licence, make_warm, request, monkeypatch):
    if request.param:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "export")
    return make_warm(lm, licence, on_unknown="allow")


@pytest.mark.parametrize("hold", ["shared", "call"])
@pytest.mark.parametrize("applied", [False, True])
def test_during_a_checkout(lm, licence, guard, strike, landed, raised, hold, applied):
    seat = guard.requires_entitlement("Seats", 1, "Count", hold=hold)
    strike(raised, "CheckoutLicense", seat.__enter__, applied=applied)
    landed(guard)
    with seat as lease:
        assert lease.is_live
        assert lm.usage(licence) == {"Seats": 1}
    guard.close()
    assert gone(lm, licence)


def test_during_a_check_in(lm, licence, guard, strike, raised):
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    strike(raised, "CheckInLicense", seat)
    assert seat() == "ran"
    assert gone(lm, licence)


def test_while_the_body_runs(lm, licence, guard, strike, raised):
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")

    @seat
    def body():
        os.kill(os.getpid(), signal.SIGUSR2)

    signal.signal(signal.SIGUSR2, Alarm(raised))
    with pytest.raises(type(raised)) as caught:
        body()
    assert caught.value is raised
    assert gone(lm, licence)


def test_during_a_probe(lm, licence, guard, strike, raised):
    strike(raised, "CheckInLicense", lambda: guard.has_entitlement("Seats", 1))
    assert guard.has_entitlement("Seats", 1)
    guard.close()
    assert gone(lm, licence)


def test_during_a_close(lm, licence, guard, strike, raised):
    guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    strike(raised, "CheckInLicense", guard.close)
    assert gone(lm, licence), "without another close"
    assert guard.is_closed


@pytest.mark.parametrize("handler", HANDLERS)
def test_during_a_renewal_on_the_calls_own_thread(lm, skip, make_warm, strike, monkeypatch, raised, handler):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "export")
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=2)
    guard = make_warm(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat()
    skip(guard, 1.5)  # of the two until it is due

    def use():
        while True:
            seat()

    strike(raised, "ExtendLicenseConsumption", use, handler, applied=True)
    assert seat() == "ran"
    assert lm.usage(licence) == {"Seats": 1}
    guard.close()
    assert lm.usage(licence) == {"Seats": 0}


def test_on_a_loop(lm, licence, make_warm, strike, landed, raised):
    guard = make_warm(lm, licence)

    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    async def seat():
        return "ran"

    strike(raised, "CheckoutLicense", lambda: asyncio.run(seat()))
    landed(guard)
    assert gone(lm, licence)
    assert asyncio.run(seat()) == "ran"


def test_in_a_subscriber(lm, licence, guard, raised):
    """On this thread, as in a close, where it might be taken for a failure of the subscriber's own."""
    guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    signal.signal(signal.SIGUSR2, Alarm(raised))
    guard.subscribe(lambda event: isinstance(event, LeaseLapsed) or os.kill(os.getpid(), signal.SIGUSR2))
    try:
        with pytest.raises(type(raised)) as caught:
            guard.close()
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    assert caught.value is raised
    assert gone(lm, licence)


def test_no_finalizer_runs_in_calls_that_end_as_they_should(lm, make_guard):
    """A signal handler's exception, raised while a finalizer runs, would be lost."""
    guard = make_guard(lm, lm.add_license("ACME-2", entitlements=[("Seats", 3, "Count")]))
    single = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    shared = guard.requires_entitlement("Seats", 1, "Count", per=lambda: "ana")
    ran = set()

    def fail():
        raise KeyError

    def calls():
        assert [gate(lambda: "ran")() for gate in (single, shared)] == ["ran"] * 2
        assert list(single(lambda: (yield "ran"))()) == ["ran"]
        guard.has_entitlement("Seats", 1)
        with shared, pytest.raises(KeyError):
            shared(fail)()
        with pytest.raises(KeyError):
            single(fail)()
        with pytest.raises(EntitlementDenied):
            guard.requires_entitlement("Else")(fail)()

    sys.setprofile(lambda frame, event, _: ran.add((frame.f_globals.get("__name__"), frame.f_code.co_name)))
    try:
        calls()
    finally:
        sys.setprofile(None)
    assert ("meterguard.runtime.admission", "end") in ran
    assert [one for one in ran if one[1] == "__del__" and one[0].startswith("meterguard")] == []


def test_as_a_thread_starts():
    """``Thread.start`` forgets, when it fails, a thread that may have come up and forgotten itself."""

    class Late(threading.Thread):
        def start(self):
            try:
                os.kill(os.getpid(), signal.SIGUSR2)
            except Expired:
                raise KeyError(self) from None

    alarm = Alarm(Expired())
    before = signal.signal(signal.SIGUSR2, alarm)
    try:
        with pytest.raises(Expired) as caught:
            start(Late())
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert caught.value is alarm.raised


@pytest.mark.filterwarnings("ignore:Exception ignored in thread started by")  # a thread struck at its start ends
def test_at_each_moment(lm, licence, make_warm, landed):
    """Handlers run as a function of Python's begins and as one of C's ends. Wherever it raises, the seat goes back."""
    guard = make_warm(lm, licence)
    work = guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=30)(lambda: "ran")
    left = 0

    def strike(frame, event, arg):
        nonlocal left
        left -= event in ("call", "c_return")
        if left == 0:
            sys.setprofile(None)
            raise Expired

    def strikes(moment):
        nonlocal left
        left = moment
        sys.setprofile(strike)
        try:
            work()
        except Expired:
            return True
        finally:
            sys.setprofile(None)
        assert left > 0, f"what was raised at {moment} is lost"
        return False

    work()
    gc.disable()  # for its finalizers Python drops what is raised
    try:
        moment = 1
        while strikes(moment):
            landed(guard)
            assert gone(lm, licence), moment
            moment += 1
    finally:
        gc.enable()
    assert moment > 100


PROGRAM = """
import gc
import signal
import traceback
import meterguard

gate = meterguard.requires_entitlement("Seats", 1, "Count", hold="call", wait=30)

@gate
def work():
    return "ran"

class OutOfTime(TimeoutError):
    pass

def out_of_time(number, frame):
    where.append(frame)
    raise OutOfTime

assert work() == "ran"
gc.disable()  # an HTTP response of boto3's that it collects is closed by Python, which drops what the handler raises
signal.signal(signal.SIGALRM, out_of_time)
struck = lost = 0
for attempt in range(60):
    where = []
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (1 + attempt % 30), 10)
            while True:
                work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OutOfTime:
        struck += 1
    for frame in where[:-1]:
        lost += 1
        traceback.print_stack(frame)
print(struck, lost, flush=True)
"""


def test_at_any_moment(lm, licence):
    """Alarms of 0.5 to 15 ms, in a loop of calls: none is lost, and no seat stays behind."""
    import subprocess

    env = dict(
        os.environ,
        AWS_ENDPOINT_URL_LICENSE_MANAGER=lm.url,
        METERGUARD_PRODUCT_SKU=licence.product_sku,
        METERGUARD_KEY_FINGERPRINT=licence.key_fingerprint,
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=80, check=False
    )
    assert done.stdout == "60 0\n", done.stderr
    assert lm.usage(licence) == {"Seats": 0}
