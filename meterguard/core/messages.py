"""Messages: the exceptions that callers see, built from values without secrets."""

from __future__ import annotations

from ..errors import (
    AuthorizationRefused,
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    UntrustedLease,
)
from ..model import Entitlement
from ..ports import LICENSE_MANAGER, FaultKind, ServiceFault
from ..reasons import Reason
from .lease_state import Refusal
from .requirements import Requirement, shown
from .verdicts import Rejected

_SUSPECT = "Look at what stands between you and AWS, and at trusted_keys= where it is set."
RETRY_AFTER = 1.0  # seconds, where the service names none


def failed(requirement: Requirement, fault: ServiceFault, *, renewing: bool = False) -> Exception:
    """Return the exception for a request that failed."""
    what = shown(requirement)
    match fault.kind:
        case FaultKind.DENIED:
            return EntitlementDenied(
                f"{fault.service} does not allow {what}: {_not_allowed(requirement, fault)}",
                requirement,
                requirement,
                Reason.NOT_ENTITLED,
                fault.code,
                fault.request_id,
            )
        case FaultKind.NOT_FOUND:
            return EntitlementDenied(
                f"License Manager knows no licence that could cover {what}: check product_sku and key_fingerprint. "
                "If this very account issued the licence, beneficiary has to be set too.",
                requirement,
                requirement,
                Reason.NO_LICENSE,
                fault.code,
                fault.request_id,
            )
        case FaultKind.REFUSED:
            return AuthorizationRefused(
                f"{'Renewing' if renewing else 'Checking out'} {what} was refused: {fault.detail}",
                requirement,
                requirement,
                Reason.REFUSED,
                fault.code,
                fault.request_id,
            )
        case FaultKind.INVALID:
            return ConfigurationError(f"{fault.service} calls the request for {what} wrong: {fault.detail}")
    return unavailable(requirement, fault)


def _not_allowed(requirement: Requirement, fault: ServiceFault) -> str:
    if fault.service != LICENSE_MANAGER:  # which alone does not say why
        return f"{fault.detail}."
    missing = "the entitlement is not in the licence under this name and unit"
    if any(one.is_counted for one in requirement):
        return f"{missing}, or all of it is in use. Check name and unit against the licence, or queue with wait=."
    return f"{missing}, or the licence is not valid now. Check name, unit and dates against the licence."


def all_in_use(requirement: Requirement) -> str:
    """Return the text of a denial that usage proves to be for want of free units."""
    return (
        f"{shown(requirement)} is not allowed now: the licence has it, but others use so much that too few units are "
        "free. Try again when units have come back, or queue with wait=."
    )


def others_wait(requirement: Requirement) -> EntitlementDenied:
    """Return the denial of a call whose process never had its turn to ask: others came before."""
    return EntitlementDenied(
        f"{shown(requirement)} is waited for by other processes, who came before: it was not this call's turn to ask "
        "in time. Raise wait=, or try again when units have come back.",
        requirement,
        requirement,
        Reason.NOT_ENTITLED,
    )


def waited(seconds: float, calls: int, processes: int, others: int) -> str:
    """Return a sentence on a call that waited in vain: the calls before it, here and in other processes."""
    here = f"{calls} call{'' if calls == 1 else 's'} of this process"
    there = f"{others} of {processes} other process{'' if processes == 1 else 'es'}"
    if not calls and not processes:
        return f"It waited {seconds:g} s, and was the first in the queue."
    before = " and ".join(filter(None, (here if calls else "", f"at most {there}" if processes else "")))
    return f"It waited {seconds:g} s, with {before} before it in the queue."


def refused(requirement: Requirement, refusal: Refusal) -> AuthorizationRefused | UntrustedLease:
    """Return the exception that tells again what stopped the last question."""
    kind = UntrustedLease if refusal.is_untrusted else AuthorizationRefused
    return kind(refusal.message, requirement, requirement, kind.default_reason, refusal.code, refusal.request_id)


def unavailable(requirement: Requirement, fault: ServiceFault) -> EntitlementUnavailable:
    """Return the exception for a request without an answer."""
    return EntitlementUnavailable(
        f"{fault.service} could not be asked about {shown(requirement)}: {fault.detail}",
        requirement,
        fault.code,
        fault.request_id,
        fault.retry_after if fault.retry_after is not None else RETRY_AFTER,
    )


def rejected(requirement: Requirement, verdict: Rejected) -> EntitlementDenied:
    """Return the exception for a 200 that opens nothing."""
    kind = UntrustedLease if verdict.reason is Reason.UNTRUSTED else EntitlementDenied
    return kind(
        f"License Manager answered for {shown(requirement)}, but {verdict.why}; what came was given back. "
        + (_SUSPECT if kind is UntrustedLease else "Look at what the licence holds."),
        requirement,
        verdict.missing,
        verdict.reason,
    )


def distrusted_borrow(requirement: Requirement, where: str, why: str) -> UntrustedLease:
    """Return the exception for a file of borrowed licences that does not agree with the program or its clock."""
    return UntrustedLease(
        f"{shown(requirement)} is not allowed: a borrowed licence in {where} {why}. Set the clock of this machine "
        "right, or delete the file and the one with .seen beside it, and borrow anew.",
        requirement,
        requirement,
        Reason.UNTRUSTED,
    )


def unreadable_borrow(requirement: Requirement, problem: str) -> UntrustedLease:
    """Return the exception for a file of borrowed licences that cannot be read."""
    return UntrustedLease(
        f"{shown(requirement)} is not allowed: {problem}. Mend the file, or delete it and borrow anew.",
        requirement,
        requirement,
        Reason.UNTRUSTED,
    )


def not_borrowed(requirement: Requirement, fault: ServiceFault) -> Exception:
    """Return the exception for a borrow that the service refused."""
    if fault.kind is FaultKind.NOT_FOUND:
        return EntitlementDenied(
            f"License Manager lends no {shown(requirement)}: {fault.detail}. Name the licence with license_arn=, and "
            "check product_sku and key_fingerprint.",
            requirement,
            requirement,
            Reason.NO_LICENSE,
            fault.code,
            fault.request_id,
        )
    if fault.kind is FaultKind.REFUSED:
        return AuthorizationRefused(
            f"Borrowing {shown(requirement)} was refused: {fault.detail}",
            requirement,
            requirement,
            Reason.REFUSED,
            fault.code,
            fault.request_id,
        )
    if fault.kind is not FaultKind.DENIED:
        return failed(requirement, fault)
    return EntitlementDenied(
        f"License Manager does not lend {shown(requirement)}: the licence has no borrow configuration, or it has not "
        "all of this under these names and units, or too few units are free. Ask the vendor, or look at the licence.",
        requirement,
        requirement,
        Reason.NOT_ENTITLED,
        fault.code,
        fault.request_id,
    )


def not_taken_back(requirement: Requirement, fault: ServiceFault) -> Exception:
    """Return the exception for a borrowed licence that could not be returned. It can still be used."""
    if fault.kind in (FaultKind.UNKNOWN, FaultKind.UNREACHABLE):
        return unavailable(requirement, fault)
    kind, why = EntitlementDenied, "not every licence allows a return before its end"
    if fault.kind is FaultKind.REFUSED:
        kind, why = AuthorizationRefused, fault.detail
    return kind(
        f"License Manager does not take the borrowed {shown(requirement)} back: {why}. It can still be used, and goes "
        "back by itself when it ends.",
        requirement,
        requirement,
        kind.default_reason,
        fault.code,
        fault.request_id,
    )


def timed_out(
    requirement: Requirement, seconds: float, trouble: EntitlementUnavailable | None
) -> EntitlementUnavailable:
    """Return the exception for a caller whose time is up; ``trouble`` is the failure of the last attempt, if any."""
    if trouble is None:
        why = f"no answer about {shown(requirement)} came within {seconds:g} s"
        advice = "raise timeout= if the service is merely slow."
    else:
        why, advice = str(trouble).removesuffix("."), f"no better answer came within {seconds:g} s."
    return EntitlementUnavailable(
        f"{why}. The request goes on in the background; {advice}",
        requirement,
        None if trouble is None else trouble.code,
        None if trouble is None else trouble.request_id,
        RETRY_AFTER,
    )


def no_more_on_grace(unknown: EntitlementUnavailable) -> EntitlementUnavailable:
    """Return the exception for a call with a seat of its own, when grace has no more than the seats there were."""
    return EntitlementUnavailable(
        f"{str(unknown).removesuffix('.')}. As many calls run on grace as had seats at once before; "
        "wait until one of them is over.",
        unknown.entitlements,
        unknown.code,
        unknown.request_id,
        unknown.retry_after,
    )


def draw_denied(wanted: Entitlement, fault: ServiceFault) -> Exception:
    """Return the exception for a draw that the service refused."""
    if fault.kind is not FaultKind.DENIED:
        return failed((wanted,), fault)
    return _too_few(wanted, fault.code, fault.request_id)


def denied_call(wanted: Entitlement, error: Exception) -> Exception:
    """Return the exception of a call that needs more units than the block for which ``error`` was heard."""
    if isinstance(error, EntitlementDenied) and error.reason is Reason.NOT_ENTITLED:
        return _too_few(wanted, error.code, error.request_id)
    return error


def used_up(requirement: Requirement) -> str:
    """Return the text of a denied draw that usage proves to be for want of units."""
    return (
        f"License Manager does not allow {shown(requirement)} to be drawn: the licence has it, but fewer units are "
        "left. They do not come back: the licence needs more of them."
    )


def denied_draw(wanted: Entitlement) -> EntitlementDenied:
    """Return the exception for a draw that usage says would be denied."""
    return _too_few(wanted, None, None)


def _too_few(wanted: Entitlement, code: str | None, request_id: str | None) -> EntitlementDenied:
    return EntitlementDenied(
        f"License Manager does not allow {shown((wanted,))} to be drawn: the entitlement is not in the licence under "
        "this name and unit, or fewer units are left. Check name, unit and what is left of the licence.",
        (wanted,),
        (wanted,),
        Reason.NOT_ENTITLED,
        code,
        request_id,
    )


def drew_nothing(wanted: Entitlement) -> EntitlementDenied:
    """Return the exception for a draw whose answer gave no unit of what was asked."""
    return EntitlementDenied(
        f"License Manager answered for {shown((wanted,))}, but gave none of it. Look at what the licence holds.",
        (wanted,),
        (wanted,),
        Reason.COVERS_LESS,
    )


def distrusted_draw(wanted: Entitlement, why: str) -> UntrustedLease:
    """Return the exception for a draw whose answer is not believed: its units may be spent, and are not used."""
    return UntrustedLease(
        f"License Manager answered for {shown((wanted,))}, but {why}; the units are written off as lost. {_SUSPECT}",
        (wanted,),
        (wanted,),
        Reason.UNTRUSTED,
    )


def busy_elsewhere(wanted: Requirement) -> EntitlementUnavailable:
    """Return the exception for a draw that waited in vain for the block that another process asks for."""
    return EntitlementUnavailable(
        f"{shown(wanted)} cannot be drawn now: another process has asked License Manager for the next block, and has "
        "no answer yet. Try again; raise timeout= if the service is merely slow.",
        wanted,
        None,
        None,
        RETRY_AFTER,
    )


def ledger_unavailable(wanted: Requirement, problem: str) -> EntitlementUnavailable:
    """Return the exception for a draw while the ledger cannot be had."""
    return EntitlementUnavailable(
        f"{shown(wanted)} cannot be drawn now: {problem}", wanted, "LedgerUnavailable", None, RETRY_AFTER
    )


def exiting() -> ConfigurationError:
    """Return the exception for a call that comes when the process ends."""
    return ConfigurationError(
        "this process is exiting: its main thread has ended, and a lease checked out now might never be given back"
    )


def closed() -> ConfigurationError:
    """Return the exception for a call on a closed guard."""
    return ConfigurationError("this guard is closed; call meterguard.configure() or make a new MeterGuard")
