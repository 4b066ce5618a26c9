"""The scenes, in order. Each does something, then claims what has come of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from ...events import GraceEnded
from .load import Tally
from .process_scenes import killed_service, one_seat
from .records import Claim, Glimpse, Outcome
from .stage import RENEWAL, SEATS, SHORT, USERS, Stage, is_served

Playing = Generator[Glimpse, None, Outcome]

MANY, ROUNDS = 20_000, 5
CROWD = 50
AGAIN = 1_000
CHEAP = 20e-6
"""Seconds that a guarded call may take, on a slow machine."""
SLOW = 0.2
"""Seconds that each renewal is made to take, so that a call which waited for one would show."""


class Scene(NamedTuple):
    """A title, and the function that plays the scene."""

    title: str
    play: Callable[[Stage], Playing]


def first_call(stage: Stage) -> Playing:
    """The feature's lease is checked out."""
    yield stage.glimpse()
    began = time.perf_counter()
    answer = stage.product.export("report")
    took = time.perf_counter() - began
    return Outcome(
        "The feature Export guards export(). Its first call also imports boto3.",
        (
            Claim("export('report') returned", answer, "report.pdf"),
            Claim("requests", stage.requests(), {"CheckoutLicense": 1}),
            Claim("leases live at AWS", stage.leases, 1),
        ),
        calls=1,
        per_call=took,
    )


def ride_along(stage: Stage) -> Playing:
    """Later calls cost next to nothing."""
    yield stage.glimpse()
    guarded, bare = _fastest(stage.product.export), _fastest(lambda document: f"{document}.pdf")
    return Outcome(
        "The lease is good for an hour. Until then a call asks nobody.",
        (
            Claim("requests", stage.requests(), {}),
            Claim("a guarded call takes", guarded, CHEAP, "at most", "s"),
            Claim("of which the guard", max(0.0, guarded - bare), CHEAP, "at most", "s"),
        ),
        calls=MANY * ROUNDS,
        per_call=guarded,
    )


def two_users(stage: Stage) -> Playing:
    """Of many who ask at once, one sends a request to AWS."""
    yield stage.glimpse()
    ana, ben = USERS
    answers = [*_at_once(stage.product.edit, ana), *asyncio.run(_gathered(stage.product.edit_async, ben))]
    return Outcome(
        f"A seat each: {CROWD} threads call edit({ana!r}) at once, {CROWD} tasks edit({ben!r}).",
        (
            Claim("calls served", sum(map(is_served, answers)), 2 * CROWD),
            Claim("requests", stage.requests(), {"CheckoutLicense": 2}),
            _seats_taken(stage, SEATS),
        ),
        calls=2 * CROWD,
    )


def third_user(stage: Stage) -> Playing:
    """A no is final, remembered, and degrades as declared."""
    yield stage.glimpse()
    edit = stage.product.edit
    answers = {edit("cleo")}
    began = time.perf_counter()
    answers.update(edit("cleo") for _ in range(AGAIN))
    took = time.perf_counter() - began
    requests = dict(stage.requests())
    return Outcome(
        "cleo finds no seat: AWS says no once, and why; then she gets the fallback.",
        (
            Claim("edit('cleo') returned", sorted(answers), ["cleo may only read"]),
            Claim("checkouts asked for", requests.pop("CheckoutLicense"), 1),
            Claim("other requests", requests, {"GetLicenseUsage": 1}),
            Claim("edit('ana') still returns", edit("ana"), "ana edits"),
            _seats_taken(stage, SEATS),
        ),
        calls=AGAIN + 2,
        per_call=took / AGAIN,
    )


def restart(stage: Stage) -> Playing:
    """Closing gives back; opening anew takes again, on the licence's new terms."""
    old = stage.product
    stage.guard.close()
    claims = [
        Claim("leases checked in", stage.answered("CheckInLicense"), 3),
        Claim("a call through the closed guard raises", _raised(old.export), "ConfigurationError"),
        _seats_taken(stage, 0),
    ]
    stage.lm.update_license(stage.licence, ttl=SHORT)
    stage.open_guard()
    for user in USERS:
        yield from stage.until(partial(_is_seated, stage, user), 5)
    claims.append(Claim(f"seats taken by the new guard, of {SEATS}", stage.seats, SEATS))
    return Outcome(
        f"Closing gives all back. The next leases last {SHORT} seconds, to save you time.",
        tuple(claims),
        calls=len(USERS) + 1,
    )


def renewal(stage: Stage) -> Playing:
    """Busy leases are renewed off the path of the calls."""
    slow = stage.lm.faults.add(RENEWAL, latency=SLOW, times=None)
    load = stage.open_load()
    yield from stage.until(lambda: stage.renewals() >= 2, 6)
    tally = load.turn()
    claims = (
        Claim("renewals of each lease", stage.renewals(), 2, "at least"),
        *_served(tally),
        Claim("renewals of one lease at a time", stage.most_renewals_at_once(SLOW), 1),
        Claim("new checkouts", stage.requests().get("CheckoutLicense", 0), 0),
    )
    stage.lm.faults.remove(slow)
    return Outcome(
        f"Threads and tasks go on editing. No call waits for a renewal's {SLOW * 1000:.0f} ms.",
        claims,
        calls=tally.calls,
        per_call=tally.typical,
    )


def outage(stage: Stage) -> Playing:
    """An unknown is not a no."""
    stage.take_down()
    yield from stage.until(lambda: stage.carried >= SEATS and not stage.leases, 5)
    ended = time.monotonic()
    yield from stage.until(lambda: time.monotonic() - ended > 0.5, 1)
    tally = stage.load.turn()
    return Outcome(
        "AWS answers 503 until the leases have ended, and longer. Work goes on.",
        (
            Claim("leases live at AWS", stage.leases, 0),
            Claim("leases carried by grace", stage.carried, SEATS),
            *_served(tally),
            Claim("requests in vain", sum(stage.requests().values()), 100, "at most"),
        ),
        calls=tally.calls,
        per_call=tally.typical,
    )


def recovery(stage: Stage) -> Playing:
    """The service is found again without anybody asking for it."""
    before = stage.count(GraceEnded)
    stage.bring_up()
    took = yield from stage.until(lambda: stage.count(GraceEnded) - before >= SEATS and stage.leases >= SEATS, 5)
    tally = stage.load.turn()
    return Outcome(
        "That is noticed in the background, and both seats are taken again.",
        (
            Claim("noticed after", took, 5, "at most", "s"),
            Claim("leases live at AWS", stage.leases, SEATS),
            *_served(tally),
            _seats_taken(stage, SEATS),
        ),
        calls=tally.calls,
        per_call=tally.typical,
    )


def check_in(stage: Stage) -> Playing:
    """Nothing stays behind."""
    yield stage.glimpse()
    tally = stage.load.stop()
    began = time.perf_counter()
    stage.guard.close()
    took = time.perf_counter() - began
    return Outcome(
        "The last calls are over and the guard is closed.",
        (
            Claim("calls not served", sorted(set(tally.unserved)), []),
            Claim("leases checked in", stage.answered("CheckInLicense"), SEATS),
            Claim("closing took", took, 2, "at most", "s"),
            Claim("leases live at AWS", stage.leases, 0),
            Claim(f"seats free, of {SEATS}", SEATS - stage.seats, SEATS),
        ),
        calls=tally.calls,
        per_call=tally.typical,
    )


SCENES = (
    Scene("The first call checks a lease out", first_call),
    Scene("Thousands of calls ride along", ride_along),
    Scene("Two users take the two seats", two_users),
    Scene("A third user is denied, and degrades", third_user),
    Scene("The program restarts", restart),
    Scene("Leases are renewed under load", renewal),
    Scene("AWS goes down", outage),
    Scene("AWS comes back", recovery),
    Scene("Everything is checked in", check_in),
    Scene("A service that draws pages is killed", killed_service),
    Scene("Four processes share one seat", one_seat),
)

# -- what several scenes do or claim ---------------------------------------------------------------


def _seats_taken(stage: Stage, seats: int) -> Claim:
    return Claim(f"seats taken, of {SEATS}", stage.seats, seats)


def _served(tally: Tally) -> tuple[Claim, ...]:
    return (
        Claim("calls not served", sorted(set(tally.unserved)), []),
        Claim("the slowest call took", tally.slowest, SLOW, "at most", "s"),
    )


def _is_seated(stage: Stage, user: str) -> bool:
    return is_served(stage.product.edit(user))


def _raised(call: Callable[[str], object]) -> str:
    try:
        call("late")
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return type(error).__name__
    return "nothing"


def _fastest(call: Callable[[str], object]) -> float:
    """Seconds a call takes when the machine does nothing else: the best of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(MANY):
            call("report")
        rounds.append(time.perf_counter() - began)
    return min(rounds) / MANY


def _at_once(call: Callable[[str], str], user: str) -> list[str]:
    barrier = threading.Barrier(CROWD)

    def one(_: int) -> str:
        barrier.wait()
        return call(user)

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(one, range(CROWD)))


async def _gathered(call: Callable[[str], Coroutine[Any, Any, str]], user: str) -> list[str]:
    return list(await asyncio.gather(*(call(user) for _ in range(CROWD))))
