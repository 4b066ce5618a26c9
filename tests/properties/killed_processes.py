"""A world for draws that die: processes over one ledger and one licence, each killed at any step of what it does.

The processes are simulated: each has a till of its own, and whatever it knows is dropped when it is killed. The code
is the one that runs in applications, without its threads; the service is the emulator, through boto3.
"""

from __future__ import annotations

import itertools
import random
import threading
from dataclasses import dataclass, field

import meterguard
from meterguard.aws.service import LicenseManager
from meterguard.core.policy import Policy
from meterguard.core.requirements import Wish
from meterguard.errors import EntitlementDenied, EntitlementUnavailable
from meterguard.model import Entitlement
from meterguard.ports import LedgerFault, Moment
from meterguard.reasons import OnUnknown
from meterguard.runtime.clock import SystemClock
from meterguard.runtime.draws import Draws
from meterguard.runtime.orders import Orders
from meterguard.runtime.postings import Postings
from meterguard.runtime.publisher import Publisher
from meterguard.runtime.refills import Limits, Refills
from meterguard.runtime.teller import Teller
from meterguard.stores.memory_ledger import MemoryLedger

BLOCK, SLICE, MOST_UNITS = 20, 2, 5
POLICY = Policy(OnUnknown.DENY, 0.0, 0.0, None, 0.2, 0.001, 100, check_in_on_exit=True, inline=True)
FAULTS = (
    {"drop": "after"},
    {"drop": "before"},
    {"error": "RateLimitExceededException"},
    {"error": "NoEntitlementsAllowedException"},
    {"error": "AccessDeniedException"},
    {"status": 503, "applied": True},
)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Steps:
    """Counts the steps of an operation, and kills the process at one of them."""

    left: float = float("inf")
    taken: int = 0

    def __call__(self, name):
        self.taken += 1
        self.left -= 1
        if self.left < 0:
            self.left = float("inf")
            raise Killed(name)


class SteppedLedger(MemoryLedger):
    """A ledger that others share. It may fail before or behind a write, and the process may end at either side."""

    is_shared = True

    def __init__(self, world):
        super().__init__()
        self.world = world
        self.fails = []

    def transact(self, key, change):
        self.world.step("before a write")
        fails = self.fails.pop() if self.fails else None
        if fails == "before":
            raise LedgerFault("nothing was written")
        written = super().transact(key, lambda account, _: change(account, self.world.now))
        if fails == "behind":
            raise LedgerFault("nobody knows")
        self.world.step("behind a write")
        return written


class SteppedService:
    """The service, with a step before each request and behind each answer."""

    def __init__(self, world, client):
        self.world = world
        self.real = LicenseManager(
            product_sku=world.licence.product_sku,
            key_fingerprint=world.licence.key_fingerprint,
            timeout=1,
            client=client,
        )

    def connect(self):
        self.real.connect()

    def draw(self, entitlement, token):
        self.world.step("before a request")
        answer = self.real.draw(entitlement, token)
        self.world.step("behind an answer")
        return answer


class WorldClock:
    def __init__(self, world):
        self.world = world

    def now(self):
        return Moment(self.world.now, self.world.now)

    def wall(self):
        return self.world.now


class NoSurvey:
    """Usage that IAM does not let this program ask for."""

    def wait(self, since=0.0):
        from concurrent.futures import Future

        from meterguard.runtime.waits import Wait

        unknown = Future()
        unknown.set_result(None)
        return Wait(unknown, 0)

    def explaining(self, denied, since):
        return (yield self.wait())


class NoCompaction:
    """A ledger that is young enough."""

    def end(self):
        """Nothing is old."""


class Process:
    """All that one process knows."""

    def __init__(self, world, name):
        self.name = name
        self.teller = Teller(world.ledger, Publisher(), name, lambda one, _: one.owner in world.dead)
        orders = Orders(world.service, self.teller, threading.Event(), SystemClock())
        limits = Limits(POLICY, "scope", {"Pages": world.overdraft})
        refills = Refills(orders, self.teller, limits, lambda job: job(), NoSurvey())
        self.draws = Draws(refills, WorldClock(world), limits, NoSurvey())
        self.postings = Postings(self.teller, self.draws.slices, lambda *_: None, lambda job: job(), NoCompaction())
        self.open = []
        """Reservations of calls that run."""
        self.most = 0
        """The most units that its calls had at once."""

    def reserve(self, units):
        for part in self.draws.slices():
            part.next_try = 0.0  # no pause after a failure: time is the world's
        wish = Wish(((Entitlement("Pages", units, "Count"),),), BLOCK)
        seek = self.draws.seek(wish)
        try:
            wait = next(seek)
            while True:
                assert wait.future.done()
                wait = seek.send(wait.future.result())
        except StopIteration as end:
            return end.value[1][0]

    def settle(self, reservation, used):
        self.draws.settle(reservation, used, None)


@dataclass
class World:
    """The licence, the ledger, the processes, and what was truly used."""

    lm: object
    licence: object
    client: object
    overdraft: int
    now: float = 1_800_000_000.0
    steps: Steps = field(default_factory=Steps)
    dead: set = field(default_factory=set)
    used: int = 0
    """Units of bodies that ran, also those that nobody lived to charge."""
    settled: int = 0
    """Units that a process said were used, and lived a moment longer."""
    kills: int = 0
    may_be_lost: int = 0

    def __post_init__(self):
        self.names = map("process-{}".format, itertools.count())
        self.ledger = SteppedLedger(self)
        self.service = SteppedService(self, self.client)
        self.processes = [self.start(), self.start()]

    def start(self):
        return Process(self, next(self.names))

    def step(self, name):
        self.steps(name)

    @property
    def account(self):
        accounts = self.ledger.accounts()
        return accounts[0] if accounts else meterguard.account.Account("scope", "Pages", "Count")

    def drawn_at_the_service(self):
        return self.lm.usage(self.licence)["Pages"]

    # -- what processes do -----------------------------------------------------------------------

    def begin(self, process, units):
        try:
            process.open.append(process.reserve(units))
        except (EntitlementDenied, EntitlementUnavailable):
            return
        process.most = max(process.most, sum(one.units for one in process.open))

    def finish(self, process, index, used):
        """Run the body of a call, and settle it."""
        reservation = process.open[index % len(process.open)]
        used = min(used, reservation.units)
        self.used += used
        self.step("behind the body")
        process.open.remove(reservation)
        process.settle(reservation, used)
        self.settled += used
        self.step("behind settling")

    def post(self, process, *, give_back):
        for part in process.draws.slices():
            try:
                process.teller.post(part, give_back=give_back)
            except LedgerFault:
                return

    def close(self, process):
        """Let a process end as it should; it has no calls that run."""
        while process.open:
            self.finish(process, 0, 1)
        process.postings.close()
        if all(part.draft is None and not part.open for part in process.draws.slices()):
            self.processes.remove(process)
            self.dead.add(process.name)
            self.processes.append(self.start())

    def kill(self, process):
        self.kills += 1
        # the call that it died in may have had units already, too
        self.may_be_lost += max(SLICE, process.most + MOST_UNITS)
        self.dead.add(process.name)
        self.processes.remove(process)
        self.processes.append(self.start())

    # -- what must hold --------------------------------------------------------------------------

    def check(self):
        account = self.account
        drawn = self.drawn_at_the_service()
        unknown = sum(one.units for one in account.orders) + sum(one.units for one in account.unresolved)
        lines = sum(line.quantity for line in self.ledger.usage())
        assert account.is_balanced, account
        assert account.credit <= self.overdraft, account
        assert account.drawn <= drawn <= account.drawn + unknown, (drawn, account)
        assert self.used <= account.drawn + account.credit, (self.used, account)
        assert lines == account.charged + account.owed, (lines, account)
        assert lines <= self.settled + MOST_UNITS * self.kills, (lines, self.settled)
        assert account.lost <= self.may_be_lost, (account, self.kills)

    def end(self):
        """Let the faults be over and every process end. Then everything is accounted for."""
        self.lm.faults.clear()
        self.ledger.fails.clear()
        self.steps.left = float("inf")
        for process in list(self.processes):
            self.close(process)
        last = self.start()
        last.teller.deal(last.draws.slice(Entitlement("Pages", 1, "Count")), lambda account, _: account)
        last.postings.close()
        self.check()
        account = self.account
        assert account.held == 0, account
        assert account.drawn == account.charged + account.left + account.lost, account
        assert not [one for one in account.orders if one.owner is not None], account


def one_life(lm, client, seed):
    """Run one random schedule. Returns the world at its end."""
    chance = random.Random(seed)
    licence = lm.add_license(f"ACME-{seed}", entitlements=[("Pages", chance.choice([37, 200, 1000]), "Count")])
    world = World(lm, licence, client, overdraft=chance.choice([0, 0, 7]))
    for _ in range(chance.randrange(8, 30)):
        if chance.random() < 0.2:
            lm.faults.clear()  # two at once would let a request act that was turned away
            lm.faults.add("CheckoutLicense", **chance.choice(FAULTS))
        if chance.random() < 0.1:
            world.ledger.fails.append(chance.choice(["before", "behind"]))
        if chance.random() < 0.15:
            seconds = chance.choice([1, 100, 300, 86_400, -3_600])
            world.now += seconds
            if seconds > 0:
                lm.clock.advance(seconds)
        process = chance.choice(world.processes)
        world.steps.left = chance.randrange(8) if chance.random() < 0.35 else float("inf")
        try:
            act(world, process, chance)
        except Killed:
            world.kill(process)
        world.check()
    world.end()
    return world


def act(world, process, chance):
    kind = chance.random()
    if kind < 0.45 or not process.open:
        world.begin(process, chance.randint(1, MOST_UNITS))
    elif kind < 0.8:
        world.finish(process, chance.randrange(9), chance.randint(0, MOST_UNITS))
    elif kind < 0.95:
        world.post(process, give_back=chance.random() < 0.5)
    else:
        world.close(process)
