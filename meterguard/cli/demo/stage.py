"""The stage that scenes play on: an emulated AWS, a licence, and a program that the licence guards."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from ... import MeterGuard
from ...emulator import Emulator, License, Request
from ...events import Event, GraceEnded, GraceEntered
from ...ledger import open_report
from ...usage import Balance
from .load import Load
from .records import Glimpse
from .services import Service

SKU = "DEMO-1"
RENEWAL = "ExtendLicenseConsumption"
SEATS, PAGES = 2, 500
USERS = ("ana", "ben")
LONG, SHORT = 3600, 2
"""Seconds a lease lives: in real life, and once the demonstration shows how it is renewed."""
PATIENCE = 20.0
"""Seconds that a service in another process may live."""
LONGEST = 12.0
"""Seconds after which no scene waits any longer, so that a claim that never holds does not hang the demonstration."""


@dataclass(frozen=True, slots=True)
class Product:
    """The program that is sold."""

    export: Callable[[str], str]
    edit: Callable[[str], str]
    edit_async: Callable[[str], Coroutine[Any, Any, str]]


def product(guard: MeterGuard) -> Product:
    """Build the program: a feature, and a seat for each user."""

    @guard.requires_entitlement("Export")
    def export(document: str) -> str:
        return f"{document}.pdf"

    seat = guard.requires_entitlement(
        "Seats", 1, "Count", per=lambda user: user, fallback=lambda user: f"{user} may only read"
    )

    @seat
    def edit(user: str) -> str:
        return f"{user} edits"

    @seat
    async def edit_async(user: str) -> str:
        return f"{user} edits"

    return Product(export, edit, edit_async)


def is_served(answer: str) -> bool:
    """Return True when a user got a seat."""
    return answer.endswith("edits")


class Stage:
    """One demonstration's emulator, licence, guard and load. ``with`` puts everything up and takes it down."""

    lm: Emulator
    licence: License
    guard: MeterGuard
    product: Product
    load: Load

    def __init__(self) -> None:
        self._rooms = contextlib.ExitStack()
        self._began = time.monotonic()
        self._first = 0
        self.events: list[Event] = []
        self.is_up = True
        self._services: list[Service] = []
        self._ledger = self._store = ""

    def __enter__(self) -> Self:
        try:
            self._put_up()
        except BaseException:
            self._rooms.close()
            raise
        return self

    def _put_up(self) -> None:
        self._rooms.enter_context(_nobodys_environment())
        self.lm = self._rooms.enter_context(Emulator())
        self.licence = self.lm.add_license(
            SKU,
            entitlements=(("Seats", SEATS, "Count"), ("Pages", PAGES, "Count"), ("Export", None, "None")),
            ttl=LONG,
        )
        self.open_guard()
        self.load = self._new_load()

    def __exit__(self, *_: object) -> None:
        self._rooms.close()

    # -- setting up ------------------------------------------------------------------------------

    def open_guard(self) -> None:
        """Open a guard for the licence, and build the product behind it."""
        self.guard = MeterGuard(SKU, self.licence.key_fingerprint, endpoint_url=self.lm.url, region_name=self.lm.region)
        self._rooms.callback(self.guard.close)
        self.guard.subscribe(self.events.append)
        self.product = product(self.guard)

    def open_load(self) -> Load:
        """Start to load the two seats."""
        load = self.load = self._new_load()
        self._rooms.callback(load.stop)
        load.start()
        return load

    def _new_load(self) -> Load:
        return Load(USERS, self.product.edit, self.product.edit_async, is_served)

    def open_service(self) -> Service:
        """Start a document service in a process of its own. All of them share a ledger, in a file."""
        self._ledger = self._ledger or self._file("pages.db")
        return self._open("renderer", METERGUARD_LEDGER=self._ledger)

    def open_worker(self) -> Service:
        """Start a worker of a server in a process of its own. All of them share their leases, in a file."""
        self._store = self._store or self._file("leases.db")
        return self._open("worker", METERGUARD_STORE=self._store)

    def _file(self, name: str) -> str:
        directory = self._rooms.enter_context(tempfile.TemporaryDirectory(prefix="meterguard-demo-"))
        return f"sqlite:///{quote(str(Path(directory, name)))}"

    def _open(self, program: str, **settings: str) -> Service:
        settings |= {
            "METERGUARD_PRODUCT_SKU": SKU,
            "METERGUARD_KEY_FINGERPRINT": self.licence.key_fingerprint,
            "AWS_ENDPOINT_URL_LICENSE_MANAGER": self.lm.url,
            "AWS_REGION": self.lm.region,
        }
        service = Service(program, settings, PATIENCE)
        self._rooms.callback(service.close)
        self._services.append(service)
        return service

    def take_down(self) -> None:
        """Let AWS answer 503 to everything."""
        self.is_up = False
        self.lm.down()

    def bring_up(self) -> None:
        """Let AWS answer again."""
        self.is_up = True
        self.lm.up()

    # -- looking ---------------------------------------------------------------------------------

    @property
    def seats(self) -> int:
        """The number of seats that AWS counts as taken."""
        return self.lm.usage(self.licence)["Seats"]

    @property
    def pages(self) -> int:
        """The number of pages that AWS counts as drawn."""
        return self.lm.usage(self.licence)["Pages"]

    def balance(self) -> Balance:
        """Return the balance of the pages in the ledger of the services."""
        return open_report(self._ledger).summary()["Pages"]

    @property
    def leases(self) -> int:
        """The number of checkouts that AWS counts as live."""
        return len(self.lm.checkouts())

    def _arrived(self, operation: str | None = None) -> list[Request]:
        """Return the requests of this scene."""
        return [one for one in self.lm.requests[self._first :] if operation in (None, one.operation)]

    def requests(self) -> Mapping[str, int]:
        """Count the requests of this scene by operation."""
        return dict(Counter(one.operation for one in self._arrived()))

    def answered(self, operation: str) -> int:
        """Count the requests of this scene that were answered with 200."""
        return sum(one.status == 200 for one in self._arrived(operation))

    def renewals(self) -> int:
        """Return how often each lease has been renewed in this scene, at least."""
        done = [one for one in self._arrived(RENEWAL) if one.status == 200]
        counts = Counter(one.parameters["LicenseConsumptionToken"] for one in done)
        return min(counts.values()) if len(counts) >= SEATS else 0

    def most_renewals_at_once(self, seconds: float) -> int:
        """Return how many renewals of one lease overlapped at most, when each takes this many seconds."""
        begun = defaultdict(list)
        for one in self._arrived(RENEWAL):
            begun[one.parameters["LicenseConsumptionToken"]].append(one.at)
        overlap = any(later - earlier < seconds for times in begun.values() for earlier, later in pairwise(times))
        return 2 if overlap else min(1, len(begun))

    def count(self, kind: type[Event]) -> int:
        """Count the events of a kind so far."""
        return sum(isinstance(event, kind) for event in tuple(self.events))

    @property
    def carried(self) -> int:
        """The number of leases that grace carries now."""
        return self.count(GraceEntered) - self.count(GraceEnded)

    def mark(self) -> None:
        """Begin the next scene: count requests from here on."""
        self._first = len(self.lm.requests)

    def glimpse(self) -> Glimpse:
        """Return the state of things now."""
        pages = sum(one.pages for one in self._services)
        return Glimpse(self.load.tally.calls, self.seats, SEATS, self.leases, self.is_up, pages)

    def until(self, done: Callable[[], bool], seconds: float) -> Generator[Glimpse, None, float]:
        """Wait until ``done()`` or for these seconds; return how many seconds that took."""
        began = time.monotonic()
        deadline = min(began + seconds, self._began + LONGEST)
        while not done() and time.monotonic() < deadline:
            yield self.glimpse()
            time.sleep(0.02)
        return time.monotonic() - began


@contextlib.contextmanager
def _nobodys_environment() -> Iterator[None]:
    """Hide the user's own settings: an emulator is sent no real credentials."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("AWS_", "METERGUARD_")):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="demo",
        AWS_SECRET_ACCESS_KEY="demo",  # noqa: S106 - it opens nothing
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
