"""``meterguard release``."""

from __future__ import annotations

import json
from contextlib import closing

import click

from ..exits import Exit
from ..stores import opened_store


@click.command()
@click.option("--orphans", is_flag=True, help="Return what dead processes left.")
@click.option("--store", "url", metavar="URL", help="The store of leases to look in.  [default: METERGUARD_STORE]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def release(ctx: click.Context, *, orphans: bool, url: str | None, as_json: bool) -> None:
    """Return to the licence what dead processes left.

    Gives nothing back that a living process holds, or may hold. Needs AWS's
    settings; the METERGUARD_ variables of the product only where a process
    died before its checkout was answered. Exit code 1 means that something
    could not be given back.
    """
    if not orphans:
        raise click.UsageError("say what is to be released: meterguard release --orphans")
    with closing(opened_store(url)) as store:
        from ... import orphans as left_behind

        done = left_behind.release(store)
    if as_json:
        click.echo(json.dumps({"released": done.released, "kept": done.kept, "failed": done.failed}))
    else:
        click.echo(
            f"Leases given back: {done.released}. Kept for living processes: {done.kept}. Failed: {done.failed}."
        )
    for reason in done.reasons:
        click.echo(f"failed: {reason}", err=True)
    ctx.exit(Exit.FAILED if done.failed else Exit.OK)
