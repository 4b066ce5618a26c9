"""HTTP for what every SDK sends: bytes to a plain request, and a reply to bytes. Pure, down to `whole_body`."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterable
from http import HTTPStatus
from typing import Final, Literal

from .record import Reply

__all__ = ("LONGEST_BODY", "Headers", "deliver", "hang_up", "read_plain", "whole_body")

LONGEST_BODY: Final = 1024 * 1024
_LONGEST_HEAD: Final = 16 * 1024
_FIRST_LINE: Final = b"POST / HTTP/1.1\r\n"
_HEADERS: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)+")
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_PHRASES: Final = {int(status): status.phrase.encode() for status in HTTPStatus}

Headers = list[tuple[bytes, bytes]]


def read_plain(data: bytes) -> tuple[Headers, bytes, int] | Literal["other"] | None:
    """The first request in some bytes and its length.

    None if it is not all there yet; ``"other"`` if it is no plain request.
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


def _render(reply: Reply) -> bytes:
    """A reply as bytes."""
    lines = [b"HTTP/1.1 %d %s" % (reply.status, _PHRASES.get(reply.status, b"Unknown"))]
    lines += [b"%s: %s" % header for header in reply.headers]
    lines.append(b"content-length: %d\r\n\r\n" % reply.length)
    return b"\r\n".join(lines) + reply.body


async def whole_body(parts: AsyncIterable[bytes]) -> bytes | None:
    """A body that comes in parts; None if it is too long."""
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)


def deliver(reply: Reply, transport: asyncio.Transport) -> None:
    """Send a reply; close the connection if it is cut, or no reply at all."""
    if reply.is_nothing:
        hang_up(transport)
        return
    transport.write(_render(reply))
    if not reply.is_whole:
        transport.write_eof()
        transport.close()


def hang_up(transport: asyncio.Transport) -> None:
    """Close a connection at once."""
    if transport.is_closing():
        return
    # A forked child may hold the same connection, which close alone would then leave open.
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    transport.abort()
