"""Jobs that a scheduler and a queue find by their import path."""

from __future__ import annotations

from meterguard import EntitlementDenied, requires_entitlement


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
