"""A shared lease as the text of a row, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ...lease import LeaseFacts
from ...ports import LICENSE_MANAGER, FaultKind
from ..lease_data import facts_from_data, facts_to_data
from .moments import Stamp
from .row import Due, Flight, Holder, Kind, Leased, Outcome, Sent, SharedLease

FORMAT = 1
Data = dict[str, Any]
Seal = Callable[[str], str]
"""Turns a secret into what may be kept, or back. Raises ``ValueError`` where it cannot."""


class NewerFormat(ValueError):
    """A row was written by a newer version of meterguard."""


def to_text(row: SharedLease, seal: Seal) -> str:
    """Return a shared lease as text, its tokens sealed."""
    data = {
        "format": FORMAT,
        "key": row.key,
        "fence": row.fence,
        "lease": row.lease and _leased(row.lease, seal),
        "holders": [[one.owner, one.host, one.since, one.mark] for one in row.holders],
        "flight": row.flight and _flight(row.flight),
        "sent": row.sent and [seal(row.sent.client_token), _stamp(row.sent.since), row.sent.owner, row.sent.epoch],
        "due": [[seal(one.token), _stamp(one.since), one.ttl] for one in row.due],
        "outcome": row.outcome and _outcome(row.outcome),
    }
    return json.dumps({name: value for name, value in data.items() if value}, separators=(",", ":"))


def from_text(text: str, unseal: Seal) -> SharedLease:
    """Return the shared lease that a text says. Raises ``ValueError`` where it says none."""
    try:
        data = json.loads(text)
        if data["format"] > FORMAT:
            raise NewerFormat(data["format"])
        return _row(data, unseal)
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise ValueError(f"{type(problem).__name__} in a row") from None


def _row(data: Data, unseal: Seal) -> SharedLease:
    sent, flight, outcome = data.get("sent"), data.get("flight"), data.get("outcome")
    return SharedLease(
        data["key"],
        data.get("fence", 0),
        _read_leased(data["lease"], unseal) if data.get("lease") else None,
        tuple(Holder(*one) for one in data.get("holders", ())),
        flight and Flight(flight[0], flight[1], Kind(flight[2]), Stamp(*flight[3])),
        sent and Sent(unseal(sent[0]), Stamp(*sent[1]), sent[2], sent[3]),
        tuple(Due(unseal(token), Stamp(*since), ttl) for token, since, ttl in data.get("due", ())),
        outcome and Outcome(outcome[0], Stamp(*outcome[1]), FaultKind(outcome[2]), *outcome[3:]),
    )


def _stamp(stamp: Stamp) -> list[object]:
    return [stamp.machine, stamp.wall, stamp.mono, stamp.store]


def _flight(flight: Flight) -> list[object]:
    return [flight.number, flight.owner, flight.kind.value, _stamp(flight.since)]


def _outcome(one: Outcome) -> list[object]:
    said: list[object] = [one.number, _stamp(one.at), one.kind.value, one.detail, one.code, one.request_id, one.action]
    return said if one.service == LICENSE_MANAGER else [*said, one.service]  # which older versions could not read


def _leased(lease: Leased, seal: Seal) -> Data:
    return {
        "facts": _sealed(facts_to_data(lease.facts), seal),
        "since": _stamp(lease.since),
        "lifetime": lease.lifetime,
        "ttl": lease.ttl,
        "slack": lease.slack,
        "epoch": lease.epoch,
        "is_unsure": lease.is_unsure,
        "restored": lease.restored and _stamp(lease.restored),
    }


def _read_leased(data: Data, unseal: Seal) -> Leased:
    restored = data["restored"]
    facts: LeaseFacts = facts_from_data(_sealed(data["facts"], unseal))
    return Leased(
        facts,
        Stamp(*data["since"]),
        data["lifetime"],
        data["ttl"],
        data["slack"],
        data["epoch"],
        data["is_unsure"],
        restored and Stamp(*restored),
    )


def _sealed(facts: Data, seal: Seal) -> Data:
    """Return the facts with the secrets among them sealed, or opened."""
    return {name: seal(value) if name in _SECRETS and value else value for name, value in facts.items()}


_SECRETS = ("token", "signed_token")
