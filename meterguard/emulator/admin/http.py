"""HTTP for the actions: JSON in, JSON out, and nothing for a web page.

A page that the machine's user happens to visit can send requests to the loopback interface. So nothing is answered
under another host's name, what changes something needs a request that browsers ask about before, and no answer
allows another origin anything.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..protocol.errors import ConfigurationError, StateError
from ..protocol.messages import LONGEST_BODY, Headers, Reply
from .actions import ACTIONS, Action, NotThereError
from .target import Target

__all__ = ("AdminHttp",)

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::[0-9]{1,5})?")
_HEADERS: Final = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


class _Refusal(Exception):
    """A refusal of a request: its status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class AdminHttp:
    """Answers the requests that steer an emulator; ``note_bug`` is told of its own failures."""

    def __init__(self, emulator: Target, note_bug: Callable[[str, Exception], None]) -> None:
        self._emulator = emulator
        self._note_bug = note_bug

    def answer(self, method: str, path: str, headers: Headers, body: bytes | None) -> Reply:
        """Return the reply to one request. ``body`` is None if it was too long to be read."""
        try:
            _require_loopback(headers)
            action, found = _find(method, path)
            told = _read(action, headers, body) if method == "POST" else {}
            return _reply(200, self._carry_out(action, {**told, **found}))
        except _Refusal as refusal:
            return _reply(refusal.status, {"error": str(refusal)})

    def _carry_out(self, action: Action, told: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return action.carry_out(self._emulator, told)
        except NotThereError as error:
            raise _Refusal(404, str(error)) from error
        except StateError as error:
            raise _Refusal(500, str(error)) from error
        except ConfigurationError as error:
            raise _Refusal(400, str(error)) from error
        except Exception as error:
            self._note_bug(action.path, error)
            raise _Refusal(500, "the emulator failed; its log says how") from error


def _require_loopback(headers: Headers) -> None:
    hosts = _named(headers, b"host")
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None or not _is_loopback(found[1].decode().strip("[]")):
        raise _Refusal(403, "only requests to 127.0.0.1, localhost or [::1] are answered, by their Host header")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _find(method: str, path: str) -> tuple[Action, dict[str, str]]:
    there = [(one, found) for one in ACTIONS if (found := _match(one.path, path)) is not None]
    for action, found in there:
        if action.method == ("GET" if method == "HEAD" else method):
            return action, found
    known = ", ".join(f"{one.method} {one.path}" for one in ACTIONS)
    said = f"there is no {method} /_meterguard{path}; below /_meterguard there are {known}"
    raise _Refusal(405 if there else 404, said)


def _match(pattern: str, path: str) -> dict[str, str] | None:
    """Return the parts of a path that stand where the pattern has braces; None if this is another path."""
    wanted, given = pattern.split("/"), path.split("/")
    pairs = list(zip(wanted, given, strict=False))
    if len(wanted) != len(given) or any(one != other for one, other in pairs if not one.startswith("{")):
        return None
    return {one.strip("{}"): other for one, other in pairs if one.startswith("{")}


def _read(action: Action, headers: Headers, body: bytes | None) -> dict[str, Any]:
    # A form of another page can send any text, but not as this type.
    kinds = [kind.partition(b";")[0].strip().lower() for kind in _named(headers, b"content-type")]
    if kinds != [b"application/json"]:
        raise _Refusal(415, "send it with Content-Type: application/json")
    if body is None:
        raise _Refusal(413, f"the body is longer than {LONGEST_BODY} bytes")
    told = _parse(body)
    unknown = told.keys() - set(action.members)
    if unknown:
        known = f"known are {', '.join(sorted(action.members))}" if action.members else "nothing is to be said"
        raise _Refusal(400, f"unknown: {', '.join(sorted(unknown))}; {known}")
    return told


def _parse(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body.decode("utf-8") or "{}", parse_constant=_refuse_constant)
        json.dumps(told, ensure_ascii=False).encode("utf-8")  # refuses half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise _Refusal(400, "the body is not JSON in UTF-8") from error
    if not isinstance(told, dict):
        raise _Refusal(400, "the body is not a JSON object")
    return told


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _named(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _reply(status: int, answer: Mapping[str, Any]) -> Reply:
    # The body is ASCII, for names in a request need not be valid Unicode.
    body = json.dumps(answer).encode() + b"\n"
    return Reply(status, _HEADERS, body, len(body))
