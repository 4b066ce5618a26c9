"""Licences from the terms that a test or a seed file gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypedDict

from ..protocol.errors import UnknownArgument, WrongValue
from ..protocol.model import LICENSE_MANAGER
from ..protocol.moments import Moment, moment_of
from ..protocol.redaction import shown
from ..protocol.validation import TEXTS, check, is_flag, is_text, maybe
from .licenses import FEATURE, Entitlement, License
from .term_rules import check_changes, check_license

__all__ = (
    "ISSUER_ACCOUNT",
    "ISSUER_NAME",
    "EntitlementLike",
    "LicenseChanges",
    "MoreTerms",
    "build_license",
    "change_terms",
    "check_receipt",
)

ISSUER_ACCOUNT: Final = "444455556666"
ISSUER_NAME: Final = "Acme"
"""The name of the issuer of a licence that names none."""

EntitlementLike = Sequence[object] | Mapping[str, object] | Entitlement
"""``(name, maximum or value, unit)`` with an optional mapping of further terms, or a mapping of all terms."""


class MoreTerms(TypedDict, total=False):
    """The terms of a licence that tests rarely set."""

    name: str
    product_name: str
    home_region: str
    status: str
    renew_type: str
    borrow_ttl: float | None
    borrow_early_check_in: bool
    metadata: Mapping[str, str] | None
    sign_key: str | None


class LicenseChanges(MoreTerms, total=False):
    """The terms of a licence that a new version may change."""

    entitlements: list[EntitlementLike] | tuple[EntitlementLike, ...]
    ttl: float | None
    issuer_account: str
    issuer_name: str
    beneficiary: str
    begin: Moment
    end: Moment | None


Terms = Mapping[str, Any]
"""The terms of a licence by their names, before they are checked."""

_ENTITLEMENT_TERMS: Final = frozenset({"name", "unit", "max_count", "value", "overage", "allow_check_in"})


def build_license(arn: str, now: float, terms: Terms) -> License:
    """Return a licence on these terms. One that the service would refuse is a ConfigurationError."""
    check_license(terms)
    plain = {name: value for name, value in terms.items() if name not in ("product_sku", "recipients")}
    overage, allow_check_in = plain.pop("overage"), plain.pop("allow_check_in")
    begin, end, sku = plain.pop("begin"), plain.pop("end"), terms["product_sku"]
    begins = float(now // 1) if begin is None else moment_of(begin)
    return License(
        arn=arn,
        sku=sku,
        begin=begins,
        end=_end(begins, end),
        created=now,
        **{
            "name": sku,
            "product_name": sku,
            "renew_type": "None",
            "sign_key": _sign_key(plain),
            **plain,
            "entitlements": _entitlements(plain["entitlements"], overage=overage, allow_check_in=allow_check_in),
            "metadata": tuple((plain.get("metadata") or {}).items()),
            "ttl": _seconds(plain["ttl"]),
            "borrow_ttl": _seconds(plain.get("borrow_ttl")),
            "status": _status(plain),
        },
    )


def change_terms(current: License, changes: Terms) -> dict[str, object]:
    """Return the fields of a licence that such changes set."""
    check_changes(changes)
    fields = dict(changes)
    if "entitlements" in fields:
        fields["entitlements"] = _entitlements(fields["entitlements"], overage=False, allow_check_in=True)
    if "begin" in fields:
        fields.update(begin=moment_of(fields["begin"]), begin_text=None)
    if "end" in fields:
        fields.update(end=_end(fields.get("begin", current.begin), fields["end"]), end_text=None)
    for name in {"ttl", "borrow_ttl"} & fields.keys():
        fields[name] = _seconds(fields[name])
    if fields.get("borrow_ttl") is not None and current.sign_key is None:
        fields.setdefault(
            "sign_key",
            _sign_key({**fields, "home_region": current.home_region, "issuer_account": current.issuer_account}),
        )
    if "metadata" in fields:
        fields["metadata"] = tuple((fields["metadata"] or {}).items())
    if "status" in fields:
        _status(fields)
    return fields


def check_receipt(account: object, status: object, operations: object) -> None:
    """Refuse a status that a received licence cannot have, and operations that a grant cannot allow."""
    statuses = LICENSE_MANAGER.enumeration("ReceivedStatus")
    check(
        {
            "account": maybe((is_text, "an account")),
            "status": (lambda one: is_text(one) and one in statuses, "the status of a received license"),
            "operations": maybe(TEXTS),
        },
        {"account": account, "status": status, "operations": operations},
    )
    unknown = set(operations or ()) - LICENSE_MANAGER.enumeration("AllowedOperation")  # type: ignore[call-overload]
    if unknown:
        raise WrongValue(f"operations: a grant does not know {', '.join(sorted(unknown))}")


def _entitlements(terms: Iterable[EntitlementLike], *, overage: bool, allow_check_in: bool) -> tuple[Entitlement, ...]:
    built = tuple(_entitlement(one, overage=overage, allow_check_in=allow_check_in) for one in terms)
    if not built:
        raise WrongValue("entitlements: a licence needs at least one")
    if len({one.name for one in built}) < len(built):
        raise WrongValue("entitlements: two have the same name")
    return built


def _entitlement(terms: EntitlementLike, *, overage: bool | None, allow_check_in: bool | None) -> Entitlement:
    """Build an entitlement from a tuple, a mapping or itself."""
    members = _members(terms)
    unknown = members.keys() - _ENTITLEMENT_TERMS
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise UnknownArgument(f"an entitlement has no {names}; it may have {', '.join(sorted(_ENTITLEMENT_TERMS))}")
    name, unit = _name_and_unit(members, terms)
    counted = unit != FEATURE
    return Entitlement(
        name=name,
        unit=unit,
        max_count=_max_count(name, members.get("max_count"), counted=counted),
        value=_value(name, members.get("value"), counted=counted),
        overage=_flag(name, members, "overage", overage if counted else None),
        allow_check_in=_flag(name, members, "allow_check_in", allow_check_in if counted else None),
    )


def _name_and_unit(members: Mapping[str, Any], terms: EntitlementLike) -> tuple[str, str]:
    name, unit = members.get("name"), members.get("unit", FEATURE)
    if not isinstance(name, str) or not name:
        raise _wrong(terms, "its name must be a text")
    if not isinstance(unit, str):
        raise WrongValue(f"entitlements: the unit {shown(unit)} of {shown(name)} is not a text")
    if unit not in LICENSE_MANAGER.enumeration("EntitlementUnit"):
        raise _wrong(name, f"{shown(unit)} is not a unit")
    return name, unit


def _flag(name: str, members: Mapping[str, Any], flag: str, default: bool | None) -> bool | None:
    value: bool | None = members.get(flag, default)
    if value is not None and not is_flag(value):
        raise _wrong(name, f"{flag}: {shown(value)} is not true or false")
    return value


def _members(terms: EntitlementLike) -> Mapping[str, Any]:
    if isinstance(terms, Entitlement):
        return asdict(terms)
    if isinstance(terms, Mapping):
        return terms
    if not isinstance(terms, (list, tuple)) or not 1 <= len(terms) <= 4:
        raise WrongValue(f"entitlement {shown(terms)}: write (name, maximum, unit) in entitlements")
    name, amount, unit, more = [*terms, None, None, None][:4]
    if more is not None and not isinstance(more, Mapping):
        raise _wrong(name, f"{shown(more)} is not a table of overage and allow_check_in")
    unit = unit or (FEATURE if amount is None else "Count")
    return {"name": name, "unit": unit, "value" if unit == FEATURE else "max_count": amount, **(more or {})}


def _max_count(name: str, most: Any, *, counted: bool) -> int | None:
    if most is None:
        return None
    if not counted:
        raise _wrong(name, "a feature (unit None) has no maximum")
    if type(most) is not int or not 0 <= most < 2**63:
        raise _wrong(name, f"the maximum {shown(most)} is not a whole number from 0 to 2**63 - 1")
    return most


def _value(name: str, value: Any, *, counted: bool) -> str | None:
    if value is not None and (counted or not isinstance(value, str)):
        raise _wrong(name, "a value is a text, and for a feature (unit None) only")
    return value


def _wrong(name: object, what: str) -> WrongValue:
    return WrongValue(f"entitlement {shown(name)}: {what}; write entitlements=[(name, maximum, unit)]")


def _end(begin: float, end: Moment | None) -> float | None:
    ends = None if end is None else moment_of(end)
    if ends is not None and ends <= begin:
        raise WrongValue("end: must be after begin")
    return ends


def _sign_key(terms: Mapping[str, Any]) -> str | None:
    # A borrow is signed; the key itself is the emulator's.
    if terms.get("borrow_ttl") is None:
        return None
    return f"arn:aws:kms:{terms['home_region']}:{terms['issuer_account']}:key/00000000-0000-0000-0000-000000000000"


def _seconds(ttl: float | None) -> float | None:
    return None if ttl is None else float(ttl)


def _status(terms: Mapping[str, Any]) -> str:
    status: str = terms.get("status", "AVAILABLE")
    if status not in LICENSE_MANAGER.enumeration("LicenseStatus"):
        raise WrongValue(f"status: {shown(status)} is not a license status")
    return status
