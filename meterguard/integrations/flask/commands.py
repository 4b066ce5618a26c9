"""``flask meterguard``."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

from ..audit import audit
from .routes import registered


def commands() -> AppGroup:
    """Return the group of commands."""
    group = AppGroup("meterguard", help="Licences of this application.")

    @group.command("audit")
    def find_bypassed() -> None:
        """Find views that are registered without the guard above their route; exits with 1 if there are any."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        bypassed = audit(registered(app), strict=False)
        for endpoint in bypassed:
            click.echo(endpoint)
        if bypassed:
            raise SystemExit(1)
        click.echo("no guard stands above a route", err=True)

    return group
