"""Sweeps: what dead processes left in a shared store goes back, soon after the start of the next one."""

from __future__ import annotations

import os

import pytest

from meterguard.rows import Row
from meterguard.runtime import sweep as sweeping
from tests.laws.servers import next_start, wait_for

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _no_later_sweep(monkeypatch):
    """Have what a test waits for done by the sweep of a start, and not by a later one."""
    monkeypatch.setattr(sweeping, "EVERY", 600.0)


@pytest.fixture
def new_guard(lm, licence, make_guard, tmp_path):
    return lambda **options: make_guard(lm, licence, store=f"sqlite:///{tmp_path}/store.db", **options)


def leave_a_seat(guard):
    """End a process that holds a seat, so that it cannot give it back."""
    pid = os.fork()
    if pid == 0:
        with guard.requires_entitlement("Seats", 1, "Count"):
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def has_swept(guard):
    """Whether somebody has swept the store of a guard."""
    execution = guard.engine.registry.exchange.lessor.execution
    return execution.store.read(f"{execution.scope}/sweep").row is not None


def test_the_next_start_returns_what_the_dead_left(lm, new_guard):
    leave_a_seat(new_guard())
    assert lm.usage("ACME-1")["Seats"] == 1
    next_start(lm, new_guard())
    assert lm.usage("ACME-1")["Seats"] == 0


def test_also_where_somebody_has_swept_a_moment_before(lm, new_guard):
    other = new_guard()
    other.prewarm()
    wait_for(lambda: has_swept(other))
    leave_a_seat(new_guard())
    assert lm.usage("ACME-1")["Seats"] == 1
    next_start(lm, new_guard())


def test_what_a_living_process_rides_on_stays(lm, new_guard):
    held = new_guard()
    with held.requires_entitlement("Seats", 1, "Count"):
        leave_a_seat(new_guard())
        assert lm.calls("CheckoutLicense") == 1, "the other process rode on the same lease"
        lessor = new_guard().engine.registry.exchange.lessor
        assert sweeping.sweep(lessor).failed == 0
        assert lm.usage("ACME-1")["Seats"] == 1
    held.close()
    assert lm.usage("ACME-1")["Seats"] == 0


def test_a_damaged_mark_ends_no_sweeps(lm, new_guard):
    guard = new_guard()
    guard.prewarm()
    wait_for(lambda: has_swept(guard))
    execution = guard.engine.registry.exchange.lessor.execution
    mark = execution.store.read(execution.mark).row
    execution.store.replace(execution.mark, mark.version, Row("1", "no number"), 600)
    leave_a_seat(new_guard())
    next_start(lm, new_guard())


def test_a_client_whose_hook_fails_once_ends_no_sweeps(lm, new_guard, monkeypatch):
    registry = new_guard().engine.registry
    agenda = Agenda(registry)
    monkeypatch.setattr(sweeping.Sweep, "_look", lambda _: {}["a hook of the client's"])
    with pytest.raises(KeyError):
        sweeping.Sweep(registry.exchange.lessor, agenda, lambda _: None).run()
    assert agenda.delay is not None, "there is a next one"


def test_a_hook_that_fails_for_one_row_spares_the_others(lm, new_guard, monkeypatch):
    held = new_guard()
    leave_a_seat(held)
    lessor = new_guard().engine.registry.exchange.lessor
    monkeypatch.setattr(type(lessor.execution.service), "check_in", lambda *_, **__: {}["the hook"])
    swept = sweeping.sweep(lessor)
    assert (swept.failed, swept.reasons) == (1, ("a hook of the client's failed (KeyError)",))


class Agenda:
    """A registry's, whose errands nobody runs."""

    def __init__(self, registry):
        self.returns, self.exchange, self.index = registry.returns, registry.exchange, registry.index
        self.is_closed, self.renewal, self.delay = False, self, None

    def remind(self, errand, delay):
        self.delay = delay

    def all_records(self):
        return []

    def is_busy(self, record):
        return False


def test_of_many_that_start_at_once_one_sweeps(new_guard, monkeypatch):
    guard = new_guard()
    guard.prewarm()
    wait_for(lambda: has_swept(guard))
    swept = []
    monkeypatch.setattr(sweeping, "sweep", lambda lessor: swept.append(lessor) or sweeping.Swept())
    registry = guard.engine.registry
    agendas = [Agenda(registry) for _ in range(8)]
    looks = [sweeping.Sweep(registry.exchange.lessor, agenda, lambda _: None) for agenda in agendas]

    def delays():
        for one in looks:
            one.run()
        return [agenda.delay for agenda in agendas]

    assert max(delays()) <= sweeping.A_MOMENT, "the last one was before they began"
    wait_for(lambda: min(delays()) > sweeping.A_MOMENT)
    assert len(swept) == 1
