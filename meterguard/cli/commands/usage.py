"""``meterguard usage``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

import click

from ...errors import MissingExtra
from ..exits import Exit
from ..stores import opened_ledger
from ..usage import report
from ..usage.choices import TERMINAL, Asked, Choices, aligned, moment, parts, picture
from ..usage.document import document
from ..usage.lines import as_cloudevents, as_csv, as_json

if TYPE_CHECKING:
    from ...ledger import LedgerReport
    from ...usage import Comparison, Forecast, UsageRecord

BUCKETS = ("hour", "day", "month")
FORMS = ("table", "csv", "jsonl", "cloudevents")


@click.command()
@click.option("--ledger", "url", metavar="URL", help="The ledger to read.  [default: METERGUARD_LEDGER]")
@click.option("--since", callback=moment, metavar="TIME", help="Only what starts at this date or time, or later.")
@click.option("--until", callback=moment, metavar="TIME", help="Only what starts before this date or time.")
@click.option(
    "--by",
    callback=parts,
    metavar="PARTS",
    default="entitlement",
    show_default=True,
    help="Tell records apart by entitlement, or by entitlement,subject.",
)
@click.option(
    "--bucket",
    type=click.Choice(BUCKETS),
    metavar="SPAN",
    default="hour",
    show_default=True,
    help="How long a record is: an hour, day or month of UTC.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    metavar="FORM",
    default="table",
    show_default=True,
    help="table; or records only, as csv, jsonl or cloudevents.",
)
@click.option("--plot", callback=picture, metavar="FILE", help="Plot into FILE.svg or FILE.png; -: into the terminal.")
@click.option("--reconcile", is_flag=True, help="Compare with what AWS says is consumed.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def usage(
    ctx: click.Context,
    *,
    url: str | None,
    form: str,
    plot: Path | str | None,
    reconcile: bool,
    as_document: bool,
    **asked: Unpack[Asked],
) -> None:
    """Show what was drawn and used, from a ledger. Takes no unit.

    Draws have balances and records, meters have records only. A time is in ISO
    8601, and of UTC where it names no offset. With --reconcile, AWS is asked
    about the licence that the METERGUARD_ variables name; exit code 1 means
    that it counts otherwise than the ledger.
    """
    choices = Choices(**asked)
    _check(ctx, choices, form, plot, as_document=as_document, reconcile=reconcile)
    form = "json" if as_document else form
    ledger = opened_ledger(url)
    licence = _asked(ledger) if reconcile else None
    records = ledger.records(*choices)
    _write(records, plot)  # first, for who reads the output may stop early
    _print(ledger, records, licence, choices, form)
    _show(records, choices.bucket, form, plot)
    ctx.exit(Exit.OK if licence is None or licence.agrees else Exit.FAILED)


class _Licence(NamedTuple):
    """The ledger beside the licence, and the licence's end."""

    comparisons: list[Comparison]
    forecasts: dict[str, Forecast]

    @property
    def agrees(self) -> bool:
        """True when ledger and licence say the same of every entitlement."""
        return all(one.agrees for one in self.comparisons)


def _check(
    ctx: click.Context, choices: Choices, form: str, plot: Path | str | None, *, as_document: bool, reconcile: bool
) -> None:
    since, until = choices.since, choices.until
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since must be earlier than --until")
    if as_document and ctx.get_parameter_source("form") is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("--json and --format exclude each other")
    if reconcile and form != "table":
        raise click.UsageError(f"--reconcile goes with a table or with --json, and not with --format {form}")
    if plot == TERMINAL and (as_document or form != "table"):
        raise click.UsageError("--plot - goes with a table, whose terminal it shares; plot into a file instead")
    if form == "cloudevents":
        aligned(choices)


def _asked(ledger: LedgerReport) -> _Licence:
    from ...default import get_guard
    from ...diagnostics import licensed

    guard = get_guard()
    ours = ledger.of_scope(guard.scope)
    said = licensed(guard)
    return _Licence(ours.reconcile(said), ours.forecast(datetime.now(UTC), said))


def _print(
    ledger: LedgerReport, records: list[UsageRecord], licence: _Licence | None, choices: Choices, form: str
) -> None:
    match form:
        case "json":
            comparisons, forecasts = licence or (None, None)
            click.echo(document(ledger.summary(), records, comparisons, forecasts))
        case "csv":
            click.echo(as_csv(records), nl=False)
        case "jsonl":
            _lines(map(as_json, records))
        case "cloudevents":
            _lines(_events(ledger, choices))
        case _:
            expected = ledger.forecast(datetime.now(UTC)) if licence is None else licence.forecasts
            _lines(report.balances(ledger.summary(), expected))
            if licence is not None:
                _lines(["", *report.comparison(licence.comparisons)])
            _lines(["", *report.records(records, by_subject=choices.by_subject)])


def _events(ledger: LedgerReport, choices: Choices) -> Iterator[str]:
    """Yield an event for each record whose time is over: more may still come into one that goes on."""
    now = datetime.now(UTC)
    for scope in ledger.scopes():
        closed = [one for one in ledger.of_scope(scope).records(*choices) if one.end <= now]
        yield from as_cloudevents(closed, scope, choices.how)


def _write(records: list[UsageRecord], plot: Path | str | None) -> None:
    if not isinstance(plot, Path):
        return
    from ..usage.pictures import write

    try:
        write(records, plot)
    except OSError as problem:
        raise click.ClickException(f"{plot} cannot be written: {problem.strerror}") from None


def _show(records: list[UsageRecord], bucket: str, form: str, plot: Path | str | None) -> None:
    is_wanted = plot == TERMINAL
    if not is_wanted and not (form == "table" and plot is None and sys.stdout.isatty()):
        return
    try:
        from ..usage.bars import show
    except MissingExtra:
        if is_wanted:
            raise
        return
    show(records, bucket)


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
