"""The emulator in a process of its own, so that the service costs its callers nothing but the wait.

Both ends are here: `Backend` sends a line of JSON for each order, the program answers with one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Self

from meterguard.emulator import Emulator

from . import fresh

UNITS = 1_000_000
TAKING = ("CheckoutLicense", "ExtendLicenseConsumption")


class Backend:
    """The end that a benchmark talks to: it starts the program, and sends it orders."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.backend"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=fresh.ROOT,
            env=fresh.environment(),
        )
        self.url: str = self._order("address")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the far end stops when there are no more orders

    def _order(self, what: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def license(self, ttl: float = 3600) -> tuple[str, str]:
        """Make a licence with many Seats, whose leases live ``ttl`` seconds. Return its SKU and key fingerprint."""
        sku, fingerprint = self._order("license", ttl)
        return sku, fingerprint

    def target(self, ttl: float = 3600) -> tuple[str, str, str]:
        """Return the address, and the SKU and key fingerprint of a new licence."""
        return self.url, *self.license(ttl)

    def be_slow(self, latency: float, **fault: Any) -> None:
        """Answer every request after ``latency`` seconds, and with this fault."""
        self._order("be_slow", latency, fault)

    def be_down(self) -> None:
        """Answer every request with 503."""
        self._order("be_down")

    def be_up(self) -> None:
        """End the outage."""
        self._order("be_up")

    def forget(self) -> None:
        """Forget the requests so far, so that counting begins anew."""
        self._order("forget")

    def calls(self) -> int:
        """Return the number of checkouts and renewals that were asked for."""
        return int(self._order("calls"))

    def ends(self) -> list[tuple[float, float]]:
        """Return two wall clock times for each granted checkout and renewal: its request, and the end of its lease.

        They have fractions of a second, which the answers of the service leave out.
        """
        return [(at, end) for at, end in self._order("ends")]


class Orders:
    """The end inside the program: a method for each order."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._licenses = 0
        self._ttl = 0.0

    def address(self) -> str:
        """Return the address of the emulator."""
        return self._emulator.url

    def license(self, ttl: float) -> list[str]:
        """See `Backend.license`."""
        self._licenses += 1
        self._ttl = ttl
        made = self._emulator.add_license(
            f"BENCH-{self._licenses}", entitlements=[("Seats", UNITS, "Count"), ("Other", UNITS, "Count")], ttl=ttl
        )
        return [made.sku, made.key_fingerprint]

    def be_slow(self, latency: float, fault: dict[str, Any]) -> None:
        """See `Backend.be_slow`."""
        self._emulator.faults.clear()
        self._emulator.faults.add("*", times=None, latency=latency, **fault)

    def be_down(self) -> None:
        """See `Backend.be_down`."""
        self._emulator.down()

    def be_up(self) -> None:
        """See `Backend.be_up`."""
        self._emulator.up()

    def forget(self) -> None:
        """See `Backend.forget`."""
        self._emulator.requests.clear()

    def calls(self) -> int:
        """See `Backend.calls`."""
        return sum(self._emulator.calls(operation) for operation in TAKING)

    def ends(self) -> list[list[float]]:
        """See `Backend.ends`."""
        granted = [one for one in list(self._emulator.requests) if one.operation in TAKING and one.status == 200]
        return [[one.at, (one.moment or 0.0) + self._ttl] for one in granted]


def main() -> None:
    """Serve until standard input ends."""
    with Emulator() as emulator:
        orders = Orders(emulator)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            print(json.dumps(getattr(orders, what)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
