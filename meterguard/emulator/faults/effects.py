"""The effects of a fault on an answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ..protocol.errors import BARE_STATUSES, ServiceError
from ..protocol.messages import Answer, Parameters
from ..protocol.wire import zoned, zoneless
from .fault import Fault

__all__ = ("html_page", "refusal", "spoil_answer", "spoil_body")

_TIMES: Final = ("IssuedAt", "Expiration")


def refusal(fault: Fault) -> ServiceError | None:
    """Return the error that a fault answers; None if it answers no error, or a bare status."""
    if fault.error is None:
        return None
    message = fault.message if fault.message is not None else f"{fault.error} was ordered from the emulator."
    return ServiceError(fault.error, message, location=fault.location, status=fault.status)


def html_page(status: int) -> bytes:
    """Return the page that a proxy in front of the service would send."""
    title = f"{status} {BARE_STATUSES.get(status, 'Error')}"
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()


def spoil_answer(fault: Fault, answer: Parameters, now: float) -> Answer:
    """Return an answer with wrong times, or without some of its members, as the fault says."""
    spoiled = dict(answer)
    if fault.lifetime is not None and "Expiration" in spoiled:
        spoiled["Expiration"] = _expiration(fault.lifetime, spoiled, now)
    if fault.skew:
        for name in _TIMES:
            if name in spoiled:
                spoiled[name] = _shifted(spoiled[name], fault.skew)
    for name in fault.strip:
        spoiled.pop(name, None)
    return spoiled


def spoil_body(fault: Fault, body: bytes) -> tuple[bytes, int]:
    """Return the body that the fault makes of a body, and the length that its header is to claim."""
    if fault.body == "cut":
        return body[: len(body) // 2], max(len(body), 2)
    if isinstance(fault.body, bytes):
        body = fault.body
    elif fault.body == "empty":
        body = b""
    elif fault.body == "garbled":
        body = body[: len(body) // 2] + b"\\u"
    return body, len(body)


def _expiration(lifetime: float | str, answer: Parameters, now: float) -> str:
    if isinstance(lifetime, str):
        return lifetime
    if "IssuedAt" in answer:
        return zoneless(datetime.fromisoformat(answer["IssuedAt"] + "+00:00").timestamp() + lifetime)
    return zoned(now + lifetime)


def _shifted(text: str, seconds: float) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment + timedelta(seconds=int(seconds))).isoformat().replace("+00:00", "Z")
