"""Status, headers and request id of an answer. Any of them may be missing or forged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from .times import parse_http_date

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._]{0,99}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_=+/-]{1,128}", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


def mapping(value: object) -> Mapping[object, object]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def status(answer: object) -> int:
    """Return the HTTP status, 0 when there is none."""
    code = _metadata(answer).get("HTTPStatusCode")
    return code if isinstance(code, int) and 100 <= code <= 599 else 0


def header(answer: object, name: str) -> object:
    """Return a header, by its name in lower case."""
    return mapping(_metadata(answer).get("HTTPHeaders")).get(name)


def served_at(answer: object) -> datetime | None:
    """Return the service's own time when it answered."""
    return parse_http_date(header(answer, "date"))


def request_id(answer: object) -> str | None:
    """Return the request id, unless it is one that no service would send."""
    found = _metadata(answer).get("RequestId")
    return str(found) if isinstance(found, str) and _REQUEST_ID.fullmatch(found) else None


def error_code(answer: object) -> str | None:
    """Return the code of an error answer; None where the body has none, as with a page that a proxy made."""
    code = mapping(mapping(answer).get("Error")).get("Code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        return str(code)
    # botocore looks into the body only; some answers have the code in a header alone
    named = header(answer, "x-amzn-errortype")
    bare = named.split(":", 1)[0].rsplit("#", 1)[-1] if isinstance(named, str) else ""
    return bare if _CODE.fullmatch(bare) else None


def retry_after(answer: object) -> float | None:
    """Return for how many seconds the service wishes to be left alone; None when it does not say."""
    milliseconds = header(answer, "x-amz-retry-after")
    if isinstance(milliseconds, str) and _SECONDS.fullmatch(milliseconds):
        return int(milliseconds) / 1000
    wish = header(answer, "retry-after")
    if isinstance(wish, str) and _SECONDS.fullmatch(wish):
        return float(wish)
    until, now = parse_http_date(wish), served_at(answer)
    # Both times come from the service, so the clock of this machine does not matter.
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _metadata(answer: object) -> Mapping[object, object]:
    return mapping(mapping(answer).get("ResponseMetadata"))
