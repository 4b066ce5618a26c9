"""A cold process: importing and decorating, the first guarded call, and a call after a warm-up."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import wrapt
from cachetools import TTLCache, cached

from meterguard import requires_entitlement

from . import backend, fresh, hot, peers, rounds
from .plan import Found, Goal, Row, Scale, Study

LATENCY = 0.1  # seconds, of the backend that a warmed-up process calls
WARM_UP = 0.5  # seconds that it had
INTERPRETERS = 3  # of each kind, in each of five processes
IMPORTERS = 7  # the same, for what is over sooner and has the narrower limit
HEAVY = ("boto3", "botocore", "cachetools", "pydantic", "cryptography", "sqlite3")

TIMED = """
import json, sys, time
clock = time.perf_counter
{before}
start = clock()
{timed}
took = clock() - start
print(json.dumps([took * 1e3, sorted(set({heavy}) & sys.modules.keys())]))
"""
DECORATE = """
import meterguard
for number in range(100):
    @meterguard.requires_entitlement("Seats", 1, "Count")
    def work(a, b):
        return a
"""
GUARD = """
import meterguard
url, sku, fingerprint = sys.argv[1:]
guard = meterguard.MeterGuard(sku, fingerprint, endpoint_url=url, region_name="us-east-1")
@guard.requires_entitlement("Seats", 1, "Count")
def work():
    return 1
"""
CLIENT = """
import boto3
url, sku, fingerprint = sys.argv[1:]
client = boto3.client("license-manager", endpoint_url=url, region_name="us-east-1")
client.checkout_license(
    ProductSKU=sku, CheckoutType="PROVISIONAL", KeyFingerprint=fingerprint, ClientToken=str(clock()),
    Entitlements=[{"Name": "Seats", "Value": "1", "Unit": "Count"}],
)
"""

IMPORTS = {
    "wrapt": "import wrapt",
    "wrapt+cachetools": "import wrapt, cachetools",
    "boto3": "import boto3",
    "meterguard": "import meterguard",
    "decorated": DECORATE,
}
FIRST_CALLS = {
    # wrapt is there in both: it brings modules that boto3 would otherwise have to import in the timed part
    "client": ("import wrapt", "import sys" + CLIENT),
    "first-call": (GUARD + "import wrapt", "work()"),
    "client-program": ("", CLIENT),
    "first-program": ("", GUARD + "work()"),
}


def program(timed: str, before: str = "") -> str:
    """Return a program that prints the milliseconds of its timed part, and the heavy modules that it has loaded."""
    return TIMED.format(before=before, timed=timed, heavy=HEAVY)


def once(source: str, *arguments: str, env: dict[str, str]) -> tuple[float, list[str]]:
    """Run a program in a fresh interpreter. Return its milliseconds, and the heavy modules."""
    took, heavy = json.loads(fresh.run(source, *arguments, env=env).splitlines()[-1])
    return float(took), list(heavy)


def imports(interpreters: int, env: dict[str, str]) -> tuple[rounds.Samples, list[str]]:
    """Measure C1, the imports, with interpreters interleaved. The round that does not count compiles the modules."""
    heavy: list[str] = []

    def sample(row: str) -> Callable[[], float]:
        def run() -> float:
            took, found = once(program(IMPORTS[row]), env=env)
            if row == "decorated":
                heavy[:] = found
            return took

        return run

    return rounds.interleaved({row: sample(row) for row in IMPORTS}, interpreters, uncounted=interpreters > 1), heavy


def first_calls(interpreters: int, env: dict[str, str]) -> rounds.Samples:
    """Measure C3, the first call. The backend answers at once, so that its time does not hide that of the process."""
    with backend.Backend() as service:
        target = service.target()

        def sample(row: str) -> Callable[[], float]:
            before, timed = FIRST_CALLS[row]
            return lambda: once(program(timed, before), *target, env=env)[0]

        samples = rounds.interleaved(
            {row: sample(row) for row in FIRST_CALLS}, interpreters, uncounted=interpreters > 1
        )
        service.be_slow(LATENCY)
        warm = program("work()", GUARD + f"guard.prewarm(); time.sleep({WARM_UP})")
        samples["warmed-up"] = [once(warm, *target, env=env)[0] for _ in range(interpreters)]
        samples["latency"] = [LATENCY * 1e3 for _ in samples["warmed-up"]]
    return samples


def decorating(scale: Scale) -> rounds.Samples:
    """Measure C2: decorate one function over and over."""
    gate = requires_entitlement("Seats", 1, "Count")
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "decorate": ("gate(fn)", {"gate": gate}),
        "declare+decorate": ("declare('Seats', 1, 'Count')(fn)", {"declare": requires_entitlement}),
        "wrapt-decorate": ("empty(fn)", {"empty": hot.empty}),
        "wrapt-declare+decorate": ("decorator(wrapper)(fn)", {"decorator": wrapt.decorator, "wrapper": hot.pass_on}),
        "closure-decorate": ("closed_over(fn, deadline=1.0)", {"closed_over": hot.closed_over}),
        "lru_cache-decorate": ("lru_cache(fn)", {"lru_cache": functools.lru_cache}),
        "cachetools-decorate": ("cached(cache)(fn)", {"cached": cached, "cache": TTLCache(8, 8)}),
    }
    loops = {row: rounds.loop(text, 1000, fn=hot.work, **names) for row, (text, names) in ways.items()}
    samples = rounds.interleaved(loops, scale.pick(60, 2))
    return {row: [value / 1e3 for value in values] for row, values in samples.items()}


def measure(scale: Scale) -> Found:
    """Measure C1, C2 and C3."""
    env = fresh.environment()
    interpreters = scale.pick(INTERPRETERS, 1)
    samples, heavy = imports(scale.pick(IMPORTERS, 1), env)
    samples |= first_calls(interpreters, env)
    samples |= decorating(scale)
    found = Found(rounds.figures(samples, STUDY.pairs), peers.absent)
    found.figures["heavy"] = len(heavy)
    if heavy:
        found.remarks.append(f"heavy modules after decorating: {', '.join(heavy)}")
    return found


STUDY = Study(
    "cold",
    "A cold process",
    (
        Row("wrapt", "import wrapt", "ms"),
        Row("wrapt+cachetools", "import wrapt, cachetools", "ms"),
        Row("boto3", "import boto3", "ms"),
        Row("meterguard", "import meterguard", "ms"),
        Row(
            "decorated",
            "import meterguard, decorate 100 functions",
            "ms",
            (Goal("C1", "x import wrapt, cachetools", "decorated/wrapt+cachetools", 1.05),),
        ),
        Row("heavy", f"of {', '.join(HEAVY)} imported", "", (Goal("C1", "none", "heavy", 0, is_count=True),)),
        Row(
            "decorate",
            "decorate a function with a gate",
            "us",
            (
                Goal("C2", "us", "decorate", 2),
                Goal("C2", "x @wrapt.decorator", "decorate/wrapt-decorate", 0.5),
            ),
        ),
        Row(
            "declare+decorate",
            "declare the gate and decorate a function",
            "us",
            (
                Goal("C2", "us", "declare+decorate", 2),
                Goal("C2", "x wrapt.decorator(...) and decorate", "declare+decorate/wrapt-declare+decorate", 0.5),
            ),
        ),
        Row("wrapt-decorate", "@wrapt.decorator", "us"),
        Row("wrapt-declare+decorate", "wrapt.decorator(...) and decorate", "us"),
        Row("closure-decorate", "functools.wraps closure", "us"),
        Row("lru_cache-decorate", "functools.lru_cache", "us"),
        Row("cachetools-decorate", "cachetools.cached", "us"),
        Row("client", "make the boto3 client and call it once", "ms"),
        Row(
            "first-call",
            "first guarded call",
            "ms",
            (Goal("C3", "x make the client and call it once", "first-call/client", 1.05),),
        ),
        Row("client-program", "... as a whole program, import boto3 included", "ms"),
        Row("first-program", "... as a whole program, import meterguard included", "ms"),
        Row(
            "warmed-up",
            "first guarded call 0.5 s after prewarm()",
            "ms",
            (Goal("C3", "x the backend's latency", "warmed-up/latency", 1.1),),
        ),
    ),
    measure,
    remarks=(
        "Each sample of an import or a first call is an interpreter of its own; a process has seven or three of each.",
        "Before a first call is timed wrapt is there, also beside boto3: it brings modules that both need.",
    ),
)
