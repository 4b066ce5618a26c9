"""``meterguard emulator``."""

from __future__ import annotations

from pathlib import Path

import click

from ..extras import need_emulator

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4020,
    show_default=True,
    help="The port of the loopback interface to serve on; 0: any free one.",
)
@click.option(
    "--seed",
    type=_FILE,
    metavar="FILE",
    help="A TOML or JSON file with the licences to hold; without it: ACME-1 with 3 Seats and the feature Export.",
)
@click.option(
    "--state",
    type=_FILE,
    metavar="FILE",
    help="A file to keep everything in over restarts; without it all is in memory.",
)
@click.option("--verify-signatures", is_flag=True, help="Refuse what is not signed with the secret `testing`.")
@click.option("--policy", type=_FILE, metavar="FILE", help="An IAM policy in JSON; without it everybody may do all.")
@click.option("--log", "with_log", is_flag=True, help="A line on stderr for each request.")
@click.option("--json", "as_json", is_flag=True, help="Say where it serves in one line of JSON.")
def emulator(
    *,
    port: int,
    seed: Path | None,
    state: Path | None,
    verify_signatures: bool,
    policy: Path | None,
    with_log: bool,
    as_json: bool,
) -> None:
    """Serve an emulated AWS License Manager, until Ctrl-C or SIGTERM.

    It prints the two lines that point a program at it. Licences of the seed that a state file holds already are not
    added again.
    """
    need_emulator()
    from ..serving import BadPolicy, BadSeed, CannotServe, serve

    try:
        serve(
            port,
            seed,
            state=state,
            verify_signatures=verify_signatures,
            policy=policy,
            with_log=with_log,
            as_json=as_json,
        )
    except BadSeed as problem:
        raise click.BadParameter(str(problem), param_hint="'--seed'") from problem
    except BadPolicy as problem:
        raise click.BadParameter(str(problem), param_hint="'--policy'") from problem
    except CannotServe as problem:
        raise click.ClickException(str(problem)) from problem
