"""The commands, and how their errors are told."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import MeterGuardError, MissingExtra
from .exits import Exit, exit_of


class Commands(click.Group):
    """A group that tells meterguard's errors in one line, with the exit codes of `exits`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except MeterGuardError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(exit_of(error))
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def meterguard() -> None:
    """Put an AWS License Manager licence in front of Python code."""


@meterguard.command()
@click.option("--plain", is_flag=True, help="Plain lines, as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def demo(ctx: click.Context, *, plain: bool, as_json: bool) -> None:
    """Show meterguard at work against an emulated AWS, in ten seconds.

    Needs no AWS account and no network: it starts an emulator of License Manager on a free port of this
    machine and talks to it through boto3. Each step checks its own claims; exit code 1 means that one failed.
    """
    _need_emulator()
    from .demo import run

    ctx.exit(Exit.OK if run("json" if as_json else "plain" if plain else "auto") else Exit.FAILED)


@meterguard.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4020,
    show_default=True,
    help="The port of the loopback interface to serve on; 0: any free one.",
)
@click.option(
    "--seed",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A TOML or JSON file with the licences to hold; without it: ACME-1 with 3 Seats and the feature Export.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file to keep everything in over restarts; without it all is in memory.",
)
@click.option("--verify-signatures", is_flag=True, help="Refuse what is not signed with the secret `testing`.")
@click.option(
    "--policy",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="An IAM policy in JSON; without it everybody may do all.",
)
@click.option("--log", "with_log", is_flag=True, help="A line on stderr for each request.")
@click.option("--json", "as_json", is_flag=True, help="Say where it serves in one line of JSON.")
def emulator(*, port: int, seed: Path | None, with_log: bool, as_json: bool, **options: Any) -> None:
    """Serve an emulated AWS License Manager, until Ctrl-C or SIGTERM.

    It prints the two lines that point a program at it. Licences of the seed that a state file holds already are not
    added again.
    """
    _need_emulator()
    from .serving import BadPolicy, BadSeed, CannotServe, serve

    try:
        serve(port, seed, with_log=with_log, as_json=as_json, **options)
    except BadSeed as problem:
        raise click.BadParameter(str(problem), param_hint="'--seed'") from problem
    except BadPolicy as problem:
        raise click.BadParameter(str(problem), param_hint="'--policy'") from problem
    except CannotServe as problem:
        raise click.ClickException(str(problem)) from problem


@meterguard.command()
@click.option(
    "--app",
    metavar="MODULE:ATTR",
    help="Search an application for guards that stand above a registration and never run; ATTR may end with ().",
)
@click.option("--live", is_flag=True, help="Ask AWS what is in use of the licence. Takes no unit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def doctor(ctx: click.Context, *, app: str | None, live: bool, as_json: bool) -> None:
    """Look for what is wrong with a set-up, and say what to do. Takes no unit.

    Reads the METERGUARD_ variables, and AWS's own settings as boto3 does. Exit code 1 means that something
    is wrong. Safe to paste into an issue: nothing secret is printed.
    """
    from .doctoring import BadApp, examine

    try:
        findings = list(examine(app, live=live))
    except BadApp as problem:
        raise click.BadParameter(str(problem), param_hint="'--app'") from problem
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings]))
    else:
        for one in findings:
            click.echo(f"{one.status:8}{one.name:12}{one.detail}")
    ctx.exit(Exit.FAILED if any(one.status == "failed" for one in findings) else Exit.OK)


def _need_emulator() -> None:
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtra("the emulator", "emulator")
