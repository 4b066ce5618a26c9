"""What this service can do: each operation's name and the function that carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .calls import Handler
from .consuming import check_in_license, check_out_license, extend_license_consumption
from .issuing import create_license, delete_license
from .reading import get_license, get_license_usage, list_received_licenses

__all__ = ("OPERATIONS",)

OPERATIONS: Final[Mapping[str, Handler]] = {
    "CheckoutLicense": check_out_license,
    "CheckInLicense": check_in_license,
    "ExtendLicenseConsumption": extend_license_consumption,
    "GetLicense": get_license,
    "GetLicenseUsage": get_license_usage,
    "ListReceivedLicenses": list_received_licenses,
    "CreateLicense": create_license,
    "DeleteLicense": delete_license,
}
