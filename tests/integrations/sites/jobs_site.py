"""Jobs that a scheduler and a queue find by their import path."""

from __future__ import annotations

from meterguard import EntitlementDenied, consumes_entitlement, get_guard, meters_usage, requires_entitlement


@requires_entitlement("Seats", 1, "Count", hold="call")
def seat():
    return "seat"


@requires_entitlement("Seats", 1, "Count")
def shared():
    return "shared"


@requires_entitlement("Analytics")
def denied():
    raise AssertionError("never run")


def skip_denied(job, kind, error, trace):
    """An exception handler of RQ: a denied job is marked as skipped, and no handler after this one is asked."""
    if isinstance(error, EntitlementDenied):
        job.meta["skipped"] = error.reason.value
        job.save_meta()
        return False
    return True


@meters_usage("Calls")
@consumes_entitlement("Pages", 2)
def pages():
    return "pages"


@consumes_entitlement("Pages", 2)
def torn():
    raise OSError("the printer burns")


class Accountable:
    """For a worker of RQ: what a job used is written down before its work horse ends."""

    def perform_job(self, *job):
        try:
            return super().perform_job(*job)
        finally:
            get_guard().close()
