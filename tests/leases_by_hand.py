"""Rows of leases as processes would have left them, for tests of what others make of them."""

from __future__ import annotations

import hashlib
import platform
import time
from dataclasses import replace

from meterguard import Entitlement
from meterguard.core import keys
from meterguard.core.shared.moments import Stamp
from meterguard.core.shared.row import Due, Holder, Leased, Sent, SharedLease
from meterguard.core.shared.text import to_text
from meterguard.lease import LeaseFacts
from meterguard.rows import Row
from meterguard.runtime import owners

SEATS = (Entitlement("Seats", 1),)
ARN = "arn:aws:license-manager::444455556666:license:l-1"


def stamp(store, age=0.0):
    """A moment that is so many seconds ago."""
    return Stamp(owners.machine()[0], time.time() - age, time.monotonic() - age, store.read("now").now - age)


def facts(token, requirement=SEATS):
    now = time.time()
    return LeaseFacts(requirement, ARN, now, now + 3600, None, "PROVISIONAL", token, None, {})


def written(store, scope, owner_names, *, token=None, sent=None, due=None, age=0.0, per=(), **parts):
    """Write the row of a lease for a seat: of these owners, which are listed as its holders if there is a token."""
    seen, since = store.read("now"), stamp(store, age)
    row = SharedLease(keys.encoded(SEATS, per).decode("ascii"), 1)
    if token:
        holders = tuple(Holder(one, platform.node(), seen.now - age, str(at)) for at, one in enumerate(owner_names))
        row = replace(row, lease=Leased(facts(token), since, 3600.0, 3600.0, epoch=seen.epoch), holders=holders)
    if sent:
        row = replace(row, sent=Sent(sent, since, owner_names[0], seen.epoch))
    if due:
        row = replace(row, due=(Due(due, since, 3600.0),))
    row = replace(row, **parts)
    digest = hashlib.sha256(row.key.encode("ascii")).hexdigest()[:40]
    scope = scope if len(scope) == 24 else hashlib.sha256(scope.encode()).hexdigest()[:24]
    assert store.replace(f"{scope}/{digest}", "", Row("1", to_text(row, str)), 3600).is_won
    return row
