"""Scopes: what tells licences apart in a ledger, without naming one."""

from __future__ import annotations

import hashlib
import json

CONTRACT = "contract-"
"""The beginning of scopes of SaaS contracts."""


def scope_of_contract(product_code: str, account: str, license_arn: str | None) -> str:
    """Return the scope of a customer's contract: one of which nobody reads the customer."""
    return CONTRACT + scope_of(product_code, account, license_arn)


def scope_of(product_sku: str, key_fingerprint: str, beneficiary: str | None) -> str:
    """Return the scope of a licence: a digest, from which nobody reads the product, the issuer or the beneficiary."""
    said = json.dumps([product_sku, key_fingerprint, beneficiary], ensure_ascii=True)
    return hashlib.sha256(said.encode("ascii")).hexdigest()[:24]
