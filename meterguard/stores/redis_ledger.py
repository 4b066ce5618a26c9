"""A ledger in Redis or Valkey, for a fleet."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import NamedTuple

from ..account import Account
from ..errors import ConfigurationError
from ..ports import Change, Notes, Posting
from ..secret import Secret
from ..usage import UsageKey, UsageLine, day_of
from . import redis_layout as layout
from .purposes import LEDGER
from .redis_connection import Command, RedisConnection, Script, pause
from .redis_server import Facts, check

SCHEMA = "1"
DEADLINE = 10.0  # seconds for a transaction, with all its attempts
WINDOW = 60  # seconds of the server's clock in which a write may still be carried out
REMEMBERED = 300  # seconds for which the server knows what it has carried out
SPANS_AT_ONCE = 500
DAMAGED = "Restore it from a copy, or move what is there aside; nothing was written."

logger = logging.getLogger("meterguard")


class _Seen(NamedTuple):
    """How a script ended, the row of the account at that moment, and the server's time."""

    how: bytes
    row: bytes | None
    seconds: bytes
    microseconds: bytes

    @property
    def now(self) -> float:
        return int(self.seconds) + int(self.microseconds) / 1e6


class RedisLedger:
    """A ``Ledger`` on a server that speaks Redis (6.2 and newer, Valkey), for all processes that reach it.

    * Its time is the server's. All of its keys have one hash tag: in a cluster it lives on one node,
      which the URL names.
    * A write whose reply is lost is sent again until it is known what became of it; the server carries it out once.
      Where that is not known when the deadline ends, ``LedgerFault`` says so, and it may have been carried out.
      A caller numbers its batches, so that posting one again is harmless.
    * It is as durable as the server's append-only file, without which it is refused: with ``appendfsync always``
      nothing is lost; with ``everysec`` a crash may take with it what was written in the last seconds.
    * A server that comes back empty has no accounts; they begin anew with what is drawn next.
    * ``socket_timeout`` and ``socket_connect_timeout`` may stand in the URL, as may other options of redis-py.
    """

    is_shared = True
    is_fleet = True

    def __init__(self, url: str, *, deadline: float = DEADLINE) -> None:
        url = Secret(url)  # for debug pages that show the variables of a failed call
        self._connection = RedisConnection(url, LEDGER, self._check)
        self._deadline = deadline
        self._has_warned = False
        self._facts: Facts | None = None
        self._read = Script.read("ledger_read")
        self._write = Script.read("ledger_amounts", "ledger_write")
        self._usage = Script.read("ledger_usage")
        self._merge = Script.read("ledger_amounts", "ledger_compact")
        self._delete = Script.read("ledger_delete")
        self._note = Script.read("ledger_notes")

    def forget(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._connection.forget()

    def describe(self) -> str:
        """Return where it is, and whether the server keeps what is written."""
        self.accounts()
        facts = self._facts
        kept = (
            "appends what is written to a file"
            if facts and facts.appendonly
            else "does not tell whether it keeps a file"
        )
        return f"the server at {self._connection.place}, which {kept}"

    def close(self) -> None:
        """Close the connections that no call uses at the moment; the others end with their calls."""
        self._connection.close()

    def _check(self, facts: Facts, command: Command) -> None:
        """Refuse a server that would lose the ledger, and a ledger that is newer than this version."""
        place = self._connection.place
        check(facts, place)
        self._facts = facts
        if facts.appendonly is None and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The server at %s does not tell whether it keeps a file of what is written (appendonly). "
                "Without one, the ledger is lost when the server ends.",
                place,
            )
        if command("GET", layout.SCHEMA) not in {None, SCHEMA.encode()}:
            raise self._newer()

    # -- accounts ------------------------------------------------------------------------------------

    def transact(self, key: str, change: Change) -> Posting:
        """Change one account, again from the start where somebody else was faster."""
        deadline = time.monotonic() + self._deadline
        field = layout.account_field(key)
        seen = self._seen(field)
        for attempt in count():
            account, version = self._account(seen.row)
            posting = change(account, seen.now)
            if posting.account == account and not posting.usage:
                return posting  # nothing to write
            written = (field, version, posting.account.encoded())
            seen = self._written(seen, deadline, written, posting.usage)
            if seen.how == b"written":
                return posting
            if time.monotonic() >= deadline:
                break
            pause(attempt, first=0.001, longest=0.05)
        raise self._connection.fault("others changed the account first until the time was up; nothing was written")

    def post(self, lines: Iterable[UsageLine], token: str | None = None) -> None:
        """Add to the usage."""
        if lines := tuple(lines):
            deadline = time.monotonic() + self._deadline
            self._written(self._seen(b""), deadline, (b"", b"", ""), lines, token)

    def accounts(self) -> list[Account]:
        """Return all accounts."""
        rows = map(self._account, self._connection.command("HVALS", layout.ACCOUNTS))
        return [account for account, _ in rows if account]

    def _account(self, row: bytes | None) -> tuple[Account | None, bytes]:
        """Return an account and its version, which is the nonce of its last write: no other write ever has the same."""
        if row is None:
            return None, b""
        version, _, text = row.partition(b" ")
        try:
            return Account.decoded(text.decode()), version
        except ValueError as problem:
            raise self._damaged(f"an account cannot be read ({problem})") from None

    def _seen(self, field: bytes) -> _Seen:
        return _Seen(b"read", *self._connection.run(self._read, [layout.ACCOUNTS], [field]))

    def _written(
        self,
        seen: _Seen,
        deadline: float,
        account: tuple[bytes, bytes, str],
        lines: Iterable[UsageLine],
        token: str | None = None,
    ) -> _Seen:
        """Write an account (its field, the version that it must have, its text) and usage, once for this nonce."""
        hashes, amounts = layout.usage_arguments(lines)
        keys = [layout.SCHEMA, layout.ACCOUNTS, layout.NONCES, layout.SPANS, *hashes]
        # A write that comes very late would find its nonce forgotten, hence the last second in which it counts.
        last = int(seen.seconds) + WINDOW
        arguments = [SCHEMA, token or secrets.token_hex(8), last, REMEMBERED, *account, *amounts]
        answer, was_lost = self._connection.run_once(self._write, keys, arguments, deadline)
        seen = _Seen(*answer)
        self._require_exact(seen.how != b"large")
        if seen.how == b"schema":
            raise self._newer()
        if seen.how == b"late":
            late = "the server's clock was set forward"
            raise self._connection.unknown(late) if was_lost else self._connection.fault(f"{late}; nothing was written")
        return seen

    # -- usage ---------------------------------------------------------------------------------------

    def usage(self, since: float | None = None, until: float | None = None) -> Iterable[UsageLine]:
        """Return the usage of some spans, read day by day; a day is of one moment."""
        days: dict[UsageKey, set[str]] = {}
        for name, key in self._spans(since, until):
            day = day_of(key)
            names = days.setdefault(day, set())
            names.add(name)
            if since is None or day.hour >= since:
                names.add(layout.span_name(day))  # which its hours may have become part of meanwhile
        return self._lines(days.values())

    def _lines(self, days: Iterable[set[str]]) -> Iterator[UsageLine]:
        for names in map(sorted, days):
            found = self._connection.run(self._usage, [layout.usage_key(name) for name in names], [])
            for name, amounts in zip(names, found, strict=True):
                try:
                    yield from layout.lines_of(name, amounts)
                except ValueError as problem:
                    raise self._damaged(f"usage cannot be read ({problem})") from None

    def _spans(self, since: float | None, until: float | None) -> list[tuple[str, UsageKey]]:
        first, last = "-inf" if since is None else since, "+inf" if until is None else f"({until}"
        names = self._connection.command("ZRANGEBYSCORE", layout.SPANS, first, last)
        try:
            return [(name.decode(), layout.span_of(name)) for name in names]
        except (ValueError, TypeError) as problem:
            raise self._damaged(f"a span of usage cannot be read ({problem})") from None

    def compact(self, hours_before: float, days_before: float) -> None:
        """Put old hours together to days, and delete what is older still: each span for itself."""
        old = [name for name, _ in self._spans(None, days_before)]
        for start in range(0, len(old), SPANS_AT_ONCE):
            names = old[start : start + SPANS_AT_ONCE]
            hashes = [layout.usage_key(name) for name in names]
            self._connection.run(self._delete, [layout.SPANS, *hashes], names)
        for name, key in self._spans(days_before, hours_before):
            if (day := day_of(key)) != key:
                names = [name, layout.span_name(day)]
                hashes = [layout.usage_key(name) for name in names]
                merged = self._connection.run(self._merge, [layout.SPANS, *hashes], [*names, day.hour])
                self._require_exact(merged)

    # -- notes ---------------------------------------------------------------------------------------

    def notes(self, book: str) -> Notes:
        """Return what is noted in a book."""
        fields = self._connection.command("HGETALL", layout.notes_key(book))
        rows = {key.decode(): text.decode() for key, text in fields.items()}
        return Notes(rows.pop("", ""), rows)

    def note(self, book: str, expected: str, changes: Mapping[str, str | None]) -> str | None:
        """Write rows of a book."""
        kept = [part for key, text in changes.items() if text is not None for part in (key, text)]
        gone = [key for key, text in changes.items() if text is None]
        nonce = secrets.token_hex(8)
        arguments: list[str | int] = [SCHEMA, nonce, expected, len(kept) // 2, *kept, *gone]
        keys, deadline = [layout.SCHEMA, layout.notes_key(book)], time.monotonic() + self._deadline
        how, _ = self._connection.run_once(self._note, keys, arguments, deadline)
        if how == b"schema":
            raise self._newer()
        return nonce if how == b"written" else None

    # -- what is said --------------------------------------------------------------------------------

    def _require_exact(self, is_exact: object) -> None:
        if not is_exact:
            raise self._damaged("a sum of usage is too large to be kept exactly")

    def _damaged(self, problem: str) -> ConfigurationError:
        return ConfigurationError(f"The ledger at {self._connection.place} is damaged: {problem}. {DAMAGED}")

    def _newer(self) -> ConfigurationError:
        return ConfigurationError(
            f"The ledger at {self._connection.place} was written by a newer version of meterguard. Upgrade this one; "
            "nothing was written."
        )
