"""Marketplace's rule for active grants: of one product, one license is active in an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..protocol.errors import wrong_value
from ..state.grants import Grant
from ..state.licenses import License
from ..state.pools import State

__all__ = ("activate", "refuse_misplaced_options")

_MARKETPLACE: Final = "294406891311"
_OVERRIDE: Final = "ActivationOverrideBehavior"


def activate(state: State, grant: Grant, options: Mapping[str, Any] | None) -> bool:
    """Return True when a grant may become active; others of its product are disabled if the options say so."""
    others = _others(state, grant)
    if others and (options or {}).get(_OVERRIDE) != "ALL_GRANTS_PERMITTED_BY_ISSUER":
        return False
    for other in others:
        state.grants.settle(other.arn, "DISABLED")
    return True


def refuse_misplaced_options(state: State, grant: Grant, options: Mapping[str, Any] | None, status: str | None) -> None:
    """The option says how to activate a grant of a Marketplace license, and nothing else."""
    if _OVERRIDE in (options or {}) and (status != "ACTIVE" or not _is_marketplace(state.license(grant.licence_arn))):
        raise wrong_value(f"{_OVERRIDE} goes with activating a grant of a Marketplace license.")


def _others(state: State, grant: Grant) -> list[Grant]:
    licence = state.license(grant.licence_arn)
    if licence is None or not _is_marketplace(licence):
        return []
    return [
        one
        for one in state.grants
        if one.status == "ACTIVE"
        and one.arn != grant.arn
        and one.grantee == grant.grantee
        and (other := state.license(one.licence_arn)) is not None
        and (other.sku, other.key_fingerprint) == (licence.sku, licence.key_fingerprint)
    ]


def _is_marketplace(licence: License | None) -> bool:
    return licence is not None and licence.issuer_account == _MARKETPLACE
