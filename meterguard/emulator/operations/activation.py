"""Activation of grants by AWS Marketplace's rule: an account has one active license of a product."""

from __future__ import annotations

from typing import Final

from ..protocol.errors import wrong_value
from ..protocol.messages import Parameters
from ..state.grants import Grant
from ..state.licenses import License
from ..state.pools import State

__all__ = ("activate", "refuse_misplaced_options")

_MARKETPLACE: Final = "294406891311"
_OVERRIDE: Final = "ActivationOverrideBehavior"


def activate(state: State, grant: Grant, options: Parameters | None) -> bool:
    """Return whether a grant may become active. If the options say so, other grants of its product are disabled."""
    others = _others(state, grant)
    if others and (options or {}).get(_OVERRIDE) != "ALL_GRANTS_PERMITTED_BY_ISSUER":
        return False
    for other in others:
        state.grants.settle(other.arn, "DISABLED")
    return True


def refuse_misplaced_options(state: State, grant: Grant, options: Parameters | None, status: str | None) -> None:
    """Refuse the option that says how to activate a grant of a Marketplace license where none is activated."""
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
