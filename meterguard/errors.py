"""Exceptions that meterguard raises.

::

    MeterGuardError
      ConfigurationError              wrong declaration or set-up: raised always, never degraded
        MissingExtra (ImportError)    an optional package is not installed
      EntitlementDenied               a definite no
        AuthorizationRefused          IAM or the credentials: a no, never failed open
        UntrustedLease                an answer that cannot be believed
      EntitlementUnavailable          unknown: the service could not be asked

Denied and unavailable are siblings on purpose: code that catches a no must not catch an outage with it.
Every argument goes to ``args`` by position, so that these exceptions survive pickle, ``copy`` and
task queues that rebuild exceptions from ``args``.
"""

from __future__ import annotations

from typing import Any

from .model import Entitlement
from .reasons import Reason


class MeterGuardError(Exception):
    """The root of all exceptions of meterguard."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ConfigurationError(MeterGuardError):
    """A declaration or the set-up is wrong. Never caught by a fallback, never failed open."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional package is missing; the message has the line that installs it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.args[0]} needs a package that is not installed: pip install 'meterguard[{self.extra}]'"


class EntitlementDenied(MeterGuardError):
    """The service said no.

    ``reason`` is the kind of denial; ``missing`` are the entitlements that were not covered, as far as the
    service tells; ``code`` and ``request_id`` come from the service; ``retry_after`` is in
    seconds, None when asking again soon would not help. ``is_exhausted`` is True where usage proves that the
    licence has it and that too few units are free, False where usage does not prove that, None where usage
    is not known. ``ahead`` is how many calls were before it in the queue, at most, when ``wait=`` ran out; None
    for a call that did not wait.
    """

    default_reason = Reason.NOT_ENTITLED
    ahead: int | None = None
    waited: str = ""  # a sentence on the wait, which the text ends with

    def __init__(
        self,
        message: str = "",
        entitlements: tuple[Entitlement, ...] = (),
        missing: tuple[Entitlement, ...] = (),
        reason: Reason | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        is_exhausted: bool | None = None,
    ) -> None:
        is_exhausted = is_exhausted if isinstance(is_exhausted, bool) else None
        entitlements, missing, retry_after = _believed(entitlements), _believed(missing), _seconds(retry_after)
        reason = next((one for one in Reason if one == reason), self.default_reason)
        super().__init__(message, entitlements, missing, reason, code, request_id, retry_after, is_exhausted)
        self.entitlements = entitlements
        self.missing = missing
        self.reason = reason
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.is_exhausted = is_exhausted

    def __str__(self) -> str:
        return " ".join(filter(None, (super().__str__(), self.waited)))


class AuthorizationRefused(EntitlementDenied):
    """IAM or the credentials do not let this process ask. The buyer controls both, so it is a no."""

    default_reason = Reason.REFUSED


class UntrustedLease(EntitlementDenied):
    """An answer came that cannot be believed, so it opens nothing."""

    default_reason = Reason.UNTRUSTED


class EntitlementUnavailable(MeterGuardError):
    """The service could not be asked: neither a yes nor a no.

    ``retry_after`` is in seconds: as the service wishes, else an estimate.
    """

    def __init__(
        self,
        message: str = "",
        entitlements: tuple[Entitlement, ...] = (),
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        entitlements, retry_after = _believed(entitlements), _seconds(retry_after)
        super().__init__(message, entitlements, code, request_id, retry_after)
        self.entitlements = entitlements
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


# Task queues rebuild exceptions from texts.


def _believed(entitlements: Any) -> tuple[Entitlement, ...]:
    return tuple(one for one in entitlements if isinstance(one, Entitlement))


def _seconds(retry_after: Any) -> float | None:
    try:
        return float(retry_after)
    except (TypeError, ValueError):
        return None
