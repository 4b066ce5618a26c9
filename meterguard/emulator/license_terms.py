"""What the table of a licence may say that comes from outside: from a seed file, or over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .rules import Rules, are_texts, check, is_flag, is_moment, is_number, is_text, optional
from .service import enumeration

__all__ = ("LICENSE_TERMS", "check_license")


def check_license(terms: Mapping[str, Any]) -> None:
    """Refuse with a ValueError, which names it, a term that `add_license` could not take."""
    unknown = terms.keys() - _RULES.keys()
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(_RULES))}")
    check(_RULES, {"product_sku": None, "entitlements": None, **terms})


def _is_entitlement(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _has_right_terms(value)
    if not isinstance(value, list) or not 1 <= len(value) <= 4:
        return False
    _name, _amount, unit, more = [*value, None, None, None][:4]
    return optional(is_text)(unit) and optional(_has_right_terms)(more)


def _has_right_terms(value: Any) -> bool:
    flags = ("overage", "allow_check_in")
    is_right = isinstance(value, Mapping) and all(optional(is_flag)(value.get(name)) for name in flags)
    return is_right and optional(is_text)(value.get("unit"))


def _are_entitlements(value: Any) -> bool:
    return isinstance(value, list) and all(_is_entitlement(one) for one in value)


def _is_lifetime(value: Any) -> bool:
    return value is None or (is_number(value) and value > 0)


def _are_words(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)


def _is_renew_type(value: Any) -> bool:
    return isinstance(value, str) and value in enumeration("RenewType")


_TEXT: Final = (is_text, "a text")
_MOMENT: Final = (optional(is_moment), "a time from 1970 to 2200: ISO 8601, or seconds since 1970")
_LIFETIME: Final = (_is_lifetime, "a positive number of seconds")
_FLAG: Final = (is_flag, "true or false")
_RULES: Final[Rules] = {
    "product_sku": _TEXT,
    "entitlements": (_are_entitlements, 'a list of ["Seats", 3, "Count"], or of tables of such'),
    "ttl": _LIFETIME,
    "issuer_account": _TEXT,
    "issuer_name": _TEXT,
    "beneficiary": _TEXT,
    "recipients": (lambda value: isinstance(value, list) and are_texts(value), "a list of accounts"),
    "begin": _MOMENT,
    "end": _MOMENT,
    "allow_check_in": _FLAG,
    "overage": _FLAG,
    "name": _TEXT,
    "product_name": _TEXT,
    "home_region": _TEXT,
    "status": _TEXT,
    "renew_type": (_is_renew_type, "'None', 'Weekly' or 'Monthly'"),
    "borrow_ttl": _LIFETIME,
    "borrow_early_check_in": _FLAG,
    "metadata": (_are_words, "a table of texts"),
    "sign_key": _TEXT,
}

LICENSE_TERMS: Final = _RULES.keys()
"""The names of all terms."""
