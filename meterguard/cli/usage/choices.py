"""Options of the command, turned into values: each says what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypedDict

import click

from ...ledger import PARTS
from ...model import shortened

SUFFIXES = (".svg", ".png")
TERMINAL = "-"


class Asked(TypedDict):
    """The options that choose records."""

    since: datetime | None
    until: datetime | None
    by: tuple[str, ...]
    bucket: str


class Choices(NamedTuple):
    """The records that were asked for: the arguments of ``LedgerReport.records``."""

    since: datetime | None
    until: datetime | None
    by: tuple[str, ...]
    bucket: str

    @property
    def by_subject(self) -> bool:
        """True where subjects are told apart."""
        return "subject" in self.by

    @property
    def how(self) -> str:
        """The way in which usage is added up, as a text."""
        return f"{self.bucket} {'entitlement,subject' if self.by_subject else 'entitlement'}"


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """Read a date or a time in ISO 8601; of UTC, where it names no offset."""
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date or time such as 2026-11-29 or 2026-11-29T10:00") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def parts(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    """Read the parts of a record, with commas between them."""
    read = tuple(part.strip() for part in value.split(","))
    for part in read:
        if part not in PARTS:
            raise click.BadParameter(f"{part!r} is none of {', '.join(PARTS)}; put a comma between two")
    return read


def picture(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Path | str | None:
    """Check a file to plot into, or ``-`` for the terminal."""
    if value is None or value == TERMINAL:
        return value
    path = Path(value)
    if path.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{value!r} must end with .svg or .png, or be - for the terminal")
    try:
        is_place = path.parent.is_dir() and not path.is_dir()
    except OSError as problem:
        raise click.BadParameter(f"{shortened(value)} is no name of a file: {problem.strerror}") from None
    if not is_place:
        raise click.BadParameter(f"{value!r} is a directory, or is in none that exists")
    return path


def aligned(choices: Choices) -> None:
    """Check that no span is cut: half of one would be told under the id of the whole.

    :raises click.UsageError: one is.
    """
    for option, moment in (("--since", choices.since), ("--until", choices.until)):
        if moment is not None and not _begins(moment.astimezone(UTC), choices.bucket):
            raise click.UsageError(
                f"{option} must be the start of a {choices.bucket} of UTC, or an event would tell a part of one as all"
            )


def _begins(moment: datetime, bucket: str) -> bool:
    start = moment.replace(minute=0, second=0, microsecond=0)
    if bucket != "hour":
        start = start.replace(hour=0)
    return moment == (start.replace(day=1) if bucket == "month" else start)
