"""``meterguard status``."""

from __future__ import annotations

import os
from contextlib import closing

import click

from ..stores import opened_store


@click.command()
@click.option("--store", "url", metavar="URL", help="The store of leases to read.  [default: METERGUARD_STORE]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def status(*, url: str | None, as_json: bool) -> None:
    """Show what the processes of a host or a fleet hold. Takes no unit.

    Reads the store alone: AWS is not asked, and no product has to be named. All licences of the store are shown.
    """
    with closing(opened_store(url)) as store:
        from ...snapshot import read
        from ..holdings import document, report

        found = read(store)
    if as_json:
        click.echo(document(found))
        return
    is_plain = bool(os.environ.get("NO_COLOR"))
    for line in report(found):
        click.echo(line, color=False if is_plain else None)  # None: colours on a terminal only
