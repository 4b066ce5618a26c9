"""Guards of whole groups: the views of a blueprint or an application, but those that are exempt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, after_this_request, current_app, g, request

from ...errors import ConfigurationError
from ...gating.admission import Entered
from ..declaration import Declaration, for_many, is_failed
from ..settings import check
from .application import installed

V = TypeVar("V", bound=Callable[..., object])

_EXEMPT = "__meterguard_exempt__"
_HELD = "_meterguard_held"


def protect(scope: Blueprint | Flask, declaration: Declaration) -> None:
    """Guard every view of a blueprint, with the blueprints nested in it, or of an application.

    :raises ConfigurationError: the blueprint is registered already.
    """
    check("scope", scope, isinstance(scope, Blueprint | Flask), "a blueprint or an application")
    if isinstance(scope, Blueprint) and scope._got_registered_once:
        raise ConfigurationError(
            f"blueprint {scope.name!r} is registered already, and would stay unguarded: call protect() before "
            "app.register_blueprint()"
        )
    scope.before_request(functools.partial(_enter, for_many(declaration, "protect()")))


def exempt(view: V) -> V:
    """Mark a view (function or class) that guards of whole groups leave alone."""
    check("view", view, callable(view), "a view: a function or a class")
    setattr(view, _EXEMPT, True)
    return view


def release_at_end(app: Flask) -> None:
    """Give the seats of each request back at its end."""
    app.teardown_request(_let_go)


def _enter(declaration: Declaration) -> None:
    here = installed()
    if request.method == "OPTIONS" or here.options.is_exempt(request.path) or _view_is_exempt():
        return
    if declaration.is_open(here.guard):
        return
    admission = declaration.gate(here.guard).enter(**(request.view_args or {}))
    if admission.hold == "call":
        _carry(admission)
    else:
        admission.release()


def _carry(admission: Entered[Any]) -> None:
    """Hold a seat for the request: to its last byte where it is streamed, else to its end."""
    held = g.setdefault(_HELD, [])
    if not held:
        after_this_request(_hand_over)
    held.append(admission)


def _hand_over(response: Response) -> Response:
    kept = []
    for entered in g.pop(_HELD, ()):
        if is_failed(entered, response.status_code):
            entered.fail()
        elif response.is_streamed:
            entered.hand_over(response)
        else:
            kept.append(entered)
    setattr(g, _HELD, kept)
    return response


def _let_go(error: BaseException | None = None) -> None:
    for entered in g.pop(_HELD, ()):
        if error is None:
            entered.release()
        else:
            entered.fail()


def _view_is_exempt() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, _EXEMPT, False) or getattr(getattr(view, "view_class", None), _EXEMPT, False)
