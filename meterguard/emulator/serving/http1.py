"""HTTP as every SDK sends it: from bytes to a plain request, and from a reply to bytes. No socket is touched."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable
from http import HTTPStatus
from typing import Final, Literal

from ..protocol.messages import LONGEST_BODY, Headers, Reply

__all__ = ("read_plain", "render", "whole_body")

_LONGEST_HEAD: Final = 16 * 1024
_FIRST_LINE: Final = b"POST / HTTP/1.1\r\n"
_HEADERS: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)+")
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_PHRASES: Final = {int(status): status.phrase.encode() for status in HTTPStatus}


def read_plain(data: bytes) -> tuple[Headers, bytes, int] | Literal["other"] | None:
    """Return the first request in some bytes, and its length.

    None means that it is not complete yet, ``"other"`` that it is no plain request.
    """
    if not data.startswith(_FIRST_LINE):
        return None if _FIRST_LINE.startswith(data) else "other"
    end = data.find(b"\r\n\r\n") + 2
    if end == 1:
        return None if len(data) <= _LONGEST_HEAD else "other"
    headers = _plain_headers(data[len(_FIRST_LINE) : end])
    length = _body_length(headers)
    if headers is None or length is None:
        return "other"
    stop = end + 2 + length
    return (headers, data[end + 2 : stop], stop) if len(data) >= stop else None


def _plain_headers(head: bytes) -> Headers | None:
    if not _HEADERS.fullmatch(head):
        return None
    headers = []
    for line in head[:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip()))
    return headers


def _body_length(headers: Headers | None) -> int | None:
    length = None
    for name, value in headers or ():
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 9:
                return None
            length = int(value)
        elif name in _NOT_PLAIN or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
    return length if length is None or length <= LONGEST_BODY else None


def render(reply: Reply) -> bytes:
    """Return a reply as bytes."""
    lines = [b"HTTP/1.1 %d %s" % (reply.status, _PHRASES.get(reply.status, b"Unknown"))]
    lines += [b"%s: %s" % header for header in reply.headers]
    lines.append(b"content-length: %d\r\n\r\n" % reply.length)
    return b"\r\n".join(lines) + reply.body


async def whole_body(parts: AsyncIterable[bytes]) -> bytes | None:
    """Return a body that comes in parts; None if it is too long."""
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)
