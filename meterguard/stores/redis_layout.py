"""The layout of a ledger in Redis: its keys, the names of spans, and amounts as text. It knows no connection.

All keys have one hash tag, so that a cluster keeps a ledger on one of its nodes and a script may touch any of them.

* ``accounts``: a hash, by the account's key: the nonce of its last write, which is its version, and its text.
* ``nonces``: a sorted set of the writes of the last minutes, by the server's time.
* ``spans``: a sorted set of the names of spans of usage, by the second in which they start.
* ``usage:NAME``: a hash for each span, by subject: an amount.
* ``notes:BOOK``: a hash of a book's rows, by key; the empty key has the nonce of its last write, its version.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from ..usage import UsageKey, UsageLine

PREFIX = "meterguard:{ledger}:"
SCHEMA, ACCOUNTS, NONCES, SPANS = (PREFIX + name for name in ("schema", "accounts", "nonces", "spans"))
MILLION = 10**12  # millionths of a unit in a million of units
PLACES = 6


def span_name(key: UsageKey) -> str:
    """Return the name of the span of a line: all of its key but the subject."""
    return _compact([key.hour, key.seconds, int(key.is_metered), key.unit, key.scope, key.name])


def span_of(name: str | bytes) -> UsageKey:
    """Return the key of a span's lines, without a subject. Raises ``ValueError`` where the name is none."""
    hour, seconds, is_metered, unit, scope, named = json.loads(name)
    return UsageKey(scope, named, unit, None, hour, bool(is_metered), seconds)


def usage_key(name: str) -> str:
    """Return the key of the hash that has a span's amounts."""
    return f"{PREFIX}usage:{name}"


def notes_key(book: str) -> str:
    """Return the key of the hash that has a book's rows."""
    return f"{PREFIX}notes:{book}"


def account_field(key: str) -> bytes:
    """Return the field of an account. Any text will do for a key."""
    return key.encode("utf-8", "surrogatepass")


def usage_arguments(lines: Iterable[UsageLine]) -> tuple[list[str], list[str | int]]:
    """Return the keys and the arguments with which the script adds lines. Raises ``ValueError`` for a seventh place."""
    spans: dict[str, defaultdict[str, int]] = {}
    starts: dict[str, int] = {}
    for key, quantity in lines:
        name = span_name(key)
        starts[name] = key.hour
        spans.setdefault(name, defaultdict(int))[_compact(key.subject)] += _millionths(quantity)
    arguments: list[str | int] = []
    for name, amounts in spans.items():
        arguments += [name, starts[name], len(amounts)]
        for field, amount in amounts.items():
            arguments += [field, *divmod(amount, MILLION)]
    return [usage_key(name) for name in spans], arguments


def lines_of(name: str, amounts: Iterable[bytes]) -> Iterable[UsageLine]:
    """Yield the lines of a span from its fields and amounts by turns. Raises ``ValueError`` for anything else."""
    key = span_of(name)
    turns = iter(amounts)
    for field, amount in zip(turns, turns, strict=True):
        millions, _, rest = amount.partition(b":")
        yield UsageLine(key._replace(subject=json.loads(field)), _decimal(int(millions) * MILLION + int(rest)))


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _millionths(quantity: Decimal) -> int:
    numerator, denominator = quantity.as_integer_ratio()  # exact, whatever the precision of the context
    whole, rest = divmod(numerator * 10**PLACES, denominator)
    if rest:
        raise ValueError(f"a quantity has at most {PLACES} decimal places; got {quantity}")
    return int(whole)


def _decimal(millionths: int) -> Decimal:
    places = PLACES
    while places and millionths % 10 == 0:
        millionths, places = millionths // 10, places - 1
    return Decimal(f"{millionths}E-{places}")
