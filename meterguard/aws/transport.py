"""Transport of requests to a service: one attempt each, sent by the client of now, and every failure a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ..errors import ConfigurationError
from ..ports import FaultKind, ServiceFault, Traffic
from . import regions
from .boto_types import Client
from .botocore_errors import NEVER_CONNECTED, ancestors
from .clients import Clients
from .error_codes import answer_of, is_about_credentials, translate
from .outcome import Answer, Failure, attempt, hidden
from .settings import Settings
from .wire import Parameters

_Outcome: TypeAlias = Answer[object] | Failure


class Transport:
    """Sends requests to the service of some settings.

    :param methods: boto3's methods, by operation.
    :param traffic: hears of checkouts, and of requests that were too many.
    """

    def __init__(self, settings: Settings, methods: Mapping[str, str], traffic: Traffic | None) -> None:
        self.clients = Clients(settings)
        self._service = settings.service
        self._methods = methods
        self._traffic = traffic

    def ask(self, operation: str, request: Parameters, *, parting: bool = False) -> object:
        """Return the answer to one request; to a second one only where the first was sent to another Region."""
        client = self.clients.client(parting=parting)
        if self._traffic is not None and operation == "CheckoutLicense":
            self._traffic.checking_out()
        with self.clients.signing(parting=parting):
            outcome = self._send(client, operation, request)
        # A process that is leaving has a second for each request, and no time for a second request.
        if isinstance(outcome, Failure) and not parting and regions.is_redirect(answer_of(outcome.trouble)):
            outcome = self._follow(client, outcome, operation, request)
        if isinstance(outcome, Failure):
            # Raised outside of every except block, so that no exception with the service's text is its context.
            fault = self._fault(client, outcome, operation)
            if fault.is_throttled and self._traffic is not None:
                self._traffic.throttled(fault.retry_after or 0.0)
            raise fault
        return outcome.made

    def _follow(self, client: Client, redirect: Failure, operation: str, request: Parameters) -> _Outcome:
        """Send the request once more, and never to a host that an answer names: only to a Region that boto3 knows."""
        region = self.clients.elsewhere(client, regions.named_by(answer_of(redirect.trouble)))
        if region is None:
            return redirect
        outcome = self._send(self.clients.client_in(region), operation, request)
        if isinstance(outcome, Answer):
            self.clients.move_to(region)
        return outcome

    def _fault(self, client: Client, failed: Failure, operation: str) -> ServiceFault:
        if _never_connected(failed.trouble) and self.clients.is_lost(client):
            return ServiceFault(
                FaultKind.UNREACHABLE,
                f"boto3 knows of no {self._service.title} in Region {self.clients.region!r}, and no such host "
                "answers; check region_name (or AWS_REGION)",
                code=type(failed.trouble).__name__,
            )
        if is_about_credentials(failed.trouble):
            self.clients.forget_credentials()
        return translate(failed.trouble, operation, self._service)

    def _send(self, client: Client, operation: str, request: Parameters) -> _Outcome:
        name = self._methods[operation]
        method = getattr(client, name, None)
        if not callable(method):
            raise ConfigurationError(
                f"client must be one of {self._service.title}, such as boto3.client({self._service.name!r}): it has "
                f"no {name}"
            )
        return attempt(lambda: hidden(method(**request)))


def _never_connected(trouble: Exception) -> bool:
    return not NEVER_CONNECTED.isdisjoint(ancestors(trouble))
