"""Actions: the questions and orders that come from another process. Mappings of plain data go in and out.

Nothing that comes out opens anything: no token is shown, and of requests only the parts that the log has too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ..faults.fault import OPTIONS, Fault
from ..protocol import wire
from ..protocol.errors import WrongValue
from ..protocol.moments import LATEST, moment_of
from ..protocol.redaction import shown
from ..protocol.validation import MOMENT, check, is_number, maybe
from ..state.licenses import Checkout, Entitlement, License
from ..state.metering import MeteringRecord
from ..state.product_terms import PRODUCT_TERMS, check_product
from ..state.term_rules import LICENSE_TERMS, check_license
from .journal import Request
from .target import Sold, Target

__all__ = ("ACTIONS", "Action", "NotThereError")

Told = Mapping[str, Any]
Answer = dict[str, Any]


class NotThereError(Exception):
    """Nothing has that number."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its method and path, its function, and the members that its body may have."""

    method: str
    path: str
    carry_out: Callable[[Target, Told], Answer]
    members: Collection[str] = ()


# Faults


def _add_fault(emulator: Target, told: Told) -> Answer:
    options = dict(told)
    return _fault(emulator.faults.add(options.pop("operation", None), **options))


def _list_faults(emulator: Target, _told: Told) -> Answer:
    outage = emulator.faults.outage
    return {"faults": [_fault(one) for one in emulator.faults], "outage": None if outage is None else _fault(outage)}


def _remove_fault(emulator: Target, told: Told) -> Answer:
    fault = _found(emulator, told["id"])
    emulator.faults.remove(fault)
    return _fault(fault)


def _release_fault(emulator: Target, told: Told) -> Answer:
    fault = _found(emulator, told["id"])
    fault.release()
    return _fault(fault)


def _clear_faults(emulator: Target, told: Told) -> Answer:
    emulator.faults.clear()
    return _list_faults(emulator, told)


def _go_down(emulator: Target, told: Told) -> Answer:
    emulator.down(**told)
    return _list_faults(emulator, told)


def _come_up(emulator: Target, told: Told) -> Answer:
    emulator.up()
    return _list_faults(emulator, told)


def _found(emulator: Target, number: str) -> Fault:
    for fault in emulator.faults:
        if str(fault.id) == number:
            return fault
    raise NotThereError(f"there is no fault {number}")


def _fault(fault: Fault) -> Answer:
    options = {name: _plain(value) for name, value in fault.options().items()}
    return {"id": fault.id, "operation": fault.operation, **options, "used": fault.used, "is_spent": fault.is_spent}


def _plain(value: Any) -> Any:
    """Return an option of a fault in JSON. Functions and bytes come from Python only, so their type stands for them."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection) and not isinstance(value, (str, bytes)):
        return list(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else f"<{type(value).__name__}>"


# The clock


def _read_clock(emulator: Target, _told: Told) -> Answer:
    now = emulator.clock.now()
    return {"now": now, "time": wire.zoned(now), "is_frozen": emulator.clock.is_frozen}


def _advance_clock(emulator: Target, told: Told) -> Answer:
    check({"seconds": (is_number, "a number of seconds")}, {"seconds": told.get("seconds")})
    moment = emulator.clock.now() + told["seconds"]
    if not 0 <= moment <= LATEST:
        raise WrongValue(f"seconds: {shown(told['seconds'])} would lead out of the years 1970 to 2200")
    emulator.clock.advance(told["seconds"])
    return _read_clock(emulator, told)


def _set_clock(emulator: Target, told: Told) -> Answer:
    check({"moment": MOMENT}, {"moment": told.get("moment")})
    emulator.clock.set(moment_of(told["moment"]))
    return _read_clock(emulator, told)


def _freeze_clock(emulator: Target, told: Told) -> Answer:
    check({"moment": maybe(MOMENT)}, told)
    emulator.clock.freeze(told.get("moment"))
    return _read_clock(emulator, told)


def _resume_clock(emulator: Target, told: Told) -> Answer:
    emulator.clock.resume()
    return _read_clock(emulator, told)


# Licences


def _add_license(emulator: Target, told: Told) -> Answer:
    check_license(told)
    return _license(emulator, emulator.add_license(**told))


def _list_licenses(emulator: Target, _told: Told) -> Answer:
    return {"licenses": [_license(emulator, one) for one in emulator.licenses()]}


def _read_usage(emulator: Target, _told: Told) -> Answer:
    return {"usage": {one.sku: emulator.usage(one.sku) for one in emulator.licenses()}}


def _list_checkouts(emulator: Target, _told: Told) -> Answer:
    skus = {one.arn: one.sku for one in emulator.licenses()}
    return {"checkouts": [_checkout(one, skus[one.arn]) for one in emulator.checkouts()]}


def _read_public_key(emulator: Target, _told: Told) -> Answer:
    return {"public_key_pem": emulator.public_key_pem}


def _license(emulator: Target, licence: License) -> Answer:
    return {
        "product_sku": licence.sku,
        "key_fingerprint": licence.key_fingerprint,
        "license_arn": licence.arn,
        "version": licence.version,
        "status": licence.status_at(emulator.clock.now()),
        "beneficiary": licence.beneficiary,
        "home_region": licence.home_region,
        "ttl": licence.lifetime,
        "begin": wire.zoned(licence.begin),
        "end": None if licence.end is None else wire.zoned(licence.end),
        "entitlements": [_entitlement(one) for one in licence.entitlements],
    }


def _entitlement(one: Entitlement) -> Answer:
    return {"name": one.name, "unit": one.unit, "max_count": one.max_count, "value": one.value}


def _checkout(one: Checkout, sku: str) -> Answer:
    return {
        "product_sku": sku,
        "kind": one.kind,
        "account": one.account,
        "beneficiary": one.beneficiary,
        "node_id": one.node_id,
        "issued_at": wire.zoned(one.issued),
        "expires_at": wire.zoned(one.expires),
        "entitlements": [
            {"name": item.name, "unit": item.unit, "count": item.count, "value": item.value} for item in one.items
        ],
    }


# AWS Marketplace


def _add_product(emulator: Target, told: Told) -> Answer:
    check_product(told)
    return _product(emulator.add_product(**told))


def _list_products(emulator: Target, _told: Told) -> Answer:
    return {"products": [_product(one) for one in emulator.products()]}


def _unsubscribe(emulator: Target, told: Told) -> Answer:
    meant = [one for sold in emulator.products() for one in sold.customers if one.account_id == told["account"]]
    if not meant:
        raise NotThereError("no product has a customer with that account")
    for one in meant:
        one.unsubscribe()
    return _list_products(emulator, told)


def _read_bill(emulator: Target, _told: Told) -> Answer:
    return {"bill": {name: str(quantity) for name, quantity in emulator.bill().items()}}


def _list_metering_records(emulator: Target, _told: Told) -> Answer:
    return {"metering_records": [_metering_record(one) for one in emulator.metering_records()]}


def _product(one: Sold) -> Answer:
    return {
        "code": one.code,
        "dimensions": list(one.dimensions),
        "customers": [
            {
                "account_id": customer.account_id,
                "license_arn": customer.license_arn,
                "agreement_id": customer.agreement_id,
                "is_subscribed": customer.is_subscribed,
            }
            for customer in one.customers
        ],
    }


def _metering_record(one: MeteringRecord) -> Answer:
    return {
        "record_id": one.record_id,
        "product": one.product,
        "account": one.account,
        "license_arn": one.license_arn,
        "dimension": one.dimension,
        "timestamp": wire.zoned(one.timestamp),
        "hour": wire.zoned(one.hour),
        "quantity": str(one.quantity),
        "region": one.region,
    }


# Requests


def _read_health(emulator: Target, _told: Told) -> Answer:
    return {"status": "ok", "url": emulator.url, "region": emulator.region, "account_id": emulator.account_id}


def _list_requests(emulator: Target, _told: Told) -> Answer:
    return {"requests": [_request(one) for one in tuple(emulator.requests)]}


def _forget_requests(emulator: Target, told: Told) -> Answer:
    emulator.requests.clear()
    return _list_requests(emulator, told)


def _count_calls(emulator: Target, _told: Told) -> Answer:
    return {"calls": Counter(one.operation for one in tuple(emulator.requests))}


def _request(one: Request) -> Answer:
    return {
        "operation": one.operation,
        "at": wire.zoned(one.at),
        "status": one.status,
        "error": one.error,
        "done": one.done,
        "dropped": one.dropped,
        "replayed": one.replayed,
        "fault": None if one.fault is None else one.fault.id,
        "product_sku": _text(one.parameters, "ProductSKU"),
        "entitlements": _asked(one.parameters.get("Entitlements")),
    }


def _asked(wanted: Any) -> list[Answer]:
    items = [item for item in wanted if isinstance(item, dict)] if isinstance(wanted, list) else []
    return [{name.lower(): _text(item, name) for name in ("Name", "Value", "Unit")} for item in items]


def _text(told: Told, name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) else None


# A function cannot be told over HTTP.
_FAULT: Final = OPTIONS - {"when"}

ACTIONS: Final = (
    Action("GET", "/health", _read_health),
    Action("GET", "/faults", _list_faults),
    Action("POST", "/faults", _add_fault, _FAULT | {"operation"}),
    Action("DELETE", "/faults", _clear_faults),
    Action("DELETE", "/faults/{id}", _remove_fault),
    Action("POST", "/faults/{id}/release", _release_fault),
    Action("POST", "/down", _go_down, _FAULT),
    Action("POST", "/up", _come_up),
    Action("GET", "/clock", _read_clock),
    Action("POST", "/clock/advance", _advance_clock, {"seconds"}),
    Action("POST", "/clock/set", _set_clock, {"moment"}),
    Action("POST", "/clock/freeze", _freeze_clock, {"moment"}),
    Action("POST", "/clock/resume", _resume_clock),
    Action("GET", "/licenses", _list_licenses),
    Action("POST", "/licenses", _add_license, LICENSE_TERMS),
    Action("GET", "/usage", _read_usage),
    Action("GET", "/checkouts", _list_checkouts),
    Action("GET", "/products", _list_products),
    Action("POST", "/products", _add_product, PRODUCT_TERMS),
    Action("POST", "/customers/{account}/unsubscribe", _unsubscribe),
    Action("GET", "/bill", _read_bill),
    Action("GET", "/metering-records", _list_metering_records),
    Action("GET", "/requests", _list_requests),
    Action("DELETE", "/requests", _forget_requests),
    Action("GET", "/calls", _count_calls),
    Action("GET", "/public-key", _read_public_key),
)
