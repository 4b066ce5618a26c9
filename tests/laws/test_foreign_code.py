"""Subscribers, filters of the log and hooks of the client are foreign code: each stands alone, whatever it raises."""

from __future__ import annotations

import asyncio
import logging
import threading

import boto3
import pytest

from meterguard.events import LeaseCheckedIn, LeaseCheckedOut
from meterguard.runtime import shutdown

RAISED = [SystemExit(3), GeneratorExit(), asyncio.CancelledError(), ValueError("mine")]


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 8, "Count")], ttl=3600)


@pytest.fixture
def eight(guard):
    """Take eight leases of a seat each."""

    def take():
        gates = [guard.requires_entitlement("Seats", 1, "Count", per=str(number)) for number in range(8)]
        return [gate(lambda: "ran")() for gate in gates]

    return take


class Failing(logging.Filter):
    """A filter of the log that raises, on every record."""

    def __init__(self, raised):
        super().__init__()
        self.raised = raised

    def filter(self, record):
        raise self.raised


@pytest.fixture
def failing_log():
    """``failing_log(raised)``: every record of meterguard's meets a filter that raises this."""
    logger, added = logging.getLogger("meterguard"), []

    def fail(raised):
        added.append(Failing(raised))
        logger.addFilter(added[-1])
        logger.setLevel(logging.DEBUG)

    yield fail
    for one in added:
        logger.removeFilter(one)
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_a_subscriber_that_raises_breaks_no_flight_no_close_and_no_other_subscriber(lm, guard, eight, raised):
    def failing(event):
        raise raised

    events = []
    guard.subscribe(failing)
    guard.subscribe(events.append)
    assert eight() == ["ran"] * 8
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert [type(event) for event in events] == [LeaseCheckedOut] * 8 + [LeaseCheckedIn] * 8


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_a_filter_of_the_log_that_raises_breaks_nothing(lm, guard, eight, failing_log, raised):
    def failing(event):
        raise raised

    events = []
    failing_log(raised)
    guard.subscribe(failing)  # which is told to the log, in vain
    guard.subscribe(events.append)
    assert eight() == ["ran"] * 8
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert len(events) == 16


def test_a_handler_of_the_log_that_exits_breaks_nothing(lm, guard, eight, monkeypatch):
    class Handler(logging.Handler):
        def emit(self, record):
            raise SystemExit(3)

    logger, handler = logging.getLogger("meterguard"), Handler()
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    try:
        assert eight() == ["ran"] * 8
        guard.close()
    finally:
        logger.removeHandler(handler)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_renewal_survives_its_subscriber(lm, make_guard):
    licence = lm.add_license("ACME-9", entitlements=[("Seats", 1, "Count")], ttl=4)
    guard = make_guard(lm, licence)

    def failing(event):
        raise SystemExit(3)

    guard.subscribe(failing)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        assert lease.is_live


def test_ctrl_c_in_a_subscriber_reaches_the_main_thread_and_no_other(lm, guard):
    def failing(event):
        raise KeyboardInterrupt

    guard.subscribe(failing)
    with guard.requires_entitlement("Seats", 1, "Count"):  # told on a worker
        pass
    with pytest.raises(KeyboardInterrupt):
        guard.close()  # told here


def test_a_hook_of_the_client_that_exits_costs_no_other_lease(lm, guard, eight):
    session, gone = boto3.Session(region_name=lm.region), threading.Event()

    def exit_once(**_):
        if not gone.is_set():
            gone.set()
            raise SystemExit(3)

    session.events.register("before-send.license-manager.CheckInLicense", exit_once)
    guard._arguments["session"] = session
    eight()
    guard.close()
    assert gone.is_set()
    assert lm.usage("ACME-1") == {"Seats": 1}
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}


@pytest.mark.parametrize("which", [0, 1, 2])
def test_ctrl_c_while_one_guard_closes_at_exit_costs_no_other_guard(lm, licence, make_guard, which):
    session = boto3.Session(region_name=lm.region)

    def interrupt(**_):
        raise KeyboardInterrupt

    session.events.register("before-send.license-manager.CheckInLicense", interrupt)
    guards = [make_guard(lm, licence, session=session if number == which else None) for number in range(3)]
    for guard in guards:
        guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    registries = [(guard.engine.registry, True) for guard in guards]
    with pytest.raises(KeyboardInterrupt):
        shutdown._close_in_time(registries)
    assert lm.usage("ACME-1") == {"Seats": 1}
    session.events.unregister("before-send.license-manager.CheckInLicense", interrupt)
    registries[which][0].exchange.service.reset()
