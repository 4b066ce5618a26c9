"""Tasks of test_celery.py. A worker and the test meet in a folder: no broker runs on a machine that only tests."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_init

from meterguard import consumes_entitlement, requires_entitlement
from meterguard.integrations.celery import EntitledTask, setup_celery
from tests.integrations.sites import celery_broker

FOLDER = Path(os.environ["CELERY_FOLDER"])


def connected(app, folder):
    for name in ("queue", "processed", "results"):
        (folder / name).mkdir(exist_ok=True)
    app.conf.update(
        broker_url=celery_broker.URL,
        broker_transport_options={
            "data_folder_in": folder / "queue",
            "data_folder_out": folder / "queue",
            "control_folder": folder / "processed",
            "polling_interval": 0.05,
        },
        result_backend=f"file://{folder / 'results'}",
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        worker_timer_precision=0.1,  # else a worker that stops waits for a second here
    )
    return app


app = connected(Celery("site"), FOLDER)
setup_celery(app, timeout=15, denial_ttl=0)
SEAT = {"base": EntitledTask, "entitlement": ("Seats", 1, "Count")}


@worker_process_init.connect
def tell_of_a_child(**_):
    (FOLDER / f"{os.getpid()}.child").touch()


@app.task
@requires_entitlement("Export")
def export(name):
    return f"{name}.pdf"


@app.task
@requires_entitlement("Seats", 1, "Count")
def meet(room, count):
    """Wait until so many processes are in it."""
    (FOLDER / room).mkdir(exist_ok=True)
    (FOLDER / room / f"{os.getpid()}").touch()
    while len(list((FOLDER / room).iterdir())) < count:
        time.sleep(0.01)
    return os.getpid()


@app.task(base=EntitledTask, entitlement="Analytics")
def analytics():
    raise AssertionError("never run")


@app.task(**SEAT)
def work(name):
    """Until the test says so."""
    (FOLDER / "began").write_text(f"{os.getpid()}")
    (FOLDER / "began").rename(FOLDER / f"{name}.began")
    while not (FOLDER / f"{name}.end").exists():
        time.sleep(0.01)
    return os.getpid()


@app.task(**SEAT)
def seat():
    return "seat"


@app.task(base=EntitledTask, entitlement=("Seats", 2, "Count"))
def pair():
    return "pair"


@app.task(**SEAT, on_denied="retry", default_retry_delay=1)
def patient():
    return "patient"


@app.task(**SEAT, on_denied="ignore")
def dropped():
    raise AssertionError("never run")


@app.task(**SEAT, on_denied="reject", acks_late=True)
def rejected():
    raise AssertionError("never run")


@app.task(**SEAT, bind=True, autoretry_for=(Exception,), default_retry_delay=0, max_retries=2)
def flaky(self):
    if self.request.retries < 2:
        raise OSError("not yet")
    return self.request.retries


@app.task(acks_late=True)
@consumes_entitlement("Pages", lambda pages: pages)
def page(pages):
    return os.getpid()


@app.task(base=EntitledTask, entitlement=consumes_entitlement("Pages", 2), bind=True, default_retry_delay=0)
def pages_at_last(self):
    if not self.request.retries:
        raise self.retry(exc=OSError("not yet"))
    return os.getpid()


@app.task
@consumes_entitlement("Pages", 5)
def torn_pages():
    raise OSError("the printer burns")
