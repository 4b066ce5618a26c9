"""Flask: an extension that answers, guards blueprints, tells templates, and finds guards that never run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..events import EntitlementRefused, Event, LeaseCheckedIn, LeaseCheckedOut, LeaseRenewed
from ..extras import needed
from ..gating.admission import Admission as Held
from ..guard import MeterGuard
from ._gates import Installed, LateGate, arguments, audit, check, set_up, settings_in_upper_case
from ._http import prefers_html

with needed("flask", "flask", by="meterguard.integrations.flask"):
    from flask import Blueprint, Flask, Response, after_this_request, current_app, g, redirect, request, session
    from flask.cli import AppGroup

# These come with Flask. Imported before it, they would be what is missing, and no extra would be named.
import click
from blinker import Namespace
from werkzeug.local import LocalProxy

__all__ = (
    "FlaskMeterGuard",
    "current_meterguard",
    "entitlement_denied",
    "lease_checked_in",
    "lease_checked_out",
    "lease_renewed",
    "logged_in_user",
    "registered",
)

V = TypeVar("V", bound=Callable[..., Any])

_signals = Namespace()
entitlement_denied = _signals.signal("entitlement-denied")
"""A gate was refused. The sender is the app; ``event`` is the :class:`~meterguard.events.EntitlementRefused`."""
lease_checked_out = _signals.signal("lease-checked-out")
"""A lease was checked out, in whichever thread that was; ``event`` says which."""
lease_renewed = _signals.signal("lease-renewed")
"""A lease was renewed."""
lease_checked_in = _signals.signal("lease-checked-in")
"""A lease was given back."""

_SIGNALS = {
    EntitlementRefused: entitlement_denied,
    LeaseCheckedOut: lease_checked_out,
    LeaseRenewed: lease_renewed,
    LeaseCheckedIn: lease_checked_in,
}
_ANSWERS = (EntitlementDenied, EntitlementUnavailable)
_EXEMPT = "__meterguard_exempt__"
_PREFIX = "METERGUARD_"


class FlaskMeterGuard:
    """Licences for the views of Flask applications.

    ::

        guard = FlaskMeterGuard(app)

    The plain :func:`~meterguard.requires_entitlement` guards views; this adds the answers that clients get, guards for
    whole blueprints, ``entitled`` in templates, signals, ``flask meterguard audit``, and the search for guards that
    stand above a route and never run.

    Settings are the arguments of :class:`~meterguard.MeterGuard` and of
    :class:`~meterguard.integrations.HttpOptions` in upper case, with ``METERGUARD_`` before them, and
    ``METERGUARD_ENABLED``. Those of a guard make the default guard.

    :param app: the application, or None for :meth:`init_app` later. One extension serves any number of applications.
    :param guard: the guard to use; None: the default one.
    :param defaults: settings in lower case; they beat those of the application.
    :raises ConfigurationError: a setting is unknown or wrong.
    """

    def __init__(self, app: Flask | None = None, guard: MeterGuard | None = None, **defaults: Any) -> None:
        self._defaults = arguments(defaults, "FlaskMeterGuard", guard)
        self._given = guard
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set up an application. Asks nobody and starts nothing.

        :raises ConfigurationError: a setting is unknown or wrong, or the application was set up already.
        """
        _check_application(app)
        if "meterguard" in app.extensions:
            raise ConfigurationError("this application has a FlaskMeterGuard already")
        found = {name.removeprefix(_PREFIX): value for name, value in app.config.items() if name.startswith(_PREFIX)}
        settings = settings_in_upper_case(found, f"app.config ({_PREFIX}...)") | self._defaults
        installed = set_up(self._given, settings)
        app.extensions["meterguard"] = installed
        _add_handlers(app)
        _add_to_templates(app)
        app.cli.add_command(_commands())
        app.before_request_funcs.setdefault(None, []).insert(0, functools.partial(_first_request, app))

    # -- guarding --------------------------------------------------------------------------------

    def protect(self, scope: Blueprint | Flask, name: str, value: Any = None, unit: Any = None, **options: Any) -> None:
        """Guard every view of a blueprint, with the blueprints nested in it, or of an application.

        ``OPTIONS`` is let through, as are views marked with :meth:`exempt` and the paths in ``METERGUARD_EXEMPT``.
        With ``hold="call"`` a seat is held from before the view to the last byte of the response. Callables in
        ``options`` get the view's arguments.

        :raises ConfigurationError: the declaration is wrong, or the blueprint is registered already.
        """
        check("scope", scope, isinstance(scope, Blueprint | Flask), "a blueprint or an application")
        if isinstance(scope, Blueprint) and scope._got_registered_once:
            raise ConfigurationError(
                f"blueprint {scope.name!r} is registered already, and would stay unguarded: call protect() before "
                "app.register_blueprint()"
            )
        for option in ("fallback", "default", "pass_lease"):
            if option in options:
                raise ConfigurationError(f"{option}= goes with a decorated view; protect() guards many")
        gate = LateGate(name, value, unit, **options)
        scope.before_request(functools.partial(_enter, gate))

    def exempt(self, view: V) -> V:
        """Mark a view (function or class) that guards of whole blueprints leave alone."""
        check("view", view, callable(view), "a view: a function or a class")
        setattr(view, _EXEMPT, True)
        return view

    def requires(
        self,
        name: str,
        value: Any = None,
        unit: Any = None,
        *,
        methods: Collection[str] | None = None,
        exempt_when: Callable[[], bool] | None = None,
        on_denied: Callable[[MeterGuardError], Any] | None = None,
        redirect_to: str | None = None,
        **options: Any,
    ) -> Callable[[V], V]:
        """:func:`~meterguard.requires_entitlement` with what only a view can have.

        :param methods: guard only these; None: all but ``OPTIONS``. ``HEAD`` goes with ``GET``.
        :param exempt_when: called in the request; True lets it through.
        :param on_denied: makes the response from the error, on denied and unavailable.
        :param redirect_to: where people are sent who prefer pages; programs get their answer all the same.
        :raises ConfigurationError: an argument is wrong.
        """
        is_list = isinstance(methods, Collection) and not isinstance(methods, str)
        are_methods = methods is None or (is_list and all(isinstance(one, str) for one in methods))
        check("methods", methods, are_methods, "a list of HTTP methods, such as ['POST']")
        for option, function in {"exempt_when": exempt_when, "on_denied": on_denied}.items():
            check(option, function, function is None or callable(function), "a function")
        check("redirect_to", redirect_to, redirect_to is None or isinstance(redirect_to, str), "an address")
        gate = LateGate(name, value, unit, **options)
        guarded_methods = None if methods is None else {method.upper() for method in methods}

        def decorate(view: V) -> V:
            check("view", view, callable(view), "a view: a function")
            # the guard in charge hardly ever changes
            guarded_by = functools.lru_cache(maxsize=1)(lambda asked: asked(view))

            @functools.wraps(view)
            def licensed(*args: Any, **kwargs: Any) -> Any:
                if not _is_guarded(guarded_methods) or (exempt_when is not None and exempt_when()):
                    return current_app.ensure_sync(view)(*args, **kwargs)
                guarded = guarded_by(gate.of(_installed().guard))
                try:
                    return current_app.ensure_sync(guarded)(*args, **kwargs)
                except _ANSWERS as error:
                    if on_denied is not None:
                        return on_denied(error)
                    if redirect_to is not None and prefers_html(request.headers.get("Accept")):
                        return redirect(redirect_to)
                    raise

            return licensed  # type: ignore[return-value]

        return decorate

    # -- asking ----------------------------------------------------------------------------------

    @property
    def guard(self) -> MeterGuard:
        """The guard of the current application."""
        return _installed().guard

    def audit(self, app: Flask | None = None) -> list[str]:
        """The endpoints that are registered without the guard that stands above their route."""
        return audit(registered(app or current_app._get_current_object()), strict=False)  # type: ignore[attr-defined]


def _check_application(app: object) -> None:
    check("app", app, isinstance(app, Flask), "a Flask application")


def _installed() -> Installed:
    installed = current_app.extensions.get("meterguard")
    if installed is None:
        raise ConfigurationError("this application has no FlaskMeterGuard: call FlaskMeterGuard(app) or init_app(app)")
    found: Installed = installed
    return found


current_meterguard: Any = LocalProxy(lambda: _installed().guard)
"""The guard of the current application."""


# -- guards of whole blueprints ----------------------------------------------------------------------


def _enter(gate: LateGate) -> None:
    installed = _installed()
    if request.method == "OPTIONS" or installed.options.is_exempt(request.path) or _view_is_exempt():
        return
    asked = gate.of(installed.guard)
    if asked.is_open():
        return
    held = asked.enter(**(request.view_args or {}))
    if held.hold == "call":
        _carry(held)
    else:
        held.release()


def _carry(held: Held) -> None:
    """A seat for the request: to its last byte where it is streamed, else to its end."""
    held_by = g.setdefault("_meterguard_held", [])
    if not held_by:
        after_this_request(_hand_over)
    held_by.append(held)


def _hand_over(response: Response) -> Response:
    if response.is_streamed:
        for held in g.pop("_meterguard_held", ()):
            response.call_on_close(held.release)
    return response


def _let_go(_error: BaseException | None = None) -> None:
    for held in g.pop("_meterguard_held", ()):
        held.release()


def _is_guarded(methods: set[str] | None) -> bool:
    method = "GET" if request.method == "HEAD" else request.method
    return method != "OPTIONS" if methods is None else method in methods


def _view_is_exempt() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, _EXEMPT, False) or getattr(getattr(view, "view_class", None), _EXEMPT, False)


# -- answers -----------------------------------------------------------------------------------------


def _add_handlers(app: Flask) -> None:
    """Flask keeps one handler for each class of exceptions: a handler of the application's stays."""
    theirs = app.error_handler_spec[None][None]
    for error in (EntitlementDenied, EntitlementUnavailable, ConfigurationError):
        if error not in theirs and MeterGuardError not in theirs:
            app.register_error_handler(error, _answer)
    app.teardown_request(_let_go)


def _answer(error: Exception) -> Response:
    if not isinstance(error, MeterGuardError) or (isinstance(error, ConfigurationError) and current_app.debug):
        raise error
    installed = _installed()
    refusal = installed.refusal(error)
    answer = installed.options.answer(refusal, accept=request.headers.get("Accept"), instance=request.path)
    return Response(answer.body, answer.status, answer.headers)


# -- templates, commands, the first request ----------------------------------------------------------


def _add_to_templates(app: Flask) -> None:
    """``entitled("Seats", 1)`` and ``"Seats" is entitled(1)``, without building the environment too early."""

    def extend(environment: Any) -> Any:
        environment.globals["entitled"] = _entitled
        environment.tests["entitled"] = _entitled
        return environment

    if "jinja_env" in vars(app):
        extend(app.jinja_env)
        return
    create = app.create_jinja_environment
    app.create_jinja_environment = lambda: extend(create())  # type: ignore[method-assign]


def _entitled(name: str, value: Any = None, unit: Any = None) -> bool:
    return _installed().guard.has_entitlement(name, value, unit)


def _commands() -> AppGroup:
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


def _first_request(app: Flask) -> None:
    """Once, when all routes are there. The list is replaced, for Flask is iterating over it."""
    functions = app.before_request_funcs[None]
    app.before_request_funcs[None] = [one for one in functions if getattr(one, "func", None) is not _first_request]
    try:
        audit(registered(app), strict=app.debug)
    except ConfigurationError:
        app.before_request_funcs[None] = functions  # until it is mended
        raise
    _forward_signals(app)


def registered(app: Flask) -> Iterator[tuple[str, Any]]:
    """Endpoints, and what is run for them."""
    _check_application(app)
    for endpoint, view in app.view_functions.items():
        view_class = getattr(view, "view_class", None)
        if view_class is None:
            yield endpoint, view
            continue
        for method in sorted(getattr(view_class, "methods", None) or ()):
            yield f"{endpoint} ({method})", getattr(view_class, method.lower(), None)


def _forward_signals(app: Flask) -> None:
    def forward(event: Event) -> None:
        signal = _SIGNALS.get(type(event))
        if signal is not None:
            signal.send(app, event=event)

    app.extensions["meterguard"].guard.subscribe(forward)


def logged_in_user(*_args: Any, **_kwargs: Any) -> str:
    """For ``per=``: one seat for each user that Flask-Login knows, else for each ``user_id`` of the session.

    :raises ConfigurationError: nobody is logged in. Put the check of the login above the gate.
    """
    if hasattr(current_app, "login_manager"):
        from flask_login import current_user  # type: ignore[import-not-found,unused-ignore]

        identity = current_user.get_id()
    else:
        identity = session.get("user_id")
    if identity is None:
        raise ConfigurationError("nobody is logged in, so there is no user to hold a seat: check the login first")
    return str(identity)
