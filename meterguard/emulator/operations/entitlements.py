"""GetEntitlements: what the customers of a SaaS product have bought."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..protocol.errors import ServiceError
from ..protocol.messages import Answer, Parameters
from ..state.listings import Agreement, Contract
from .call import Call
from .descriptions import present
from .pagination import page

__all__ = ("get_entitlements",)

_PAGE: Final = 25
_Bought = tuple[Agreement, Contract]
_FILTERS: Final[Mapping[str, Callable[[_Bought], str | None]]] = {
    "CUSTOMER_AWS_ACCOUNT_ID": lambda one: one[0].account,
    "CUSTOMER_IDENTIFIER": lambda one: one[0].identifier,
    "LICENSE_ARN": lambda one: one[0].license_arn,
    "DIMENSION": lambda one: one[1].dimension,
}
_EITHER: Final = {"CUSTOMER_AWS_ACCOUNT_ID", "CUSTOMER_IDENTIFIER"}


def get_entitlements(call: Call, parameters: Parameters) -> Answer:
    """List what customers have bought of a product, by dimension."""
    code, filters = parameters["ProductCode"], parameters.get("Filter", {})
    if filters.keys() >= _EITHER:
        raise _wrong("CUSTOMER_IDENTIFIER and CUSTOMER_AWS_ACCOUNT_ID are mutually exclusive.")
    listings = call.state.listings
    if listings.is_strict and listings.find(code) is None and not listings.agreements(code):
        raise _wrong("The product code is not one that was published.")
    bought = [
        (agreement, contract)
        for agreement in listings.agreements(code)
        for contract in listings.contracts(agreement, call.now)
    ]
    found = [one for one in bought if all(_FILTERS[name](one) in values for name, values in filters.items())]
    given, more = page("GetEntitlements", found, parameters, _key, size=_PAGE)
    return {"Entitlements": [_described(*one) for one in given], **more}


def _key(one: _Bought) -> str:
    agreement, contract = one
    return f"{agreement.license_arn} {contract.dimension}"


def _described(agreement: Agreement, contract: Contract) -> Answer:
    return present(
        {
            "ProductCode": agreement.product,
            "Dimension": contract.dimension,
            "CustomerIdentifier": agreement.identifier,
            "CustomerAWSAccountId": agreement.account,
            "LicenseArn": agreement.license_arn,
            "Value": {contract.kind: contract.value},
            "ExpirationDate": agreement.end if contract.end is None else contract.end,
        }
    )


def _wrong(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
