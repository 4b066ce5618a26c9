"""``meterguard doctor``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..exits import Exit

if TYPE_CHECKING:
    from ...diagnostics import Finding


@click.command()
@click.option(
    "--app",
    metavar="MODULE:ATTR",
    help="Search an application for guards that stand above a registration and never run; ATTR may end with ().",
)
@click.option("--offline", is_flag=True, help="Ask AWS nothing.")
@click.option("--live", is_flag=True, help="Ask AWS also how many units are in use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def doctor(ctx: click.Context, *, app: str | None, offline: bool, live: bool, as_json: bool) -> None:
    """Look for what is wrong with a set-up, and say what to do. Takes no unit.

    Reads the METERGUARD_ variables, and AWS's own settings as boto3 does, says where each comes from, and asks AWS
    whether this account has the licence. With --app it examines the guard that the application has configured. Exit
    code 1 means that something is wrong. Safe to paste into an issue: nothing secret is printed.
    """
    if offline and live:
        raise click.UsageError("--offline and --live exclude each other")
    findings = list(_examine(app, offline=offline, live=live))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(one) for one in findings]}))
    else:
        for one in findings:
            click.echo(_line(one))
    ctx.exit(Exit.FAILED if any(one.result == "failed" for one in findings) else Exit.OK)


def _examine(app: str | None, *, offline: bool, live: bool) -> Iterator[Finding]:
    from ...default import get_guard
    from ...diagnostics import examine, guards
    from ..applications import BadApp, load, registered

    try:
        routes = None if app is None else list(registered(load(app)))
    except BadApp as problem:
        raise click.BadParameter(str(problem), param_hint="'--app'") from problem
    yield from examine(get_guard(), offline=offline, usage=live)
    if routes is not None:
        yield guards(routes)


def _line(one: Finding) -> str:
    return f"{one.result:8}{one.check:12}{one.detail}{'' if one.fix is None else f'; {one.fix}'}"
