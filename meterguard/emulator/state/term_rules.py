"""Rules for the terms of a licence, from Python, from a seed file and over HTTP alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..protocol.errors import UnknownArgument
from ..protocol.model import LICENSE_MANAGER
from ..protocol.validation import FLAG, MOMENT, TEXT, Rules, check, is_list_of_texts, is_number, is_table_of, maybe

__all__ = ("CHANGES", "LICENSE_TERMS", "check_changes", "check_license")


def check_license(terms: Mapping[str, object]) -> None:
    """Refuse, with a ConfigurationError that names it, a term that `add_license` cannot take."""
    _require_known(terms, _RULES, "add_license")
    check(_RULES, {"product_sku": None, "entitlements": None, **terms})


def check_changes(terms: Mapping[str, object]) -> None:
    """Refuse, with a ConfigurationError that names it, a change that `update_license` cannot make."""
    _require_known(terms, _CHANGES, "update_license")
    check(_CHANGES, terms)


def _require_known(terms: Mapping[str, object], known: Rules, method: str) -> None:
    unknown = terms.keys() - known.keys()
    if unknown:
        names = ", ".join(sorted(known))
        raise UnknownArgument(f"{method} does not take {', '.join(sorted(unknown))}; it takes {names}")


def _is_lifetime(value: object) -> bool:
    return is_number(value) and value > 0


def _is_renew_type(value: object) -> bool:
    return isinstance(value, str) and value in LICENSE_MANAGER.enumeration("RenewType")


_LIFETIME: Final = maybe((_is_lifetime, "a positive number of seconds"))
_RULES: Final[Rules] = {
    "product_sku": TEXT,
    "entitlements": (
        lambda value: isinstance(value, (list, tuple)),
        'a list of entitlements, each as ["Seats", 3, "Count"] or as a table',
    ),
    "ttl": _LIFETIME,
    "issuer_account": maybe(TEXT),
    "issuer_name": TEXT,
    "beneficiary": maybe(TEXT),
    "recipients": maybe((is_list_of_texts, "a list of accounts")),
    "begin": maybe(MOMENT),
    "end": maybe(MOMENT),
    "allow_check_in": FLAG,
    "overage": FLAG,
    "name": TEXT,
    "product_name": TEXT,
    "home_region": TEXT,
    "status": TEXT,
    "renew_type": (_is_renew_type, "'None', 'Weekly' or 'Monthly'"),
    "borrow_ttl": _LIFETIME,
    "borrow_early_check_in": FLAG,
    "metadata": maybe((is_table_of(lambda one: isinstance(one, str)), "a table of texts")),
    "sign_key": maybe(TEXT),
}
_ONLY_AT_FIRST: Final = {"product_sku", "recipients", "allow_check_in", "overage"}
_CHANGES: Final[Rules] = {
    **{name: rule for name, rule in _RULES.items() if name not in _ONLY_AT_FIRST},
    "begin": MOMENT,
    "issuer_account": TEXT,
    "beneficiary": TEXT,
}

LICENSE_TERMS: Final = _RULES.keys()
"""The names of the terms of a new licence."""

CHANGES: Final = _CHANGES.keys()
"""The names of the terms that a new version may change."""
