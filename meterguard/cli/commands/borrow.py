"""``meterguard borrow``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ...model import Entitlement
from ..entitlements import FORM, lines, read_entitlements
from ..exits import Exit
from ..texts import iso

FILE = click.Path(dir_okay=False, path_type=Path)
KEY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "-e",
    "--entitlement",
    "wanted",
    callback=read_entitlements,
    metavar=FORM,
    multiple=True,
    required=True,
    help="What to borrow: Export, Seats=2, Disk=5:Gigabytes. Several are borrowed together, or none.",
)
@click.option(
    "--trusted-key",
    "keys",
    type=KEY,
    metavar="FILE",
    multiple=True,
    required=True,
    help="The issuer's public key (PEM), one or several.",
)
@click.option("--path", type=FILE, metavar="FILE", help="Where to write it.  [default: a file of the product]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def borrow(
    ctx: click.Context, *, wanted: tuple[Entitlement, ...], keys: tuple[Path, ...], path: Path | None, as_json: bool
) -> None:
    """Borrow a licence for a machine that goes offline. Takes units.

    METERGUARD_PRODUCT_SKU and METERGUARD_KEY_FINGERPRINT name the product and its issuer, and METERGUARD_NODE_ID the
    node, if the program has a node_id. A program with borrowed= answers from the file, without a network, until the
    licence ends. 'meterguard return' gives it back.

    Example: meterguard borrow -e Seats=2 --trusted-key issuer.pem
    """
    from ...borrowing import file_of
    from ...guard import MeterGuard

    with MeterGuard(trusted_keys=list(keys)) as guard:
        lease = guard.borrow_all(wanted, path=path)
        where = file_of(guard.settings, path)
    if as_json:
        ends = lease.expires_at and iso(lease.expires_at)
        click.echo(json.dumps({"path": where, "entitlements": lines(lease.entitlements), "expires_at": ends}))
    else:
        what = " and ".join(str(one) for one in lease.entitlements)
        click.echo(f"Borrowed: {what}, until {lease.expires_at:%Y-%m-%d %H:%M} UTC. It is in {where}.")
    ctx.exit(Exit.OK)
