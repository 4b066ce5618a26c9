"""A document service on Celery: pages drawn from a licence for each customer, and megabytes kept, metered for a bill.

Set up as for quickstart.py, but start the emulator with `--seed examples/draws.toml`. Name a broker and a result
backend in a celeryconfig.py next to this file, examples/document_service.py, then run there:

    export METERGUARD_LEDGER=sqlite:///documents.db
    celery -A document_service worker
    python -c "import document_service; document_service.main('ana', 'june', 'july', 'august')"
    meterguard usage --by entitlement,subject
"""

from decimal import Decimal
from pathlib import Path
from typing import TypedDict

from celery import Celery

from meterguard import EntitlementDenied, EntitlementUnavailable, consumes_entitlement, meters_usage
from meterguard.integrations.celery import setup_celery

app = Celery("documents")
app.config_from_object("celeryconfig")
setup_celery(app)


class Document(TypedDict):
    """What a customer sends in."""

    customer: str
    name: str
    pages: int


def layout(document: Document) -> str:
    return "".join(f"{document['name']}, page {number}\n" for number in range(1, document["pages"] + 1))


def customer(document: Document, *_: object) -> str:
    return document["customer"]


def megabytes(_document: Document, content: str) -> Decimal:
    return Decimal(len(content.encode())) / 1_000_000


# Asks no licence and refuses nobody; what it counts is in the ledger before it returns.
@meters_usage("Storage", megabytes, "Megabytes", subject=customer)
def keep(document: Document, content: str) -> str:
    file = Path("documents") / document["customer"] / f"{document['name']}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, "utf-8")
    return str(file)


# A task that fails is not charged, so one that is tried again is charged once. The same holds for one whose process
# was killed: it runs again elsewhere, and what the process had reserved, a tenth of a block at the most beside the
# pages of its task, is told as lost.
@app.task(
    autoretry_for=(OSError, EntitlementUnavailable), retry_backoff=True, acks_late=True, reject_on_worker_lost=True
)
@consumes_entitlement("Pages", lambda document: document["pages"], block=100, subject=customer)
def render(document: Document) -> str:
    return keep(document, layout(document))


# All or none is reserved, so a batch is refused before its first page. What could not be laid out is not charged.
@app.task(acks_late=True, reject_on_worker_lost=True)
def render_all(documents: list[Document]) -> list[str]:
    pages = sum(document["pages"] for document in documents)
    files, used = [], 0
    with consumes_entitlement("Pages", pages, block=100, subject=documents[0]["customer"]) as charge:
        for document in documents:
            try:
                files.append(keep(document, layout(document)))
            except ValueError:
                continue
            used += document["pages"]
        charge.settle(used)
    return files


def main(name: str, title: str, *more: str) -> None:
    first, *others = [Document(customer=name, name=one, pages=12) for one in (title, *more)]
    try:
        print(render.delay(first).get(timeout=30))
        for file in render_all.delay(others).get(timeout=30) if others else ():
            print(file)
    except EntitlementDenied:
        print("the licence has no pages left")
