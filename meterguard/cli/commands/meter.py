"""``meterguard meter``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ..applications import BadApp, load
from ..exits import Exit

if TYPE_CHECKING:
    from ...events import Event
    from ...marketplace import Sink


def _dimensions(_ctx: click.Context, _option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    parted = [pair.partition("=") for pair in pairs]
    for name, equals, dimension in parted:
        if not (name and equals and dimension):
            raise click.BadParameter("it must be NAME=DIMENSION, such as Pages=pages")
    return {name: dimension for name, _, dimension in parted}


@click.command()
@click.argument("sink", required=False, metavar="[MODULE:SINK]")
@click.option("--once", is_flag=True, help="Send what is due now, and end.")
@click.option("--status", is_flag=True, help="Send nothing: only show what became of usage.")
@click.option("--product-code", metavar="CODE", help="The product code of an AMI or container product.")
@click.option(
    "--dimension",
    "dimensions",
    callback=_dimensions,
    multiple=True,
    metavar="NAME=DIMENSION",
    help="A dimension of the listing, by the entitlement's name. Repeatable.",
)
@click.option("--agentcore", is_flag=True, help="The product runs in Bedrock AgentCore.")
@click.option("--ledger", "url", metavar="URL", help="The ledger to report.  [default: METERGUARD_LEDGER]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def meter(
    ctx: click.Context,
    *,
    sink: str | None,
    once: bool,
    status: bool,
    product_code: str | None,
    dimensions: Mapping[str, str],
    agentcore: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Report to AWS Marketplace what a ledger has charged, hour by hour.

    Reports the Sink at MODULE:SINK, or, for AMI and container products, the
    ledger by --product-code and --dimension. Takes no unit, and sends no hour
    that goes on. Exit code 1 means that AWS has refused something or that it
    is too old, 4 that something could not be sent and is tried again next time.
    """
    from ..metering import document, report

    if once is status:
        raise click.UsageError("say what is to be done: --once or --status")
    found = _named(sink) if sink else _over(url, dimensions, product_code, agentcore=agentcore)
    told: list[Event] = []
    found.guard.subscribe(told.append)
    with found.guard:
        tallies = found.flush() if once else found.status()
    click.echo(document(tallies) if as_json else report(tallies))
    ctx.exit(_said(told))


def _named(name: str) -> Sink:
    from ...marketplace import Sink

    try:
        sink = load(name)
    except BadApp as problem:
        raise click.BadParameter(str(problem), param_hint="'MODULE:SINK'") from None
    if not isinstance(sink, Sink):
        raise click.BadParameter(f"{name} is a {type(sink).__name__}, and no Sink", param_hint="'MODULE:SINK'")
    return sink


def _over(url: str | None, dimensions: Mapping[str, str], product_code: str | None, *, agentcore: bool) -> Sink:
    from ...config import said
    from ...marketplace import Sink

    if product_code is None or not dimensions:
        raise click.UsageError("name a sink, as in myapp:sink, or give --product-code and --dimension")
    place = url or said("ledger")
    if place is None:
        raise click.UsageError("no ledger is named: pass --ledger URL, or set METERGUARD_LEDGER")
    return Sink.over(place, dimensions, product_code, "agentcore" if agentcore else None)


def _said(told: list[Event]) -> Exit:
    """Say what went wrong, a line each, and return the exit code."""
    from ..metering import trouble

    found = [(exit_code, line) for exit_code, line in map(trouble, told) if line]
    for _, line in found:
        click.echo(line, err=True)
    codes = {exit_code for exit_code, _ in found}
    return next((code for code in (Exit.FAILED, Exit.UNAVAILABLE) if code in codes), Exit.OK)
