"""The emulator beside moto's server: requests a second, the wait of each, time to be ready, a call through boto3.

moto has no License Manager, so it answers ``GetParameter`` of Systems Manager, a read over the same protocol, while
the emulator takes a unit each time.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from typing import Any

import boto3

from meterguard.emulator import Emulator

from . import peers, rounds
from .plan import Found, Goal, Row, Scale, Study
from .servers import ENTITLEMENTS, FINGERPRINT, SKU, hammer, served

NUMBER = 20  # calls of a sample
_numbers = itertools.count()


def client(service: str, port: int | None = None) -> Any:
    """Return a boto3 client, of a server on this machine where a port is given."""
    return boto3.client(service, endpoint_url=port and f"http://127.0.0.1:{port}")


def checking_out(of: Any) -> Callable[[], Any]:
    """Return a call that takes one seat."""
    seat = [{"Name": "Seats", "Value": "1", "Unit": "Count"}]
    asked = {"ProductSKU": SKU, "KeyFingerprint": FINGERPRINT, "CheckoutType": "PROVISIONAL", "Entitlements": seat}
    return lambda: of.checkout_license(**asked, ClientToken=f"boto3-{next(_numbers)}")


def reading(of: Any) -> Callable[[], Any]:
    """Store a parameter. Return a call that reads it."""
    of.put_parameter(Name="seats", Value="1", Type="String")
    return lambda: of.get_parameter(Name="seats")


CALLS = {"emulator": ("license-manager", checking_out), "moto": ("ssm", reading)}


def over_http(kind: str, scale: Scale) -> dict[str, float]:
    """Return the figures of one server: its start in ms, boto3 calls in us, requests a second, and their wait in ms."""
    service, calling = CALLS[kind]
    seconds = scale.pick(4, 0.3)
    with served(kind) as (port, ready):
        call = calling(client(service, port))
        calls = rounds.interleaved({"call": rounds.loop("call()", NUMBER, call=call)}, scale.pick(30, 2))
        waits = sorted(hammer(kind, port, seconds))
    return {
        f"{kind}-ready": ready * 1e3,
        f"{kind}-call": statistics.median(calls["call"]) / 1e3,
        f"{kind}-rate": len(waits) / seconds,
        f"{kind}-p50": waits[len(waits) // 2] * 1e3,
        f"{kind}-p99": waits[len(waits) * 99 // 100] * 1e3,
    }


def in_process(scale: Scale) -> dict[str, float]:
    """Return the microseconds of a boto3 call that never leaves the process."""
    emulator = Emulator()
    emulator.add_license(SKU, ENTITLEMENTS, issuer_name="Bench")
    ours = client("license-manager")
    emulator.attach(ours)
    rows = {"emulator-inside": rounds.loop("call()", NUMBER, call=checking_out(ours))}
    if moto := peers.find("moto"):
        with moto.mock_aws():
            rows["moto-inside"] = rounds.loop("call()", NUMBER, call=reading(client("ssm")))
            samples = rounds.interleaved(rows, scale.pick(60, 2))
    else:
        samples = rounds.interleaved(rows, scale.pick(60, 2))
    return {row: value / 1e3 for row, value in rounds.figures(samples).items()}


def measure(scale: Scale) -> Found:
    """Measure all rows in one run."""
    has_moto = peers.find("flask_cors", "flask-cors") and peers.find("moto.server", "moto[server]")
    found = in_process(scale) | over_http("emulator", scale)
    if has_moto:
        found |= over_http("moto", scale)
    for row in ("ready", "call", "rate", "inside"):
        if f"moto-{row}" in found:
            found[f"emulator-{row}/moto-{row}"] = found[f"emulator-{row}"] / found[f"moto-{row}"]
    return Found(found, peers.absent)


def _goal(row: str, limit: float, says: str, *, at_least: bool = False) -> Goal:
    return Goal("W1", f"x {says}", f"emulator-{row}/moto-{row}", limit, at_least)


ROWS = [
    Row("emulator-rate", "emulator, 8 connections", "/s", [_goal("rate", 12, "moto's", at_least=True)]),
    Row("moto-rate", "moto's server, 8 connections", "/s"),
    Row("emulator-p50", "  a request to the emulator, median", "ms"),
    Row("emulator-p99", "  99 in 100", "ms"),
    Row("moto-p50", "  a request to moto's server, median", "ms"),
    Row("moto-p99", "  99 in 100", "ms"),
    Row("emulator-ready", "emulator: start", "ms", [_goal("ready", 0.5, "moto's")]),
    Row("moto-ready", "moto's server: start", "ms"),
    Row("emulator-call", "boto3 call to the emulator", "us", [_goal("call", 0.3, "one to moto's server")]),
    Row("moto-call", "boto3 call to moto's server", "us"),
    Row("emulator-inside", "boto3 call in process, emulator", "us", [_goal("inside", 1, "moto's")]),
    Row("moto-inside", "boto3 call in process, moto", "us"),
]
STUDY = Study("emulator", "The emulator beside moto", ROWS, measure, processes=3)
