"""Three pages that a licence can shut: the site that serves them, and how each is brought about."""

from __future__ import annotations

import contextlib

from meterguard import MeterGuard
from meterguard.emulator import Emulator
from tests.integrations.serving import Server

DENIED, TAKEN, UNAVAILABLE = "denied", "all seats taken", "unavailable"
PATHS = {DENIED: "/analytics", TAKEN: "/seat", UNAVAILABLE: "/seat"}
STATUSES = {DENIED: 403, TAKEN: 429, UNAVAILABLE: 503}
TITLES = {
    DENIED: "Not included in the licence",
    TAKEN: "All licensed units are in use",
    UNAVAILABLE: "The licence cannot be checked",
}


class Shown:
    """A real site, its License Manager, and somebody else who wants the same seats."""

    def __init__(self, lm):
        self.lm = lm
        entitlements = [("Seats", 3, "Count"), ("Export", None, "None")]
        self.licence = lm.add_license("ACME-1", entitlements=entitlements, ttl=3600)
        guard = {"product_sku": self.licence.product_sku, "key_fingerprint": self.licence.key_fingerprint}
        access = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": lm.region}
        settings = {f"METERGUARD_{name.upper()}": value for name, value in guard.items()}
        environment = {
            "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
            "METERGUARD_ON_UNKNOWN": "deny",
            **access,
            **settings,
        }
        self.server = Server("gunicorn", "tests.browser.site:served", env=environment)
        self.url = self.server.url
        self._others = MeterGuard(**guard, endpoint_url=lm.url, region_name=lm.region)

    @contextlib.contextmanager
    def because(self, kind):
        """While it lasts, the page of this kind is what its path shows; gives the address."""
        with contextlib.ExitStack() as stack:
            if kind == TAKEN:
                gate = self._others.requires_entitlement("Seats", 3, "Count", hold="call", wait=10)
                stack.enter_context(gate)
            elif kind == UNAVAILABLE:
                stack.enter_context(self.lm.down())
            yield self.url + PATHS[kind]

    def close(self):
        self._others.close()
        self.server.kill()


@contextlib.contextmanager
def shown():
    """The site, for as long as it is looked at."""
    with Emulator() as lm, contextlib.closing(Shown(lm)) as site:
        yield site
