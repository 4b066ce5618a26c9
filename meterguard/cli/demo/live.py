"""The demonstration in a terminal: finished steps above, the step that is played below. Needs rich."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.padding import Padding
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from .formats import expected, per_call, shown, verdict
from .records import Claim, Curtain, Finale, Glimpse, Opening, Record, Step


class Live:
    """Shows each scene while it is played."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Show each record, then hand it on."""
        title, spinner = "", Spinner("dots", style="cyan")
        with Display(console=self._console, transient=True, refresh_per_second=10) as display:
            for record in records:
                match record:
                    case Curtain():
                        title = f"{record.number}  {record.title}"
                        display.update(_going_on(spinner, title))
                    case Glimpse():
                        display.update(_going_on(spinner, title, record))
                    case _:
                        display.update(Text())
                        display.console.print(_finished(record))
                yield record


def _going_on(spinner: Spinner, title: str, glimpse: Glimpse | None = None) -> RenderableType:
    spinner.update(text=Text(title, style="bold"))
    return Group(spinner, Padding(_gauges(glimpse), (0, 0, 0, 5))) if glimpse else spinner


def _gauges(glimpse: Glimpse) -> Text:
    free = glimpse.of_seats - glimpse.seats
    line = Text("seats ")
    line.append("■ " * glimpse.seats, "green").append("□ " * free, "dim")
    line.append(f"  leases at AWS {glimpse.leases}")
    line.append("   AWS ").append("up", "green") if glimpse.is_up else line.append("   AWS ").append("DOWN", "bold red")
    line.append(f"   calls {glimpse.calls:,}")
    if glimpse.pages:
        line.append(f"   pages {glimpse.pages:,}")
    return line


def _finished(record: Record) -> RenderableType:
    match record:
        case Opening():
            return _title(record)
        case Step():
            return _step(record)
        case Finale():
            return Group(_sheet(record), Text(), _verdict(record))
    return Text()


def _title(opening: Opening) -> RenderableType:
    lines = Text(f"Real boto3, and an emulated AWS License Manager at {opening.url}.\n")
    lines.append(f"The licence has {opening.terms}.")
    return Padding(Panel(lines, title="meterguard demo", title_align="left", border_style="cyan", expand=False), (1, 0))


def _step(step: Step) -> RenderableType:
    head = Text.assemble(_mark(holds=step.holds), f" {step.number}  ", (step.title, "bold"))
    story = Padding(Text(step.outcome.story, style="dim"), (0, 0, 0, 5))
    return Padding(Group(head, story, Padding(_claims(step.outcome.claims), (0, 0, 0, 5))), (0, 0, 1, 0))


def _claims(claims: Iterable[Claim]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(min_width=38)
    table.add_column(min_width=18)
    table.add_column(style="dim")
    for claim in claims:
        value = Text(shown(claim.actual, claim.unit), style="" if claim.holds else "bold red")
        table.add_row(_mark(holds=claim.holds), Text(claim.text), value, Text(expected(claim)))
    return table


def _sheet(finale: Finale) -> RenderableType:
    table = Table(title="What it cost", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="dim")
    table.add_column(min_width=36)
    for name in ("calls", "requests", "a call"):
        table.add_column(name, justify="right", header_style="dim")
    for step in finale.steps:
        calls, requests = f"{step.outcome.calls:,}", f"{sum(step.requests.values())}"
        table.add_row(f"{step.number}", Text(step.title), calls, requests, per_call(step.outcome))
    table.add_section()
    table.add_row("", "", f"{finale.calls:,}", f"{finale.requests}", "", style="bold")
    return table


def _verdict(finale: Finale) -> Text:
    return Text.assemble(
        _mark(holds=finale.holds), " ", (verdict(finale), "bold green" if finale.holds else "bold red")
    )


def _mark(*, holds: bool) -> Text:
    return Text("✓", style="green") if holds else Text("✗", style="bold red")
