"""A lease state as plain data, and back: what a store of any kind can write down as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..lease import LeaseFacts
from ..model import Entitlement
from .keys import line_of
from .lease_state import LeaseState, Owed, Pending, Refusal
from .lifecycle import State

Data = dict[str, Any]


def to_data(state: LeaseState) -> Data:
    """Return strings, numbers, lists and dicts. The tokens are among them: whoever keeps them keeps secrets."""
    return {
        "standing": state.standing.name,
        "version": state.version,
        "fence": state.fence,
        "facts": None if state.facts is None else facts_to_data(state.facts),
        "ttl": state.ttl,
        "good_at": state.good_at,
        "is_unsure": state.is_unsure,
        "pending": [[one.client_token, one.born, one.acted_since] for one in state.pending],
        "owed": [[one.token, one.ttl] for one in state.owed],
        "refusal": state.refusal and list(dataclasses.astuple(state.refusal)),
    }


def from_data(data: Data) -> LeaseState:
    """Return the state that was written down."""
    return LeaseState(
        State[data["standing"]],
        data["version"],
        data["fence"],
        None if data["facts"] is None else facts_from_data(data["facts"]),
        data["ttl"],
        data["good_at"],
        data["is_unsure"],
        tuple(Pending(*one) for one in data["pending"]),
        tuple(Owed(*one) for one in data["owed"]),
        None if data["refusal"] is None else Refusal(*data["refusal"]),
    )


def facts_to_data(facts: LeaseFacts) -> Data:
    """Return what the service said of a lease."""
    return {
        "entitlements": [line_of(one) for one in facts.entitlements],
        "license_arn": facts.license_arn,
        "issued_at": facts.issued_at,
        "expires_at": facts.expires_at,
        "node_id": facts.node_id,
        "checkout_type": facts.checkout_type,
        "token": facts.token,
        "signed_token": facts.signed_token,
        "texts": dict(facts.texts),
        # these two are not known to versions before, which can still read a lease without them
        **({"is_verified": True} if facts.is_verified else {}),
        **({"is_borrowed": True} if facts.is_borrowed else {}),
    }


def facts_from_data(data: Data) -> LeaseFacts:
    """Return what was written down of it."""
    entitlements = tuple(Entitlement(*line) for line in data["entitlements"])
    return LeaseFacts(**{**data, "entitlements": entitlements})
