"""A License Manager client that answers at once, where only the way to it is measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from meterguard import MeterGuard

SKU, FINGERPRINT = "BENCH-1", "aws:111122223333:Bench:issuer-fingerprint"


class StandIn:
    """A client with three of boto3's methods. It grants every checkout, for an hour."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def checkout_license(self, **asked: Any) -> dict[str, Any]:
        """Grant what is asked for."""
        now = datetime.now(UTC)
        return {
            "CheckoutType": "PROVISIONAL",
            "EntitlementsAllowed": asked["Entitlements"],
            "LicenseArn": "arn:aws:license-manager::111122223333:license:l-0123456789abcdef0123456789abcdef",
            "LicenseConsumptionToken": f"{next(self._numbers):032x}",
            "IssuedAt": now.isoformat(),
            "Expiration": (now + timedelta(hours=1)).isoformat(),
        }

    def extend_license_consumption(self, **asked: Any) -> dict[str, Any]:
        """Grant another hour."""
        later = datetime.now(UTC) + timedelta(hours=1)
        return {"LicenseConsumptionToken": asked["LicenseConsumptionToken"], "Expiration": later.isoformat()}

    def check_in_license(self, **_: Any) -> dict[str, Any]:
        """Take the lease back."""
        return {}


@contextmanager
def guard(**options: Any) -> Iterator[MeterGuard]:
    """Yield a guard over a stand-in."""
    with MeterGuard(SKU, FINGERPRINT, client=StandIn(), **options) as made:
        yield made
