"""AWS JSON 1.1: bytes to parameters, answers to bytes, times to text.

The quirks of the wire are here; the meaning of a member is not.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Final

from .codec import Codec
from .errors import ServiceError, malformed, wrong_value
from .messages import Answer, Parameters
from .model import Operation, Problems

__all__ = (
    "JSON",
    "BadAnswerError",
    "check",
    "check_answer",
    "date_header",
    "epoch_text",
    "parse_time",
    "zoned",
    "zoneless",
)

# Made once, before a test fakes the datetime class.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# How deep Python's own reader goes differs between its versions, from some hundreds to all that memory holds.
_MAX_DEPTH = 100

# A caller may ask for a lifetime of millions of years; the format has none after 9999.
_LAST_SECOND = 253_402_300_799


class BadAnswerError(Exception):
    """The emulator has made an answer that the service's own model does not allow."""


def _decode(body: bytes, _operation: Operation | None) -> Answer:
    """Return the parameters in a request body. Members that are null count as absent."""
    try:
        value = _read(body.decode("utf-8") or "{}")
        if b"null" in body:
            value = _without_nulls(value)
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", "The request body is not valid JSON.") from error
    if body.count(b"[") + body.count(b"{") > _MAX_DEPTH and _is_deeper(value, _MAX_DEPTH):
        raise ServiceError("SerializationException", "The request body is nested too deeply.")
    if type(value) is not dict:
        raise ServiceError("SerializationException", "The request body is not a JSON object.")
    return value


def check(operation: Operation, parameters: Parameters) -> None:
    """Refuse parameters that the service's model does not allow."""
    problems = Problems()
    operation.check_request(parameters, "", problems)
    if problems.kinds:
        raise ServiceError("SerializationException", "; ".join(problems.kinds))
    if problems.constraints:
        found = problems.constraints
        count = f"{len(found)} validation error" + ("s" if len(found) > 1 else "")
        raise malformed(f"{count} detected: " + "; ".join(found))


def check_answer(operation: Operation, answer: Parameters) -> None:
    """Refuse an answer of the emulator's that the service's model does not allow."""
    problems = Problems()
    operation.check_answer(answer, "", problems)
    if problems:
        raise BadAnswerError("; ".join(problems.kinds + problems.constraints))


def _encode(operation: Operation, answer: Parameters, _request_id: str) -> bytes:
    """Return the body of an answer; empty for an operation that answers nothing."""
    return _write(answer).encode() if operation.has_answer else b""


def _encode_error(error: ServiceError, _status: int, _request_id: str) -> bytes:
    """Return the body of a refusal."""
    body = {"__type": error.code, "Message": error.message}
    if error.location is not None:
        body["Location"] = error.location
    return _write(body).encode()


def zoneless(moment: float) -> str:
    """Return a time as ``CheckoutLicense`` writes it: whole seconds, no zone, UTC."""
    return _text(int(moment // 1))


def zoned(moment: float) -> str:
    """Return a time as all other operations write it: whole seconds and a Z."""
    return _text(int(moment // 1)) + "Z"


def epoch_text(moment: float) -> str:
    """Return a time as ``CreateTime`` carries it: seconds since 1970, as a string."""
    return str(int(moment // 1))


@lru_cache(maxsize=256)
def date_header(second: int) -> str:
    """Return a time for the ``Date`` header."""
    return format_datetime(_moment(second), usegmt=True)


def parse_time(text: str, member: str) -> float:
    """Return the moment of a caller's ISO 8601 text."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise wrong_value(f"{member} is not a time.") from error


@lru_cache(maxsize=1024)
def _text(second: int) -> str:
    return _moment(second).replace(tzinfo=None).isoformat()


def _moment(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=min(second, _LAST_SECOND))


def _without_nulls(value: Any) -> Any:
    if type(value) is dict:
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if type(value) is list:
        return [_without_nulls(member) for member in value]
    return value


def _is_deeper(value: Any, limit: int) -> bool:
    """Tell if lists and objects stand in each other more than ``limit`` times; level by level, without recursion."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            member
            for one in level
            if isinstance(one, dict | list)
            for member in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# json.loads and json.dumps make a new one of these for every call with options.
_read = json.JSONDecoder(parse_constant=_refuse_constant).decode
_write = json.JSONEncoder(separators=(",", ":")).encode

JSON: Final = Codec("application/x-amz-json-1.1", b"application/x-amz-json-1.1", _decode, _encode, _encode_error)
"""The protocol of License Manager and KMS."""
