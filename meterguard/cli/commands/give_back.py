"""``meterguard return``. The module is not named like it, for that is a keyword of Python."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..entitlements import lines
from .borrow import FILE


@click.command("return")
@click.option("--path", type=FILE, metavar="FILE", help="The file it is in.  [default: a file of the product]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def give_back(*, path: Path | None, as_json: bool) -> None:
    """Return a borrowed licence before its end, where it allows that.

    Needs no key. Without --path, METERGUARD_PRODUCT_SKU names the product. What could not be returned stays in the
    file, and can still be used: exit code 3 means that License Manager does not take it back, 4 that it could not be
    asked.

    Example: meterguard return --path licence.jwt
    """
    from ...borrowing import give_back_by_hand

    where, returned = give_back_by_hand(path)
    if as_json:
        click.echo(json.dumps({"path": where, "returned": lines(one for some in returned for one in some)}))
        return
    for some in returned:
        click.echo(f"Returned: {' and '.join(str(one) for one in some)}.")
