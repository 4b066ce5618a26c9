"""Tasks under a licence, run by real workers over a broker and a result backend that are folders."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from types import MappingProxyType

import pytest
from celery import Celery
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from hypothesis import given
from hypothesis import strategies as st

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    Entitlement,
    EntitlementDenied,
    EntitlementUnavailable,
    requires_entitlement,
)
from meterguard.integrations import celery as integration
from meterguard.integrations.audit import audit
from meterguard.integrations.celery import EntitledTask, registered, setup_celery
from tests.house.source import ROOT

SITE = "tests.integrations.sites.celery_site"
POOLS = {"prefork": ["--concurrency", "1"], "threads": ["--concurrency", "2"], "solo": []}


class Worker:
    """One worker process, and a client that sends it tasks."""

    def __init__(self, folder, environment, *pool):
        from tests.integrations.sites.celery_site import connected  # it asks the environment for its folder

        self.folder = folder
        command = [sys.executable, "-m", "celery", "-A", SITE, "worker", "--loglevel", "INFO", *pool]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        self._process = subprocess.Popen(
            [*command, *quiet], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
        )
        self.log = []
        for line in self._process.stdout:
            self.log.append(line)
            if " ready." in line:
                break
        else:
            raise AssertionError("the worker did not start:\n" + "".join(self.log))
        self._reader = threading.Thread(target=lambda: self.log.extend(self._process.stdout), daemon=True)
        self._reader.start()
        self.client = connected(Celery("client"), folder)

    def send(self, task, *args):
        return self.client.send_task(f"{SITE}.{task}", args)

    def run(self, task, *args):
        return self.send(task, *args).get(timeout=20, interval=0.02)

    def begin(self, name):
        """A task that works until :meth:`end`."""
        result = self.send("work", name)
        wait_for((self.folder / f"{name}.began").exists)
        return result

    def end(self, name):
        (self.folder / f"{name}.end").touch()

    def wait_for_children(self, number):
        """Until so many were started: a worker that is stopped while it replaces one may wait for ever."""
        wait_for(lambda: len(list(self.folder.glob("*.child"))) == number)

    def stop(self):
        """A warm shutdown."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def stop_its_children(self):
        """A warm shutdown. Its parent may wait for ever for a lock of the pool that went with a child."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.end_at_once()

    def end_at_once(self):
        """By SIGKILL."""
        self._process.kill()
        self._process.wait()

    def kill(self):
        if self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that does not stop is killed after all
                self.stop()
            self.end_at_once()
        self._reader.join(5)
        self._process.stdout.close()
        self.client.close()


def wait_for(what):
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def new_worker(lm, licence, tmp_path, monkeypatch):
    """``new_worker(pool)``."""
    workers = []
    monkeypatch.setenv("CELERY_FOLDER", str(tmp_path))

    def make(pool, *options):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "METERGUARD_PRODUCT_SKU": licence.product_sku,
            "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
        }
        workers.append(Worker(tmp_path, environment, "--pool", pool, *(options or POOLS[pool])))
        return workers[-1]

    yield make
    for worker in workers:
        worker.kill()


@pytest.fixture(params=POOLS)
def worker(new_worker, request):
    return new_worker(request.param)


# -- workers -----------------------------------------------------------------------------------------


def test_a_day_in_the_life_of_a_worker(worker, lm, seats, licence):
    # allowed, on one checkout
    assert {worker.run("export", "june") for _ in range(6)} == {"june.pdf"}
    assert lm.calls("CheckoutLicense") == 1

    # denied, as whoever waits for the result hears
    with pytest.raises(EntitlementDenied, match="Analytics") as denied:
        worker.run("analytics")
    assert denied.value.reason.value == "not_entitled"

    # a seat as long as the task runs, and no longer
    working = worker.begin("first")
    assert seats() == 1
    worker.end("first")
    working.get(timeout=20)
    wait_for(lambda: seats() == 0)

    # the service is down: what was served goes on in grace, and the rest is no denial; it recovers without a restart
    assert worker.run("seat") == "seat"
    with lm.down():
        assert worker.run("seat") == "seat"
        with pytest.raises(EntitlementUnavailable):
            worker.run("pair")
    assert worker.run("pair") == "pair"
    with lm.faults.active("CheckoutLicense", error="AccessDeniedException"), pytest.raises(AuthorizationRefused):
        worker.run("pair")
    assert worker.run("flaky") == 2

    # a warm shutdown leaves nothing, and nothing secret was kept or logged
    worker.stop()
    assert lm.checkouts() == []
    kept = "".join(path.read_text() for path in (worker.folder / "results").iterdir())
    for secret in ("arn:", licence.key_fingerprint):
        assert secret not in kept + "".join(worker.log)


def test_what_becomes_of_tasks_without_a_seat(new_worker, make_guard, lm, licence, seats):
    worker = new_worker("threads")
    others = make_guard(lm, licence)
    with others.requires_entitlement("Seats", 3, "Count", hold="call"):
        with pytest.raises(EntitlementDenied):
            worker.run("seat")
        patient, dropped, rejected = map(worker.send, ("patient", "dropped", "rejected"))
        wait_for(lambda: patient.state == "RETRY")
        wait_for(lambda: dropped.state == "IGNORED")
        wait_for(lambda: any("rejected" in line and "not_entitled" in line for line in worker.log))
    assert patient.get(timeout=20, interval=0.02) == "patient"
    wait_for(lambda: seats() == 0)
    assert rejected.state != "SUCCESS"


def test_a_killed_child_costs_its_own_seat_until_that_ends(new_worker, lm, licence, seats):
    worker = new_worker("prefork", "--concurrency", "2")
    worker.begin("doomed")
    second = worker.begin("second")
    assert (seats(), lm.calls("CheckoutLicense")) == (2, 2), "each process takes its own"
    os.kill(int((worker.folder / "doomed.began").read_text()), signal.SIGKILL)
    worker.end("second")
    assert second.get(timeout=20, interval=0.02) != ""
    wait_for(lambda: seats() == 1)
    assert worker.run("export", "june") == "june.pdf"
    worker.wait_for_children(3)
    worker.stop_its_children()
    wait_for(lambda: len(lm.checkouts()) <= 1)
    assert len(lm.checkouts()) == 1, "nobody but the service can give back what a killed process held"
    lm.clock.advance(licence.ttl)
    assert seats() == 0


def test_the_children_of_a_worker_share_one_seat_in_a_shared_store(new_worker, lm, seats, monkeypatch, tmp_path):
    monkeypatch.setenv("METERGUARD_STORE", f"sqlite:///{tmp_path}/store.db")

    worker, room = new_worker("prefork", "--concurrency", "2"), tmp_path / "room"
    both = [worker.send("meet", "room", 3) for _ in range(2)]
    wait_for(lambda: room.exists() and len(list(room.iterdir())) == 2)
    assert (seats(), lm.calls("CheckoutLicense")) == (1, 1), "both work under the same lease"
    doomed, other = sorted(int(one.name) for one in room.iterdir())
    # at work: one that waits for work may hold a lock of Celery's, without which the other gets none
    os.kill(doomed, signal.SIGKILL)
    (room / "door").touch()
    wait_for(lambda: any(one.successful() and one.get() == other for one in both))
    assert worker.send("meet", "another", 1).get(timeout=20, interval=0.02) != doomed
    worker.wait_for_children(3)
    assert (seats(), lm.calls("CheckoutLicense")) == (1, 1)
    worker.stop_its_children()
    wait_for(lambda: seats() == 0)


def test_what_a_killed_worker_left_goes_back_when_the_next_one_starts(new_worker, lm, seats, monkeypatch, tmp_path):
    monkeypatch.setenv("METERGUARD_STORE", f"sqlite:///{tmp_path}/store.db")
    killed = new_worker("solo")
    killed.begin("doomed")
    killed.end_at_once()
    assert seats() == 1
    new_worker("prefork", "--concurrency", "1")
    wait_for(lambda: seats() == 0)  # no task has run


def test_children_that_are_replaced_give_back_what_they_held(new_worker, lm):
    worker = new_worker("prefork", "--max-tasks-per-child", "1")
    for _ in range(3):
        assert worker.run("export", "june") == "june.pdf"
    wait_for(lambda: lm.calls("CheckInLicense") >= 2)
    worker.wait_for_children(4)
    worker.stop_its_children()
    wait_for(lambda: lm.checkouts() == [])


def test_tasks_are_charged_once_in_all_processes_of_a_worker(kept, new_worker, lm):
    worker = new_worker("prefork", "--concurrency", "2")
    results = [worker.send("page", pages) for pages in (1, 2, 3)] + [
        worker.send("pages_at_last"),
        worker.send("torn_pages"),
    ]
    for one in results[:-1]:
        assert one.get(timeout=20, interval=0.02)
    with pytest.raises(OSError, match="the printer burns"):
        results[-1].get(timeout=20, interval=0.02)
    with pytest.raises(EntitlementDenied):
        worker.run("page", 31)
    worker.stop()
    pages = kept()
    assert (pages.charged, pages.reserved, pages.lost, pages.pending) == (8, 0, 0, 0)
    assert pages.drawn == 8 + pages.left == lm.usage("ACME-1")["Pages"]


# -- without a worker --------------------------------------------------------------------------------


@pytest.fixture
def app(guard):
    app = Celery("app", broker="memory://", backend="cache+memory://", set_as_current=False)
    setup_celery(app, guard)
    app.conf.task_always_eager = app.conf.task_eager_propagates = True
    return app


@pytest.fixture
def task(app):
    """``app.task`` for this app alone; Celery shares tasks among all apps of a process."""
    return functools.partial(app.task, shared=False)


def test_called_directly_a_task_is_guarded_too(task, seats):
    @task(base=EntitledTask, entitlement=("Seats", 1, "Count"), bind=True)
    def bound(self, number, /, *, more=1):
        return self.name, number + more, seats()

    assert bound(1) == (bound.name, 2, 1)
    assert bound.delay(1, more=2).get() == (bound.name, 3, 1)
    assert seats() == 0

    @task(base=EntitledTask, entitlement="Analytics", on_denied="retry")
    def denied():
        raise AssertionError("never run")

    with pytest.raises(EntitlementDenied):
        denied()


def test_a_class_based_task(app, seats):
    class Report(EntitledTask):
        name = "report"
        entitlement = ("Seats", 1, "Count")
        entitlement_options = MappingProxyType({"per": lambda user: user, "hold": "shared"})

        def run(self, user):
            return f"{user}: {seats()}"

    report = app.register_task(Report())
    assert [report.delay(user).get() for user in ("ana", "ben", "ana")] == ["ana: 1", "ben: 2", "ana: 2"]


def test_arguments_are_checked_as_without_it(app, task):
    @task(base=EntitledTask, entitlement="Export")
    def export(name):
        return name

    app.conf.task_always_eager = False
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        export.delay()


def test_a_soft_time_limit_gives_the_seat_back(task, seats):
    @task(base=EntitledTask, entitlement=("Seats", 1, "Count"))
    def endless():
        assert seats() == 1
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        endless.delay()
    assert seats() == 0


@pytest.mark.parametrize(("mode", "raised"), [("ignore", Ignore), ("reject", Reject), ("raise", EntitlementDenied)])
def test_nothing_is_chained_to_a_refusal(task, mode, raised):
    @task(base=EntitledTask, entitlement="Analytics", on_denied=mode, acks_late=True)
    def denied():
        raise AssertionError("never run")

    with pytest.raises(raised) as caught:
        denied()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@given(st.floats(0.1, 10_000), st.integers(0, 60))
def test_a_retry_comes_later_each_time_and_not_too_late(first, retries):
    assert min(first, 600) <= integration._countdown(first, retries) <= 600


def test_exceptions_are_rebuilt_from_either_kind_of_result(licence):
    from celery.backends.base import Backend

    error = EntitlementDenied("no", (Entitlement("Seats", 1),), reason="not_entitled", code="No", request_id="1")
    for serializer in ("json", "pickle"):
        app = Celery("app", set_as_current=False)
        app.conf.accept_content = ["json", "pickle"]
        backend = Backend(app, serializer=serializer)
        kept = backend.encode(backend.prepare_exception(error, serializer=serializer))
        rebuilt = backend.exception_to_python(backend.decode(kept))
        assert type(rebuilt) is EntitlementDenied
        assert (str(rebuilt), rebuilt.reason, rebuilt.code) == ("no", error.reason, "No")


# -- mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "has no entitlement="),
        ({"entitlement": ("Seats", 0, "Count")}, "value"),
        ({"entitlement": "Export", "on_denied": "skip"}, "on_denied must be one of raise, retry, ignore, reject"),
        ({"entitlement": "Export", "on_denied": "reject"}, "acks_late=True"),
        ({"entitlement": "Export", "entitlement_options": {"hold": "forever"}}, "hold"),
    ],
)
def test_a_wrong_declaration(app, task, options, says):
    @task(base=EntitledTask, **options)
    def declared():
        raise AssertionError("never run")

    with pytest.raises(ConfigurationError, match=says):
        app.finalize()


def test_a_wrong_set_up(app, guard):
    with pytest.raises(ConfigurationError, match="already"):
        setup_celery(app)
    fresh = Celery("fresh", set_as_current=False)
    with pytest.raises(ConfigurationError, match="denied_status"):
        setup_celery(fresh, denied_status=402)
    with pytest.raises(ConfigurationError, match="product"):
        setup_celery(fresh, product="ACME-1")
    with pytest.raises(ConfigurationError, match="linger"):
        setup_celery(fresh, guard, linger=3)


def test_switched_off_it_lets_everything_through(lm):
    app = Celery("app", broker="memory://", set_as_current=False)
    setup_celery(app, enabled=False)

    @app.task(base=EntitledTask, entitlement="Analytics", shared=False)
    def analytics():
        return "five years"

    assert analytics() == "five years"
    assert lm.calls() == 0


def test_a_guard_above_the_task_is_found(app, task):
    def export():
        raise AssertionError("never run")

    requires_entitlement("Export")(export)

    @task(name="fine")
    @requires_entitlement("Export")
    def fine():
        raise AssertionError("never run")

    task(name="bypassed")(export)
    app.finalize()
    assert audit(registered(app), strict=False) == ["bypassed"]
