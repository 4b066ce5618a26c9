"""A command line under a licence, with Click: what it says and its exit codes are for people and scripts.

Set up as for quickstart.py, then:

    python examples/command_line.py export june --pages 3
    python examples/command_line.py team ana ben
    python examples/command_line.py archive june; echo $?
"""

import click

from meterguard import configure, requires_entitlement
from meterguard.integrations.click import exit_codes

configure(timeout=3)  # seconds to wait for License Manager in an outage, for somebody sits there


@click.group()
def cli() -> None:
    """Reports, as far as the licence goes."""


# The guard stands next to the function; --help and completion ask nobody.
@cli.command()
@click.argument("name")
@click.option("--pages", default=1, show_default=True, help="How long it is.")
@requires_entitlement("Export")
def export(name: str, pages: int) -> None:
    """Write a report to a file."""
    click.echo(f"{name}.pdf, {pages} pages")


# As many seats as members: only the arguments say how many.
@cli.command()
@click.argument("members", nargs=-1, required=True)
@requires_entitlement("Seats", lambda members: len(members), "Count", hold="call")
def team(members: tuple[str, ...]) -> None:
    """Let several people work at once."""
    click.echo(f"at work: {', '.join(members)}")


@cli.command()
@click.argument("name")
@requires_entitlement("Archive")
def archive(name: str) -> None:
    """Keep a report for good."""
    click.echo(f"{name} is kept")


if __name__ == "__main__":
    with exit_codes():  # 3: denied, 4: License Manager could not be asked, 1: the set-up is wrong
        cli()
