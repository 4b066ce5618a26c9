"""Errors: those that the service answers, with code, text and HTTP status, and those that an emulator raises."""

from __future__ import annotations

from typing import Final

from ...errors import ConfigurationError

__all__ = (
    "BARE_STATUSES",
    "ConfigurationError",
    "EmulatorBug",
    "ServiceError",
    "StateError",
    "UnknownArgument",
    "UnknownLicense",
    "WrongValue",
    "elsewhere",
    "malformed",
    "status_of",
    "wrong_value",
)

_DOCUMENTED: Final = {
    "ServerInternalException": 500,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "InternalServiceErrorException": 500,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "RequestEntityTooLargeException": 413,
    "TooManyRequestsException": 429,
    # STS has statuses of its own.
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "IDPRejectedClaim": 403,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "RegionDisabledException": 403,
    "SignatureDoesNotMatch": 403,
}

# The Smithy model disagrees with the API reference, which describes this wire; so it is a switch, off
# by default.
_SMITHY: Final = {
    "AccessDeniedException": 401,
    "AuthorizationException": 403,
    "ConflictException": 409,
    "RateLimitExceededException": 429,
    "RedirectException": 308,
}

BARE_STATUSES: Final = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


def status_of(code: str, *, smithy: bool = False) -> int:
    """Return the HTTP status that goes with an error code."""
    if smithy and code in _SMITHY:
        return _SMITHY[code]
    return _DOCUMENTED.get(code, 400)


class ServiceError(Exception):
    """A refusal that the caller of the service sees."""

    def __init__(self, code: str, message: str, *, location: str | None = None, status: int | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.location = location
        self.status = status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def wrong_value(message: str) -> ServiceError:
    """Return the error for a request that is well formed and wrong all the same."""
    return ServiceError("InvalidParameterValueException", message)


def malformed(message: str) -> ServiceError:
    """Return the error for a request that breaks the service's model."""
    return ServiceError("ValidationException", message)


def elsewhere(region: str) -> ServiceError:
    """Return the error for a request that only another Region can carry out."""
    return ServiceError("RedirectException", "Ask in the license's home Region.", location=region)


class WrongValue(ConfigurationError, ValueError):
    """An argument has a value that it cannot have. The text names the argument."""


class UnknownArgument(ConfigurationError, TypeError):
    """An argument has an unknown name. The text has the name, and the known names."""


class UnknownLicense(ConfigurationError, KeyError):
    """No licence has this ARN or SKU."""


class StateError(ConfigurationError, RuntimeError):
    """The state file cannot be used: it is in use, damaged, not an emulator's, or cannot be written."""


class EmulatorBug(RuntimeError):
    """The emulator itself failed while it answered a request. The cause is chained."""
