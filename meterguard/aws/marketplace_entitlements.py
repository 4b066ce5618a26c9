"""AWS Marketplace Entitlement Service through boto3: what a customer has bought, in one call and as many pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from ..contract import Bought, Contract, Value
from ..ports import FaultKind, Origin, ServiceFault, Traffic
from ..secret import Secret
from .metadata import mapping, served_at
from .settings import Settings
from .times import parse_time
from .transport import Transport
from .wire import Parameters, plain_text

CONTRACT_OPERATIONS: Mapping[str, str] = {"GetEntitlements": "get_entitlements"}
"""The operation that gates of a contract need, and boto3's method for it."""

_MOST_PAGES = 40  # of 25 dimensions
_FILTERS = {"CustomerAWSAccountId": "CUSTOMER_AWS_ACCOUNT_ID", "LicenseArn": "LICENSE_ARN"}
_VALUES = (("IntegerValue", int), ("DoubleValue", float), ("BooleanValue", bool), ("StringValue", str))


class MarketplaceEntitlements:
    """The contract of one customer for one product, as ``contract.ContractService`` has it.

    :param account: the customer's AWS account.
    :param license_arn: the licence of one of its agreements; None: all of them count together.
    :param now: the time of this machine, for answers without one.
    """

    def __init__(
        self,
        settings: Settings,
        product_code: str,
        account: str,
        license_arn: str | None,
        now: Callable[[], float],
        traffic: Traffic | None = None,
    ) -> None:
        named = {"CustomerAWSAccountId": account, "LicenseArn": license_arn}
        self._named = {member: Secret(value) for member, value in named.items() if value is not None}
        self._filters = {_FILTERS[member]: [value] for member, value in self._named.items()}
        self._product_code = product_code
        self._now = now
        self._transport = Transport(settings, CONTRACT_OPERATIONS, traffic)

    def __repr__(self) -> str:
        region = self._transport.clients.region or "not known yet"
        return f"<AWS Marketplace's contract for {self._product_code}, Region {region}>"

    def connect(self) -> None:
        """Import boto3 and make the client, once.

        :raises ConfigurationError: the set-up is wrong.
        """
        self._transport.clients.client()

    def contract(self, dimensions: Iterable[str] = (), *, parting: bool = False) -> Contract:
        """Return what the customer has bought of these dimensions; of all, where none is named."""
        names = list(dimensions)
        filters = {**self._filters, "DIMENSION": names} if names else self._filters
        pages = list(self._pages({"ProductCode": self._product_code, "Filter": filters}, parting))
        told = served_at(pages[0])
        # A header has whole seconds, and the next one may almost have come: no lease outlasts its contract.
        now = datetime.fromtimestamp(self._now(), UTC) if told is None else told + timedelta(seconds=1)
        return Contract(tuple(line for page in pages for line in self._lines(page)), now)

    def _pages(self, request: Parameters, parting: bool) -> Iterator[object]:
        for _ in range(_MOST_PAGES):
            page = self._transport.ask("GetEntitlements", request, parting=parting)
            yield page
            token = mapping(page).get("NextToken")  # which an empty page may have, too
            if not token:
                return
            request = {**request, "NextToken": token}
        raise ServiceFault(FaultKind.UNKNOWN, "its list of entitlements does not end")

    def _lines(self, page: object) -> Iterator[Bought]:
        """Read a page. A line that cannot be read, or is not of this customer, is left out: it must open nothing."""
        items = mapping(page).get("Entitlements")
        for said in map(mapping, items if isinstance(items, list) else ()):
            name, value, end = plain_text(said.get("Dimension")), _value(said.get("Value")), said.get("ExpirationDate")
            ends_at = parse_time(end)
            is_ours = all(said.get(member, one) == one for member, one in self._named.items())
            if is_ours and name is not None and value is not None and (end is None or ends_at is not None):
                yield Bought(name, value, ends_at)

    def origins(self) -> list[Origin]:
        """Return where what the client follows comes from. Asks nothing of AWS."""
        return self._transport.clients.origins()

    def forget(self) -> None:
        """Forget the parent's clients, in a forked child. Does no I/O and waits for nothing."""
        self._transport.clients.reset()


def _value(said: object) -> Value | None:
    members = mapping(said)
    for member, kind in _VALUES:
        value = members.get(member)
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is int):
            return str(value) if kind is str else value
    return None
