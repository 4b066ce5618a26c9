"""The routes of an application, and the search among them at the first request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from flask import Flask

from ...errors import ConfigurationError
from ..audit import Registered, audit
from .application import check_application


def registered(app: Flask) -> Iterator[Registered]:
    """Yield the endpoints of an application, and what is run for each.

    :raises ConfigurationError: ``app`` is no application.
    """
    check_application(app)
    for endpoint, view in app.view_functions.items():
        view_class = getattr(view, "view_class", None)
        if view_class is None:
            yield endpoint, view
            continue
        for method in sorted(getattr(view_class, "methods", None) or ()):
            yield f"{endpoint} ({method})", getattr(view_class, method.lower(), None)


def at_first_request(app: Flask, then: Callable[[Flask], None]) -> None:
    """Search the routes at the first request, when all are there, and then call ``then``."""
    app.before_request_funcs.setdefault(None, []).insert(0, functools.partial(_first_request, app, then))


def _first_request(app: Flask, then: Callable[[Flask], None]) -> None:
    functions = app.before_request_funcs[None]
    # the list is replaced, for Flask is iterating over it
    app.before_request_funcs[None] = [one for one in functions if getattr(one, "func", None) is not _first_request]
    try:
        audit(registered(app), strict=app.debug)
    except ConfigurationError:
        app.before_request_funcs[None] = functions  # until it is mended
        raise
    then(app)
