"""A world in which four processes report the usage of one ledger for three days, and much goes wrong.

Processes are killed before and after each write and each request, clocks jump, the service is away for hours, usage is
written down late. All chance comes from one seed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

from meterguard.core.metering_records import AGENTCORE, HOST, SAAS
from meterguard.metering_records import Answer, Customer, MeteringFault, Reply, Series, Verdict
from meterguard.ports import Moment
from meterguard.runtime.publisher import Publisher
from meterguard.runtime.reports import Product, Reports
from meterguard.usage import HOUR, UsageKey, UsageLine, hour_of

DAYS = 3
START = datetime(2026, 11, 29, 21, 13, tzinfo=UTC).timestamp()  # a month ends meanwhile
DIMENSIONS = {"Pages": "pages", "Storage": "storage", "Prints": "pages"}
BUYERS = {
    f"tenant-{n}": Customer(f"{n}" * 12, f"arn:aws:license-manager::294406891311:license:l-{n:032d}")
    for n in range(1, 4)
} | {"second-name": Customer("1" * 12, f"arn:aws:license-manager::294406891311:license:l-{1:032d}")}


class Killed(BaseException):
    """The end of a process."""


class Sent(AssertionError):
    """Something was sent that must not be."""


class Aws:
    """AWS's side as its reference says it: the first record of an hour counts, and an hour has to be over."""

    def __init__(self, world, rules):
        self.world, self.rules = world, rules
        self.kept = {}

    def take(self, record):
        key = record.client_token if not self.rules.is_hourly else (record.series, hour_of(record.moment))
        now = self.world.now
        if self.rules.is_hourly and (record.moment % HOUR or record.moment + HOUR > now):
            raise Sent(f"{record} is of an hour that goes on")
        if record.moment > now:
            return Answer(Verdict.OUT_OF_BOUNDS)
        said = (record.series, record.quantity, record.moment)
        if self.kept.setdefault(key, said) != said:
            raise Sent(f"{record} is a second record of its hour: {self.kept[key]}")
        return Answer(Verdict.DELIVERED)

    def bill(self):
        found = defaultdict(Decimal)
        for series, quantity, _ in self.kept.values():
            found[series] += quantity
        return dict(found)


class Wire:
    """What carries the requests of one process."""

    def __init__(self, world, most):
        self.world, self.most, self.has_answered = world, most, False

    def takes_fractions(self):
        return self.world.fractions

    def forget(self):
        """Nothing is open."""

    def send(self, records):
        world = self.world
        world.may_die()
        if world.now < world.away_until or world.chance(0.03):
            if world.chance(0.5):
                self.act(records)  # and its answer is lost
            raise MeteringFault(Answer(Verdict.UNKNOWN, "Throttling"), of_record=False)
        answers = self.act(records)
        world.may_die()
        self.has_answered = True
        return Reply(answers, datetime.fromtimestamp(int(world.now), UTC))

    def act(self, records):
        world = self.world
        done = records if not world.chance(0.1) else records[: len(records) // 2]
        unprocessed = (Answer(Verdict.UNKNOWN, "UnprocessedRecords"),) * (len(records) - len(done))
        return tuple(world.aws.take(one) for one in done) + unprocessed


class FragileLedger:
    """A ledger whose process may die before and after each write."""

    is_shared = is_fleet = False

    def __init__(self, world, ledger):
        self.world, self.ledger = world, ledger
        self.notes, self.usage = ledger.notes, ledger.usage

    def note(self, *written):
        self.world.may_die()
        if self.world.chance(0.1):
            self.world.disturb()
        is_written = self.ledger.note(*written)
        self.world.may_die()
        return is_written


class Process:
    """A process with a clock of its own."""

    def __init__(self, world):
        self.world, self.ahead = world, 0.0
        ledger = FragileLedger(world, world.ledger)
        self.wire = world.wire(world)
        self.reports = Reports(ledger, self.wire, world.product, self, world.publisher, lambda: None)

    def now(self):
        return Moment(self.world.now + self.ahead, self.world.now)

    def jump(self):
        world = self.world
        # A clock that is ahead is known by its first answer; before that nobody can know.
        self.ahead = world.random.choice(
            (0.0, -world.slack, -600.0, *((world.slack, 1800.0) if self.wire.has_answered else ()))
        )

    def use(self):
        world = self.world
        name = world.random.choice(list(DIMENSIONS))
        quantity = Decimal(world.random.randint(1, 9_000_000)).scaleb(-world.random.choice((0, 0, 2, 6)))
        subject = world.random.choice([*world.subjects])
        metered = world.chance(0.7)
        key = UsageKey("scope", name, "Count", subject, hour_of(world.now + self.ahead), metered)
        world.used[key] += quantity
        if world.chance(0.2):  # the ledger is away for a while
            world.late.append((world.now + world.random.random() * world.slack, UsageLine(key, quantity)))
        else:
            world.ledger.post([UsageLine(key, quantity)])

    def flush(self):
        self.reports.flush()


class World:
    """Four processes, a ledger, AWS and time."""

    def __init__(self, seed, ledger, kind, *, wire=None, fractions=True):
        self.random = random.Random(seed)
        self.ledger, self.fractions = ledger, fractions
        self.now, self.reported_at, self.away_until, self.is_calm = START, START, 0.0, False
        self.used, self.late = defaultdict(Decimal), []
        self.is_saas = kind == "saas"
        rules = {"saas": SAAS, "host": HOST, "agentcore": AGENTCORE}[kind]
        self.slack = 3 * HOUR if self.is_saas else HOUR
        self.buyers = BUYERS
        self.subjects = list(BUYERS) if self.is_saas else [None, "a", "b"]
        self.publisher, self.aws = Publisher(), Aws(self, rules)
        self.wire = wire or (lambda world: Wire(world, 25 if self.is_saas else 1))
        self.product = Product("book", "scope", None, rules, frozenset(DIMENSIONS), lambda: self.series_of)
        self.processes = [Process(self) for _ in range(4)]

    def series_of(self, key):
        return Series(DIMENSIONS[key.name], self.buyers[key.subject] if self.is_saas else None)

    def chance(self, likely):
        return not self.is_calm and self.random.random() < likely

    def may_die(self):
        if self.chance(0.02):
            raise Killed

    def disturb(self):
        """Another process reports between what this one has read and what it writes."""
        other = self.random.choice(self.processes)
        before, self.is_calm = self.is_calm, True
        try:
            other.flush()
        finally:
            self.is_calm = before

    def run(self):
        end = START + DAYS * 24 * HOUR
        while self.now < end:
            self.pass_time(self.random.expovariate(1 / 1400))
            number = self.random.randrange(len(self.processes))
            try:
                self.step(self.processes[number])
            except Killed:
                self.processes[number] = Process(self)
        self.settle()

    def pass_time(self, seconds):
        self.now += seconds
        due = [line for moment, line in self.late if moment <= self.now]
        self.late = [(moment, line) for moment, line in self.late if moment > self.now]
        self.ledger.post(due)

    def step(self, process):
        # Somebody reports every half hour or so, or much would become too old.
        kind = self.random.random() if self.now - self.reported_at < HOUR / 2 else 0.9
        if kind < 0.35:
            process.use()
        elif kind < 0.93:
            process.flush()
            self.reported_at = self.now
        elif kind < 0.96:
            process.jump()
        elif self.now > self.away_until + self.slack:  # else it is away for longer than AWS's window
            self.away_until = self.now + self.random.random() * self.slack

    def settle(self):
        """Let all be reported: clocks are right, the service is there, and the last hours are over."""
        self.is_calm, self.away_until = True, 0.0
        for process in self.processes:
            process.ahead = 0.0
        self.pass_time(self.slack)
        for _ in range(3):
            for process in self.processes:
                process.flush()
            self.pass_time(HOUR)

    def expected(self):
        """What the ledger says, by series."""
        found = defaultdict(Decimal)
        for key, quantity in self.ledger.usage():
            found[self.series_of(key)] += quantity
        return dict(found)


class ToEmulator(Wire):
    """The same, to the emulator: real requests, real answers."""

    def __init__(self, world, most, lm, service):
        super().__init__(world, most)
        self.lm, self.service = lm, service

    def act(self, records):
        self.lm.clock.advance(self.world.now - self.lm.clock.now())
        if self.most > 1 and self.world.chance(0.1):
            self.lm.faults.add("BatchMeterUsage", partial={"pages": 1}, times=1)
        answers = self.service.send(records).answers
        self.lm.faults.clear()
        return answers
