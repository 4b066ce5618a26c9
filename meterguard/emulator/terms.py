"""From what a test or a seed file writes to the terms of a licence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .clock import Moment, moment_of
from .licenses import FEATURE, Entitlement, License
from .service import enumeration

__all__ = (
    "ISSUER_ACCOUNT",
    "ISSUER_NAME",
    "EntitlementLike",
    "allowed_operations",
    "build_entitlement",
    "build_license",
    "change_terms",
    "received_status",
)

ISSUER_ACCOUNT: Final = "444455556666"
ISSUER_NAME: Final = "Acme"
"""Who issues a licence, unless told otherwise."""

EntitlementLike = Sequence[Any] | Mapping[str, Any] | Entitlement
"""``(name, maximum or value, unit)`` with an optional mapping of further terms, or a mapping of all terms."""

_ENTITLEMENT_TERMS: Final = frozenset({"name", "unit", "max_count", "value", "overage", "allow_check_in"})
_PLAIN_TERMS: Final = frozenset(
    {
        "borrow_early_check_in",
        "borrow_ttl",
        "home_region",
        "issuer_account",
        "issuer_name",
        "name",
        "product_name",
        "renew_type",
        "sign_key",
        "status",
    }
)


def build_license(
    arn: str,
    product_sku: str,
    entitlements: Iterable[EntitlementLike],
    *,
    now: float,
    allow_check_in: bool,
    overage: bool,
    ttl: float | None,
    beneficiary: str,
    begin: Moment | None,
    end: Moment | None,
    metadata: Mapping[str, str] | None = None,
    **plain: Any,
) -> License:
    """A licence on these terms, refused with a ValueError where the service would refuse it."""
    if not product_sku:
        raise ValueError("product_sku: must not be empty")
    _known(plain, _PLAIN_TERMS, "add_license")
    begins = float(now // 1) if begin is None else moment_of(begin)
    return License(
        arn=arn,
        sku=product_sku,
        entitlements=_entitlements(entitlements, overage=overage, allow_check_in=allow_check_in),
        beneficiary=beneficiary,
        begin=begins,
        end=_end(begins, end),
        ttl=_ttl(ttl),
        created=now,
        metadata=tuple((metadata or {}).items()),
        **{
            "name": product_sku,
            "product_name": product_sku,
            "renew_type": "None",
            "sign_key": _sign_key(plain),
            **plain,
            "borrow_ttl": _ttl(plain.get("borrow_ttl"), "borrow_ttl"),
            "status": _status(plain),
        },
    )


def change_terms(current: License, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a licence that such changes set."""
    _known(
        changes,
        _PLAIN_TERMS | {"entitlements", "begin", "end", "ttl", "metadata", "beneficiary"},
        "update_license",
    )
    fields = dict(changes)
    if "entitlements" in fields:
        fields["entitlements"] = _entitlements(fields["entitlements"], overage=False, allow_check_in=True)
    if "begin" in fields:
        fields.update(begin=moment_of(fields["begin"]), begin_text=None)
    if "end" in fields:
        fields.update(end=_end(fields.get("begin", current.begin), fields["end"]), end_text=None)
    for name in {"ttl", "borrow_ttl"} & fields.keys():
        fields[name] = _ttl(fields[name], name)
    if fields.get("borrow_ttl") is not None and current.sign_key is None:
        fields.setdefault(
            "sign_key",
            _sign_key({**fields, "home_region": current.home_region, "issuer_account": current.issuer_account}),
        )
    if "metadata" in fields:
        fields["metadata"] = tuple(fields["metadata"].items())
    if "status" in fields:
        _status(fields)
    return fields


def build_entitlement(
    terms: EntitlementLike, *, overage: bool | None = None, allow_check_in: bool | None = None
) -> Entitlement:
    """An entitlement from a tuple, a mapping or itself."""
    if isinstance(terms, Entitlement):
        return terms
    members = dict(terms) if isinstance(terms, Mapping) else _members(terms)
    _known(members, _ENTITLEMENT_TERMS, "an entitlement")
    name, unit = members.get("name"), members.get("unit", FEATURE)
    if not isinstance(name, str) or not name:
        raise ValueError(f"entitlement {terms!r}: its name must be a text")
    if unit not in enumeration("EntitlementUnit"):
        raise ValueError(f"entitlement {name!r}: {unit!r} is not a unit")
    counted = unit != FEATURE
    return Entitlement(
        name=name,
        unit=unit,
        max_count=_max_count(name, members.get("max_count"), counted=counted),
        value=_value(name, members.get("value"), counted=counted),
        overage=members.get("overage", overage if counted else None),
        allow_check_in=members.get("allow_check_in", allow_check_in if counted else None),
    )


def _members(terms: Sequence[Any]) -> dict[str, Any]:
    if isinstance(terms, str) or not 1 <= len(terms) <= 4:
        raise ValueError(f"entitlement {terms!r}: write (name, maximum, unit)")
    name, amount, unit, more = [*terms, None, None, None][:4]
    unit = unit or (FEATURE if amount is None else "Count")
    return {"name": name, "unit": unit, "value" if unit == FEATURE else "max_count": amount, **(more or {})}


def _entitlements(terms: Iterable[EntitlementLike], *, overage: bool, allow_check_in: bool) -> tuple[Entitlement, ...]:
    built = tuple(build_entitlement(one, overage=overage, allow_check_in=allow_check_in) for one in terms)
    if not built:
        raise ValueError("entitlements: a licence needs at least one")
    if len({one.name for one in built}) < len(built):
        raise ValueError("entitlements: two have the same name")
    return built


def _max_count(name: str, most: Any, *, counted: bool) -> int | None:
    if most is None:
        return None
    if not counted:
        raise ValueError(f"entitlement {name!r}: a feature (unit None) has no maximum")
    if type(most) is not int or not 0 <= most < 2**63:
        raise ValueError(f"entitlement {name!r}: the maximum {most!r} is not a whole number from 0 to 2**63 - 1")
    return most


def _value(name: str, value: Any, *, counted: bool) -> str | None:
    if value is not None and (counted or not isinstance(value, str)):
        raise ValueError(f"entitlement {name!r}: a value is a text, and for a feature (unit None) only")
    return value


def _end(begin: float, end: Moment | None) -> float | None:
    ends = None if end is None else moment_of(end)
    if ends is not None and ends <= begin:
        raise ValueError("end: must be after begin")
    return ends


def _sign_key(terms: Mapping[str, Any]) -> str | None:
    # What can be borrowed is signed; the key itself is the emulator's.
    if terms.get("borrow_ttl") is None:
        return None
    return f"arn:aws:kms:{terms['home_region']}:{terms['issuer_account']}:key/00000000-0000-0000-0000-000000000000"


def _ttl(ttl: float | None, name: str = "ttl") -> float | None:
    if ttl is not None and not ttl > 0:
        raise ValueError(f"{name}: {ttl!r} is not a positive number of seconds")
    return None if ttl is None else float(ttl)


def received_status(status: str) -> str:
    """A status that a received licence can have."""
    if status not in enumeration("ReceivedStatus"):
        raise ValueError(f"status: {status!r} is not the status of a received license")
    return status


def allowed_operations(operations: Iterable[str]) -> None:
    """Refuse what a grant cannot allow."""
    unknown = set(operations) - enumeration("AllowedOperation")
    if unknown:
        raise ValueError(f"operations: a grant does not know {', '.join(sorted(unknown))}")


def _status(terms: Mapping[str, Any]) -> str:
    status: str = terms.get("status", "AVAILABLE")
    if status not in enumeration("LicenseStatus"):
        raise ValueError(f"status: {status!r} is not a license status")
    return status


def _known(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = given.keys() - known
    if unknown:
        raise TypeError(f"{where}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
