"""Outcomes: requests that failed, noted on their records and told to subscribers."""

from __future__ import annotations

from dataclasses import dataclass

from ..core import lease_state as change
from ..core import messages
from ..errors import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable, UntrustedLease
from ..events import EntitlementRefused, ServiceUnavailable
from ..ports import ServiceFault
from .clock import stopwatch
from .publisher import Publisher
from .records import Record
from .single_flight import Landing


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Notes and tells what came of requests. ``began`` is a moment of the stopwatch."""

    publisher: Publisher

    def failed(self, record: Record, fault: ServiceFault, began: float) -> Exception:
        """Note and tell that a checkout failed, and return what its callers are told."""
        error = messages.failed(record.requirement, fault)
        if isinstance(error, EntitlementUnavailable):
            for one in filter(None, (record, record.parent)):
                one.become(change.unknown)
                one.failed(error)
            self.unavailable(record, fault, began)
        elif isinstance(error, EntitlementDenied):
            self.denied(record, error, began)
        return error

    def not_renewed(self, record: Record, no: ServiceFault | EntitlementDenied, began: float) -> Landing | None:
        """Note that a lease which is held could not be replaced; it lives to its end. None for a definite no."""
        fault = no if isinstance(no, ServiceFault) else None
        error = messages.failed(record.requirement, fault, renewing=True) if fault is not None else no
        if fault is not None and isinstance(error, EntitlementUnavailable):
            record.unanswered(record.state.fence, may_have_acted=False)
            record.failed(error)
            self.unavailable(record, fault, began, renewing=True)
        elif isinstance(error, AuthorizationRefused | UntrustedLease):
            self.denied(record, error, began, renewing=True)
        elif isinstance(error, EntitlementDenied):
            return None
        return Landing(error, was_renewal=True)

    def unavailable(self, record: Record, fault: ServiceFault, began: float, *, renewing: bool = False) -> None:
        """Tell that there was no answer."""
        took = stopwatch() - began
        self.publisher.tell(ServiceUnavailable(record.requirement, fault.code, fault.request_id, took, renewing))

    def denied(self, record: Record, denial: EntitlementDenied, began: float, *, renewing: bool = False) -> None:
        """Note and tell a no, of the service or of what stands in front of it."""
        for one in filter(None, (record, record.parent)):
            one.leave_grace(recovered=True)  # first, or a call beside this would say that time ran out
            one.denied(denial)
        what, took = record.requirement, stopwatch() - began
        self.publisher.tell(EntitlementRefused(what, denial.reason, denial.code, denial.request_id, took, renewing))
