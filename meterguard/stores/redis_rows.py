"""Rows of leases in Redis or Valkey, for a fleet.

All keys have one hash tag, so that a cluster keeps them on one of its nodes and a script may touch any of them.

* ``row:KEY``: a hash of the row's version and body, which expires when the row may be forgotten.
* ``index``: a sorted set of the keys, by that time in milliseconds.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import ConfigurationError
from ..rows import Row, Seen, Written
from ..secret import Secret
from .purposes import LEASE_STORE
from .redis_connection import Argument, Command, RedisConnection, Script, Timeouts
from .redis_server import Facts, check_version

PREFIX = "meterguard:{leases}:"
INDEX = PREFIX + "index"
DEADLINE = 3.0  # seconds for a write, with all its attempts
TIMEOUTS = Timeouts(usual=1.5, longest=DEADLINE)
PAGE = 200  # rows of a listing that are read at once

logger = logging.getLogger("meterguard")


class _State(NamedTuple):
    """The state of a row as a script returns it."""

    version: bytes | None
    body: bytes | None
    seconds: bytes
    microseconds: bytes
    epoch: bytes

    def seen(self, row: Row | None) -> Seen:
        """Return what is kept: a row, at this moment."""
        return Seen(row, int(self.seconds) + int(self.microseconds) / 1e6, self.epoch.decode())


class RedisRows:
    """A ``SharedStore`` on a server that speaks Redis (6.2 and newer, Valkey), for all processes that reach it.

    * Its time is the server's. A cluster keeps it on one node, which the URL names.
    * A write whose reply is lost is sent again until it is known what became of it, or the deadline ends.
    * It needs no file on the server. After a restart or a failover the epoch is another one, so that readers doubt
      what is there; a user who may not ask for ``INFO`` has no epoch.
    * A server that deletes rows when its memory is full is used, with a warning.
    * ``socket_timeout`` and ``socket_connect_timeout`` may stand in the URL, as may other options of redis-py.
    """

    is_fleet = True

    def __init__(self, url: str, *, deadline: float = DEADLINE) -> None:
        url = Secret(url)  # for debug pages that show the variables of a failed call
        self._connection = RedisConnection(url, LEASE_STORE, self._check, TIMEOUTS)
        self._deadline = deadline
        self._has_warned = False
        self._appends: bool | None = None
        self._read_script = Script.read("rows_state", "rows_read")
        self._replace_script = Script.read("rows_state", "rows_replace")
        self._list_script = Script.read("rows_list")

    def _check(self, facts: Facts, _: Command) -> None:
        """Refuse a server that is too old, and warn of one that may delete what it keeps."""
        place = self._connection.place
        check_version(facts, place, LEASE_STORE.noun)
        self._appends = facts.appendonly
        if (facts.policy or "noeviction") != "noeviction" and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The server at %s may delete rows of leases when its memory is full (maxmemory-policy %s). "
                "A lease whose row is deleted is taken once more.",
                place,
                facts.policy,
            )

    def read(self, key: str) -> Seen:
        """Return what is kept under a key."""
        state = _State(*self._connection.run(self._read_script, [_row_key(key)], []))
        return state.seen(self._row(state.version, state.body))

    def replace(self, key: str, expected: str, row: Row | None, keep: float) -> Written:
        """Keep a row if nobody was faster."""
        deadline = time.monotonic() + self._deadline
        version, body = row or ("", "")
        arguments: list[Argument] = [key, expected, version, body, math.ceil(keep * 1000)]
        keys = [_row_key(key), INDEX]
        (is_won, found), was_lost = self._connection.run_once(self._replace_script, keys, arguments, deadline)
        if was_lost and not is_won:  # what was lost may have been written, and somebody may have replaced that since
            raise self._connection.unknown("others wrote meanwhile")
        state = _State(*found)
        return Written(bool(is_won), state.seen(row if is_won else self._row(state.version, state.body)))

    def rows(self, prefix: str) -> Iterator[tuple[str, Row]]:
        """Yield the rows whose keys begin so, read page by page."""
        every = self._keys(prefix)
        for start in range(0, len(every), PAGE):
            keys = every[start : start + PAGE]
            found = self._connection.run(self._list_script, [_row_key(key) for key in keys], [])
            for key, texts in zip(keys, found, strict=True):
                if (row := self._row(*texts)) is not None:
                    yield key, row

    def _keys(self, prefix: str) -> list[str]:
        """Return the keys in the index that begin so, each once: a scan may find one twice."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
        found: dict[bytes, None] = {}
        cursor = 0
        while True:
            cursor, page = self._connection.command("ZSCAN", INDEX, cursor, "MATCH", pattern, "COUNT", 1000)
            found |= dict.fromkeys(key for key, _ in page)
            if not cursor:
                return [self._text(key) for key in found]

    def _row(self, version: bytes | None, body: bytes | None) -> Row | None:
        return None if version is None else Row(self._text(version), self._text(body))

    def _text(self, stored: bytes | None) -> str:
        try:
            return (stored or b"").decode()
        except ValueError as problem:
            raise ConfigurationError(
                f"The lease store at {self._connection.place} is damaged: a row cannot be read ({problem}). Delete the"
                f" keys that begin with {PREFIX}. {LEASE_STORE.price}"
            ) from None

    def describe(self) -> str:
        """Return where it is, whether it keeps a file, and whether it can tell that it lost something."""
        told = "whose restarts are noticed" if self.read("").epoch else "which does not tell when it was restarted"
        files = {True: "; it appends what is written to a file", False: "; it keeps no file", None: ""}
        return f"the server at {self._connection.place}, {told}{files[self._appends]}"

    def close(self) -> None:
        """Close the connections that no call uses at the moment; the others end with their calls."""
        self._connection.close()

    def forget(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._connection.forget()


def _row_key(key: str) -> str:
    return f"{PREFIX}row:{key}"
