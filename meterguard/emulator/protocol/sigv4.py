"""AWS Signature Version 4, as the service checks it: who signed a request, and that nobody has changed it since.

It is computed from the bytes that arrived, without botocore, which signed them and would not see its own mistake.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from .errors import ServiceError
from .messages import RawHeaders

__all__ = ("SECRET", "Temporary", "Verify", "verifier")

SECRET: Final = "testing"  # noqa: S105 - it opens nothing but an emulator
"""The secret of an access key that has none of its own."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(rf"{_ALGORITHM} +(.*)", re.DOTALL)
_CREDENTIAL: Final = re.compile(r"([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")
_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_BASIC: Final = "%Y%m%dT%H%M%SZ"
_TOLERANCE: Final = 300
_TEMPORARY: Final = "ASIA"
# Customers without an AWS account ask for it, with a token that is its own proof.
_UNSIGNED: Final = frozenset({"AssumeRoleWithWebIdentity", "GetAccessToken"})

Temporary = Callable[[str], tuple[str, str] | None]
"""Returns the secret and the session token of temporary credentials that were handed out, by their access key."""
Verify = Callable[[str, str, RawHeaders, bytes, float], None]
"""Refuses, with the service's own error, a request of an operation that is not signed as it should be at a moment."""


def verifier(secrets: Mapping[str, str] | bool, temporary: Temporary) -> Verify | None:
    """Return the check with these secrets of access keys. True: all have ``SECRET``. False: there is no check.

    Access keys that are ``temporary`` have secrets of their own in any case.
    """
    if secrets is False:
        return None
    known = {} if secrets is True else dict(secrets)

    def verify(signing_name: str, operation: str, headers: RawHeaders, body: bytes, now: float) -> None:
        given = _joined(headers)
        if "authorization" not in given:
            if operation in _UNSIGNED:
                return
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
        credential, signed, signature = _parts(given["authorization"])
        access_key, day, region, service = _scope(credential)
        _require_signed(given, signed)
        time = given.get("x-amz-date", "")
        _check_date(time, day, now)
        if service != signing_name:
            raise _invalid(f"Credential should be scoped to correct service: '{signing_name}'. ")
        secret, session_token = temporary(access_key) or (known.get(access_key, SECRET), None)
        if access_key.startswith(_TEMPORARY) and not _is_right(given.get("x-amz-security-token"), session_token):
            raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")
        to_sign = _to_sign(given, signed, body, time, f"{day}/{region}/{service}/aws4_request")
        expected = _signature(secret, day, region, service, to_sign)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise _invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details."
            )

    return verify


def _is_right(given: str | None, session_token: str | None) -> bool:
    """Return whether a session token is the right one. Any is, where the emulator has not handed out its own."""
    return given is not None and session_token in (None, given)


def _joined(headers: RawHeaders) -> dict[str, str]:
    """Return the headers as they are signed: without needless blanks, several of a name in one."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), " ".join(raw_value.decode("latin-1").split())
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _parts(authorization: str) -> tuple[str, list[str], str]:
    found = _HEADER.fullmatch(authorization)
    if found is None:
        raise _incomplete("Authorization header requires the algorithm AWS4-HMAC-SHA256.")
    members = (part.strip().partition("=") for part in found[1].split(","))
    parts = {name: value for name, _, value in members}
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not parts.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    return parts["Credential"], parts["SignedHeaders"].lower().split(";"), parts["Signature"]


def _scope(credential: str) -> tuple[str, str, str, str]:
    found = _CREDENTIAL.fullmatch(credential)
    if found is None:
        raise _incomplete("Credential must have exactly 5 slash-delimited elements.")
    return found[1], found[2], found[3], found[4]


def _require_signed(given: Mapping[str, str], signed: list[str]) -> None:
    for name in ("host", *(name for name in given if name.startswith("x-amz-"))):
        if name not in signed:
            raise _invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_date(time: str, day: str, now: float) -> None:
    at = _moment(time)
    if at is None:
        raise _incomplete("Date must be in ISO-8601 'basic format', in 'X-Amz-Date'.")
    if not time.startswith(day):
        raise _invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    minutes = _TOLERANCE // 60
    if at < now - _TOLERANCE:
        limit = f"{_basic(now - _TOLERANCE)} ({_basic(now)} - {minutes} min.)"
        raise _invalid(f"Signature expired: {time} is now earlier than {limit}")
    if at > now + _TOLERANCE:
        limit = f"{_basic(now + _TOLERANCE)} ({_basic(now)} + {minutes} min.)"
        raise _invalid(f"Signature not yet current: {time} is still later than {limit}")


def _moment(time: str) -> float | None:
    try:
        read = datetime.strptime(time, _BASIC).replace(tzinfo=UTC)
    except ValueError:
        return None
    return read.timestamp() if _DATE.fullmatch(time) else None


def _basic(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_BASIC)


def _to_sign(given: Mapping[str, str], signed: list[str], body: bytes, time: str, scope: str) -> str:
    lines = [f"{name}:{given.get(name, '')}" for name in signed]
    request = "\n".join(["POST", "/", "", *lines, "", ";".join(signed), sha256(body).hexdigest()])
    return "\n".join([_ALGORITHM, time, scope, sha256(request.encode("latin-1")).hexdigest()])


def _signature(secret: str, day: str, region: str, service: str, to_sign: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return hmac.digest(key, to_sign.encode("latin-1"), "sha256").hex()


def _incomplete(message: str) -> ServiceError:
    return ServiceError("IncompleteSignatureException", message)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidSignatureException", message)
