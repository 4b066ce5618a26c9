"""The query protocol of STS: a form comes in, XML goes out, and the operation stands in the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from .codec import Codec
from .errors import ServiceError
from .messages import Answer, Parameters
from .model import Operation

__all__ = ("QUERY", "target_of")

_FORM: Final = "application/x-www-form-urlencoded"
_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_TARGET: Final = "AWSSecurityTokenServiceV20110615"
_MOST_MEMBERS: Final = 100
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_CODES: Final[Mapping[str, str]] = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "SerializationException": "ValidationError",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
}


def target_of(kind: str | None, body: bytes) -> str:
    """Return the operation that a form asks for, as ``X-Amz-Target`` would name it; empty if it asks for none."""
    if kind is None or kind.partition(";")[0].strip().lower() != _FORM:
        return ""
    try:
        action = _members(body).get("Action", "")
    except ServiceError:
        return ""
    return f"{_TARGET}.{action}" if action else ""


def _decode(body: bytes, operation: Operation | None) -> Answer:
    numbers = operation.numbers if operation is not None else frozenset()
    return {
        name: int(value) if name in numbers and _WHOLE.fullmatch(value) else value
        for name, value in _members(body).items()
        if name not in ("Action", "Version")
    }


def _members(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_MEMBERS, errors="strict")
    except ValueError as error:
        raise ServiceError("SerializationException", "The request body is not a form in UTF-8.") from error
    return dict(pairs)


def _encode(operation: Operation, answer: Parameters, request_id: str) -> bytes:
    name = operation.name
    result = _element(f"{name}Result", answer) + _element("ResponseMetadata", {"RequestId": request_id})
    return f'<{name}Response xmlns="{_NAMESPACE}">{result}</{name}Response>'.encode()


def _encode_error(error: ServiceError, status: int, request_id: str) -> bytes:
    kind = "Sender" if status < 500 else "Receiver"
    told = _element("Error", {"Type": kind, "Code": error.code, "Message": error.message})
    told += _element("RequestId", request_id)
    return f'<ErrorResponse xmlns="{_NAMESPACE}">{told}</ErrorResponse>'.encode()


def _element(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        inner = "".join(_element(member, one) for member, one in value.items())
    else:
        inner = escape(_NOT_IN_XML.sub("?", str(value)))
    return f"<{name}>{inner}</{name}>"


QUERY: Final = Codec(_FORM, b"text/xml", _decode, _encode, _encode_error, _CODES)
