"""The installation of an application, and of the one that serves the current request."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app
from werkzeug.local import LocalProxy

from ...errors import ConfigurationError
from ..installation import Installation
from ..settings import check

EXTENSION = "meterguard"
"""The key of an installation among the extensions of an application."""


def check_application(app: object) -> None:
    """Refuse what is no application.

    :raises ConfigurationError: it is something else.
    """
    check("app", app, isinstance(app, Flask), "a Flask application")


def installed() -> Installation:
    """Return the installation of the current application.

    :raises ConfigurationError: it has none.
    """
    found = current_app.extensions.get(EXTENSION)
    if not isinstance(found, Installation):
        raise ConfigurationError("this application has no FlaskMeterGuard: call FlaskMeterGuard(app) or init_app(app)")
    return found


current_meterguard: Any = LocalProxy(lambda: installed().guard)
"""The guard of the current application."""
