"""Assembly of services: the clients of AWS that a guard's settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import config
from ..aws.refresh_token import RefreshToken
from ..aws.service import LicenseManager
from ..aws.services import MARKETPLACE_ENTITLEMENT
from ..aws.settings import REACH, TokenSettings
from ..aws.settings import Settings as Connection
from ..config import Settings
from ..runtime.clock import SystemClock
from ..runtime.request_budget import RequestBudget
from ..stores.memory_rows import MemoryRows
from .shared_stores import shared_store

if TYPE_CHECKING:
    from ..runtime.contract_license import ContractLicense

    Authority = LicenseManager | ContractLicense


def license_service(settings: Settings, traffic: RequestBudget | None = None) -> Authority:
    """Return the real service. Nothing is connected for it. ``traffic`` hears of its requests."""
    if settings.customer is not None:
        return _contract(settings, settings.customer, traffic)
    return LicenseManager(
        product_sku=settings.product_sku,
        key_fingerprint=settings.key_fingerprint,
        beneficiary=settings.beneficiary,
        node_id=settings.node_id,
        timeout=settings.policy.timeout,
        token=_token(settings),
        traffic=traffic,
        trusted_keys=settings.trusted_keys,
        **_reach(settings),
    )


def _reach(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in REACH}


def _contract(settings: Settings, customer: tuple[str, str | None], traffic: RequestBudget | None) -> ContractLicense:
    from ..aws.marketplace_entitlements import MarketplaceEntitlements
    from ..runtime.contract_license import ContractLicense

    reached = Connection(settings.policy.timeout, service=MARKETPLACE_ENTITLEMENT, **_reach(settings))
    source = MarketplaceEntitlements(reached, settings.product_sku, *customer, SystemClock().wall, traffic)
    store = shared_store(settings.store, trust_env=settings.trust_env) or MemoryRows()
    return ContractLicense(source, store, settings.scope, traffic)


def _token(settings: Settings) -> TokenSettings | None:
    token = refresh_token(settings)
    return None if token is None else TokenSettings(token, SystemClock().now)


def refresh_token(settings: Settings) -> RefreshToken | None:
    """Return the refresh token that a guard was given, or the one of the environment."""
    if settings.refresh_token is not None:
        return RefreshToken(settings.refresh_token)
    path = settings.refresh_token_file
    return None if path is None else RefreshToken(path, is_last_resort=True)


def metering_connection(settings: Settings) -> Connection:
    """Return what a guard has for all services of AWS: its endpoint and its client are License Manager's."""
    url = None if settings.trust_env else config.endpoint_in_tests
    reach = {**_reach(settings), "endpoint_url": url, "client": None}
    return Connection(settings.policy.timeout, token=_token(settings), **reach)
