"""The table of error codes that AWS answers with, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from ..errors import ConfigurationError
from ..ports import FaultKind, ServiceFault
from . import metadata, regions
from .botocore_errors import OF_CREDENTIALS, ancestors, of_botocore
from .services import LICENSE_MANAGER, Service

_PERMISSION = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationException",
    "Forbidden",
    "NotAuthorized",
    "OptInRequired",
    "SubscriptionRequiredException",
    "Unauthorized",
    "UnauthorizedOperation",
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
_UNRECOGNISED = (
    "AuthFailure",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
)
_SIGNATURE = (
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
)
_INTERNAL = (
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceErrorException",
    "ServerInternalException",
)
_BUSY = (
    "ConflictException",
    "IDPCommunicationError",
    "PriorRequestNotComplete",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionInProgressException",
)
_TOO_MANY = (
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "RateLimitExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
_TOO_MANY_WORDS = ("Throttl", "TooMany", "LimitExceeded", "SlowDown")
_DENIED = (
    "EntitlementNotAllowedException",
    "InvalidResourceStateException",
    "LicenseUsageException",
    "NoEntitlementsAllowedException",
    "ResourceLimitExceededException",
)
_INVALID = (
    "FailedDependencyException",
    "FilterLimitExceededException",
    "InvalidParameterException",
    "InvalidParameterValueException",
    "UnsupportedDigitalSignatureMethodException",
    "ValidationException",
)

KINDS: Mapping[str, FaultKind] = {
    **dict.fromkeys(_DENIED, FaultKind.DENIED),
    "ResourceNotFoundException": FaultKind.NOT_FOUND,
    **dict.fromkeys((*_PERMISSION, *_EXPIRED, *_UNRECOGNISED, *_SIGNATURE), FaultKind.REFUSED),
    **dict.fromkeys((*_BUSY, *_TOO_MANY, *_INTERNAL), FaultKind.UNKNOWN),
    regions.REDIRECT: FaultKind.UNREACHABLE,
    **dict.fromkeys(_INVALID, FaultKind.INVALID),
}
"""The meaning of each error code."""

_OF_CREDENTIALS = frozenset({*_EXPIRED, *_UNRECOGNISED})
_READERS = frozenset({"botocore.client", "botocore.endpoint", "botocore.errorfactory", "botocore.model"})
"""Modules of boto3 that fail on an answer that is JSON, but not of the expected shape."""

_CREDENTIAL_MODULES = frozenset({"botocore.credentials", "botocore.tokens"})
_OF_TIME = ("signature expired", "signature not yet current")
_CREDENTIAL_CALLS = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "CreateToken",
        "GetRoleCredentials",
        "GetSessionToken",
    }
)
"""Operations of other services that boto3 may have to call before it can sign a request of ours."""


def is_permission(code: str | None) -> bool:
    """Return True for a code that says that somebody may not do something."""
    return code in _PERMISSION


def translate(exc: Exception, operation: str, service: Service = LICENSE_MANAGER) -> ServiceFault:
    """Return the fault for an exception of a request to a service.

    An exception that comes of a mistake in somebody's code is raised again as it is.
    """
    if isinstance(exc, ServiceFault | ConfigurationError):
        mistake = exc.with_traceback(None)  # of our own credentials; its frames are boto3's, and show the request
        if isinstance(mistake, ServiceFault):
            return mistake
        raise mistake
    answer = answer_of(exc)
    if answer is not None:
        asked = getattr(exc, "operation_name", None)
        return _not_signed(answer, asked) if asked in _CREDENTIAL_CALLS else of_answer(answer, operation, service)
    modules = _modules(exc.__traceback__)
    is_signed = _CREDENTIAL_MODULES.isdisjoint(modules)
    fault = of_botocore(exc)
    if fault is not None:
        fault.may_have_acted = fault.may_have_acted and is_signed
        return fault
    if not is_signed:
        return ServiceFault(FaultKind.REFUSED, f"the AWS credentials could not be loaded ({type(exc).__name__})")
    if isinstance(exc, OSError):
        detail = f"the request failed ({type(exc).__name__})"
        return ServiceFault(FaultKind.UNKNOWN, detail, may_have_acted=True)
    if "botocore.parsers" in modules or (modules and modules[-1] in _READERS):
        return ServiceFault(FaultKind.UNKNOWN, "its answer could not be read", may_have_acted=True)
    raise exc


def answer_of(exc: BaseException) -> Mapping[object, object] | None:
    """Return the error answer that an exception carries; None when it carries none."""
    answer = getattr(exc, "response", None)
    return answer if isinstance(answer, Mapping) else None


def is_about_credentials(exc: BaseException) -> bool:
    """Return True when other credentials might do better: they rotate, and boto3 reads most of them only once."""
    return (
        getattr(exc, "operation_name", None) in _CREDENTIAL_CALLS
        or metadata.error_code(answer_of(exc)) in _OF_CREDENTIALS
        or not OF_CREDENTIALS.isdisjoint(ancestors(exc))
        or not _CREDENTIAL_MODULES.isdisjoint(_modules(exc.__traceback__))
    )


def of_answer(answer: Mapping[object, object], operation: str, service: Service = LICENSE_MANAGER) -> ServiceFault:
    """Return the fault for an error answer."""
    kind, code = _kind(answer), metadata.error_code(answer)
    status = metadata.status(answer)
    return ServiceFault(
        kind,
        _words(kind, answer, operation, service),
        code=code or (str(status) if status else None),
        request_id=metadata.request_id(answer),
        retry_after=metadata.retry_after(answer),
        # Only the service's own word says that nothing was done, and not while it reports trouble of its own.
        may_have_acted=code is None or code in _INTERNAL or status >= 500,
        action=f"{service.action}:{operation}" if code in _PERMISSION else None,
        is_throttled=kind is FaultKind.UNKNOWN and _is_throttled(code, status),
    )


def _kind(answer: Mapping[object, object]) -> FaultKind:
    code, status = metadata.error_code(answer), metadata.status(answer)
    if code is not None and code in KINDS:
        return KINDS[code]
    if code is None:
        # A page that a proxy or a portal made is no answer of the service, whatever its status.
        refused = status in (401, 403) and metadata.request_id(answer) is not None
        return FaultKind.REFUSED if refused else FaultKind.UNKNOWN
    if not 400 <= status < 500 or status == 408 or _is_throttled(code, status):
        return FaultKind.UNKNOWN
    # The service refuses with a code that we do not know. It must not open anything.
    return FaultKind.REFUSED if status in (401, 403) else FaultKind.INVALID


def _is_throttled(code: str | None, status: int) -> bool:
    """Return True when the answer says that there were too many requests."""
    if code is None or code not in KINDS:
        return status == 429 or any(word in (code or "") for word in _TOO_MANY_WORDS)
    return code in _TOO_MANY


def _words(kind: FaultKind, answer: Mapping[object, object], operation: str, service: Service) -> str:
    code, status = metadata.error_code(answer), metadata.status(answer)
    said = f"{code or 'no error code'}, HTTP {status}" if status else f"{code or 'no error code'}"
    if kind is FaultKind.REFUSED:
        return f"{_refusal(code, answer, operation, service)} ({said})"
    if code == regions.REDIRECT:
        region = regions.named_by(answer)
        where = f"region_name={region!r}" if region else "region_name to the licence's home Region"
        return f"the licence lives in another Region; set {where} ({said})"
    if kind is FaultKind.INVALID:
        return f"{_mistake(code, service)} ({said})"
    if kind is FaultKind.UNKNOWN and code is None:
        return f"what answered was not the service, or it was in trouble ({said})"
    return f"{operation} was answered with {said}"


def _refusal(code: str | None, answer: Mapping[object, object], operation: str, service: Service) -> str:
    if code in _EXPIRED:
        return "the AWS credentials have expired; renew them where they come from"
    if code in _UNRECOGNISED:
        return "AWS does not know the credentials of this process; check where they come from"
    if code in _SIGNATURE:
        served = metadata.served_at(answer)
        now = f" (the service's says {served.isoformat()})" if served else ""
        if code not in ("InvalidSignatureException", "SignatureDoesNotMatch") or _is_skewed(answer):
            return f"the clock of this machine is wrong; set it right{now}"
        return f"the signature does not match; check the secret access key and this machine's clock{now}"
    return (
        f"the identity of this process is not allowed to {operation}; it needs the IAM action "
        f"{service.action}:{operation}, and {service.onboarding}"
    )


def _is_skewed(answer: Mapping[object, object]) -> bool:
    """Return True when the text of the answer, which is never shown, speaks of time rather than of the key."""
    message = metadata.mapping(answer.get("Error")).get("Message")
    return isinstance(message, str) and message.lower().startswith(_OF_TIME)


def _mistake(code: str | None, service: Service) -> str:
    if code == "UnsupportedDigitalSignatureMethodException":
        return "the service cannot sign with the licence's key; the licence's issuer has to change that"
    return f"check {service.suspects}"


def _not_signed(answer: Mapping[object, object], asked: object) -> ServiceFault:
    """Return the fault of a request that was never sent, because another service gave no credentials for it."""
    code = metadata.error_code(answer)
    busy = _kind(answer) is FaultKind.UNKNOWN
    return ServiceFault(
        FaultKind.UNKNOWN if busy else FaultKind.REFUSED,
        f"no AWS credentials were given for it: {asked} was answered with {code or 'no error code'}",
        code=code,
        request_id=metadata.request_id(answer),
        retry_after=metadata.retry_after(answer),
    )


def _modules(trace: TracebackType | None) -> list[str]:
    """Return the modules that an exception came through; the last one raised it."""
    names = []
    while trace is not None:
        names.append(str(trace.tb_frame.f_globals.get("__name__")))
        trace = trace.tb_next
    return names
