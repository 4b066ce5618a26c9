"""``meterguard demo``."""

from __future__ import annotations

import click

from ..exits import Exit
from ..extras import need_emulator


@click.command()
@click.option("--plain", is_flag=True, help="Plain lines, as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def demo(ctx: click.Context, *, plain: bool, as_json: bool) -> None:
    """Show meterguard at work against an emulated AWS, in ten seconds.

    Needs no AWS account and no network: it starts an emulator of License Manager on a free port of this
    machine and talks to it through boto3. Each step checks its own claims; exit code 1 means that one failed.
    """
    need_emulator()
    from ..demo import run

    ctx.exit(Exit.OK if run("json" if as_json else "plain" if plain else "auto") else Exit.FAILED)
