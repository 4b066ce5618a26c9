"""Answers to requests that a guard refuses."""

from __future__ import annotations

from flask import Flask, Response, current_app, request

from ...errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from .application import installed


def add_handlers(app: Flask) -> None:
    """Answer for our exceptions. Flask keeps one handler for each class: a handler of the application's stays."""
    theirs = app.error_handler_spec[None][None]
    for error in (EntitlementDenied, EntitlementUnavailable, ConfigurationError):
        if error not in theirs and MeterGuardError not in theirs:
            app.register_error_handler(error, _answer)


def _answer(error: Exception) -> Response:
    if not isinstance(error, MeterGuardError) or (isinstance(error, ConfigurationError) and current_app.debug):
        raise error
    here = installed()
    answer = here.options.answer(here.refusal(error), accept=request.headers.get("Accept"), instance=request.path)
    return Response(answer.body, answer.status, answer.headers)
