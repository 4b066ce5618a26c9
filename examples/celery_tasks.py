"""Reports in the background: a seat while one is rendered, tried again while none is free.

Set up as for quickstart.py, name a broker and a result backend in a celeryconfig.py next to this file,
examples/celery_tasks.py, then run there:

    celery -A celery_tasks worker
    python -c "import celery_tasks; celery_tasks.main('june')"
"""

from celery import Celery

from meterguard import EntitlementDenied, EntitlementUnavailable, requires_entitlement
from meterguard.integrations.celery import EntitledTask, setup_celery

app = Celery("reports")
app.config_from_object("celeryconfig")
setup_celery(app)


# It holds a seat of its own while it runs. Without one it is tried again later, and gives up after ten times.
@app.task(base=EntitledTask, entitlement=("Seats", 1, "Count"), on_denied="retry", max_retries=10)
def render(name: str) -> str:
    return f"{name}: 12 pages"


# The plain decorator goes below the task. An outage is no denial: only that is worth another try.
@app.task(autoretry_for=(EntitlementUnavailable,), retry_backoff=True)
@requires_entitlement("Export")
def export(name: str) -> str:
    return f"{name}.pdf"


@app.task(base=EntitledTask, entitlement="Archive")
def archive(name: str) -> str:
    return f"{name} is kept"


def main(name: str) -> None:
    for task in (render, export, archive):
        try:
            print(task.delay(name).get(timeout=30))
        except EntitlementDenied as denied:
            print(f"{task.__name__} failed: {denied.reason}")
