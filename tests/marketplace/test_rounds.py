"""Reports in the background: at once, soon after each hour, and until the guard is closed."""

from __future__ import annotations

import os
import threading
import time

import pytest

from meterguard.events import UsageReported
from meterguard.marketplace import Sink
from meterguard.runtime import report_rounds
from tests.marketplace.conftest import CODE, requests, use

HOUR = 3600
PAGES = {"Pages": "pages"}
PATIENCE = 30


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(report_rounds, "LOOK", 0.01)


@pytest.fixture
def happens(guard):
    """``happens(kind)``: wait until an event of the kind comes that no call has seen yet."""
    seen, came = [], threading.Condition()

    def hear(event):
        with came:
            seen.append(event)
            came.notify_all()

    guard.subscribe(hear)

    def happens(kind):
        def found():
            return next((one for one in seen if type(one) is kind), None)

        with came:
            assert came.wait_for(found, PATIENCE), f"no {kind.__name__} came"
            event = found()
            seen.remove(event)
            return event

    return happens


def test_what_is_due_is_sent_at_once_and_each_hour_after_its_end(lm, clock, guard, happens):
    use(guard, 3)
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, product_code=CODE)
    sink.start()
    assert happens(UsageReported).quantity == 3
    for quantity in (4, 5):
        use(guard, quantity)
        before = lm.bill()["pages"]
        while lm.bill()["pages"] == before:  # the next round is fixed only once the last one is over
            clock.shift(60)
            time.sleep(0.02)
        assert happens(UsageReported).quantity == quantity
        over = requests(lm)[-1].at % HOUR
        assert 0 < over < HOUR / 2  # and a busy machine looks late
    assert len(requests(lm)) == 3


def test_starting_again_changes_nothing(lm, clock, guard, happens):
    use(guard, 3)
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, product_code=CODE)
    for _ in range(5):
        sink.start()
    happens(UsageReported)
    use(guard, 4)
    while lm.bill()["pages"] == 3:
        clock.shift(60)
        time.sleep(0.02)
    happens(UsageReported)
    assert len(requests(lm)) == 2


def test_an_outage_is_ridden_out_with_pauses_that_grow(lm, clock, guard, happens):
    use(guard, 3)
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", error="InternalServiceErrorException", times=3)
    Sink(guard, PAGES, product_code=CODE).start()
    while not lm.bill():
        clock.shift(10)
        time.sleep(0.02)
    happens(UsageReported)
    moments = [one.at for one in requests(lm)]
    assert len(moments) == 4
    assert all(
        after - before >= pause for before, after, pause in zip(moments, moments[1:], (60, 120, 240), strict=False)
    )


def test_it_ends_with_the_guard(lm, clock, guard, happens):
    use(guard, 3)
    clock.shift(HOUR)
    Sink(guard, PAGES, product_code=CODE).start()
    happens(UsageReported)
    agenda = guard.engine.registry.renewal.agenda
    guard.close()
    clock.shift(HOUR)
    agenda.join(PATIENCE)
    assert agenda.stopped
    assert len(requests(lm)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_reports_on_its_own_once_it_is_told(lm, clock, guard, happens):
    use(guard, 3)
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, product_code=CODE)
    sink.start()
    happens(UsageReported)
    use(guard, 4)
    clock.shift(HOUR / 2)  # the hour is not over yet
    child = os.fork()
    if child == 0:
        code = 1
        try:
            is_quiet = threading.active_count() == 1
            use(guard, 5)
            status = sink.flush()
            code = 0 if is_quiet and status["delivered"] == {"records": 1, "quantity": 3} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    while lm.bill()["pages"] == 3:
        clock.shift(60)
        time.sleep(0.02)
    assert happens(UsageReported).quantity == 9
    assert lm.bill() == {"pages": 12}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_report_leaves_the_child_free(lm, clock, guard):
    use(guard, 3)
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, product_code=CODE)
    fault = lm.faults.add("MeterUsage", hold=True)
    reporting = threading.Thread(target=sink.flush)
    reporting.start()
    lm.wait_for_calls("MeterUsage")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if sink.status()["pending"]["records"] == 1 else 2
        finally:
            os._exit(code)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        fault.release()
        reporting.join(PATIENCE)
    assert sink.status()["delivered"] == {"records": 1, "quantity": 3}
