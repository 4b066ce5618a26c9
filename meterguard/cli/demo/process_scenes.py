"""The scenes of programs that run as processes of their own, and are killed."""

from __future__ import annotations

from collections.abc import Generator

from ...usage import Balance
from .records import Claim, Glimpse, Outcome
from .renderer import BLOCK
from .renderer import PAGES as PAGES_EACH
from .services import ENDLESS
from .stage import LONG, Stage

Playing = Generator[Glimpse, None, Outcome]

DOCUMENTS, MORE = 40, 10
"""Documents rendered before the kill, and after it: together less than two blocks of pages."""
WORKERS = 4


def killed_service(stage: Stage) -> Playing:
    """A killed process loses a slice of its block at most, and the next one uses the rest."""
    first, second = stage.open_service(), stage.open_service()  # at once, for starting is what takes time
    first.wait_until_ready()
    for _ in range(DOCUMENTS):
        first.render()
        yield stage.glimpse()
    first.render(ENDLESS)
    first.kill()
    drawn = stage.pages
    second.wait_until_ready()
    for _ in range(MORE):
        yield stage.glimpse()
        second.render()
    ended = second.finish()
    rendered = first.pages + second.pages
    return Outcome(
        f"Pages are drawn for good, {BLOCK} at once. kill -9 comes amid a document.",
        (
            Claim("pages rendered before the kill", first.pages, (DOCUMENTS + 1) * PAGES_EACH),
            Claim("pages the next process rendered", second.pages, MORE * PAGES_EACH),
            Claim("which ended with exit code", ended, 0),
            Claim("pages AWS gave it, beyond those left", stage.pages - drawn, 0),
            *_books(stage.balance(), stage.pages, rendered),
        ),
        calls=first.documents + second.documents,
    )


def one_seat(stage: Stage) -> Playing:
    """Four processes share one seat, whichever of them is killed."""
    stage.lm.update_license(stage.licence, ttl=LONG)  # so that no lease ends by itself, however slow the machine
    workers = [stage.open_worker() for _ in range(WORKERS)]
    for worker in workers:
        worker.wait_until_ready()
        yield stage.glimpse()
    for worker in workers:
        worker.render()
        yield stage.glimpse()
    together = stage.seats
    first, *others = workers  # the one that checked the lease out
    first.kill()
    for worker in others:
        worker.render()
    left = stage.seats
    ended = [worker.finish() for worker in others]
    return Outcome(
        f"{WORKERS} workers have a store together. kill -9 comes to the one that took the seat.",
        (
            Claim("requests served by all of them", sum(worker.pages for worker in workers), 2 * WORKERS - 1),
            Claim("checkouts", stage.answered("CheckoutLicense"), 1),
            Claim("seats taken by all of them", together, 1),
            Claim("seats taken after the kill", left, 1),
            Claim("exit codes of the others", ended, [0] * (WORKERS - 1)),
            Claim("leases checked in", stage.answered("CheckInLicense"), 1),
            Claim("seats taken in the end", stage.seats, 0),
        ),
        calls=sum(worker.documents for worker in workers),
    )


def _books(books: Balance, drawn: int, rendered: int) -> tuple[Claim, ...]:
    """Return the claims that the ledger agrees with AWS, and with what was rendered."""
    parts = books.charged + books.reserved + books.left + books.lost
    return (
        Claim("pages drawn: AWS counts", drawn, 2 * BLOCK),
        Claim("pages drawn: the ledger counts", books.drawn, drawn),
        Claim("charged", books.charged, rendered, "at most"),
        Claim("lost with the killed process", books.lost, BLOCK // 10, "at most"),
        Claim("charged and lost, of those rendered", books.charged + books.lost, rendered, "at least"),
        Claim("still reserved by anybody", books.reserved, 0),
        Claim("charged + reserved + left + lost", parts, drawn),
    )
