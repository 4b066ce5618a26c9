"""The extension: what applications call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar, Unpack

from flask import Blueprint, Flask, current_app

from ...errors import ConfigurationError, MeterGuardError
from ...gating.declaration import Value
from ...guard import MeterGuard
from ...units import Unit
from ..audit import audit
from ..declaration import Counted, Declaration, Options
from ..installation import set_up
from ..settings import in_code, in_upper_case
from . import groups
from .answers import add_handlers
from .application import EXTENSION, check_application, installed
from .commands import commands
from .routes import at_first_request, registered
from .signals import forward
from .templates import add_to_templates
from .views import Requirement

V = TypeVar("V", bound=Callable[..., object])

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

    :param app: the application, or None for :meth:`init_app` later. One extension serves any number of applications:
        behind a ``DispatcherMiddleware``, call :meth:`init_app` for each.
    :param guard: the guard to use; None: the default one.
    :param defaults: settings in lower case; they beat those of the application.
    :raises ConfigurationError: an argument is wrong, or a setting is unknown or wrong.
    """

    def __init__(self, app: Flask | None = None, guard: MeterGuard | None = None, **defaults: object) -> None:
        self._defaults = in_code(defaults, "FlaskMeterGuard", guard)
        self._given = guard
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set up an application. Ask nobody and start nothing.

        :raises ConfigurationError: a setting is unknown or wrong, or the application was set up already.
        """
        check_application(app)
        if EXTENSION in app.extensions:
            raise ConfigurationError("this application has a FlaskMeterGuard already")
        found = {name.removeprefix(_PREFIX): value for name, value in app.config.items() if name.startswith(_PREFIX)}
        settings = in_upper_case(found, f"app.config ({_PREFIX}...)") | self._defaults
        app.extensions[EXTENSION] = set_up(self._given, settings)
        add_handlers(app)
        groups.release_at_end(app)
        add_to_templates(app)
        app.cli.add_command(commands())
        at_first_request(app, forward)

    # -- guarding --------------------------------------------------------------------------------

    def protect(
        self,
        scope: Blueprint | Flask,
        name: str | Counted,
        value: Value = None,
        unit: Unit | str | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Guard every view of a blueprint, with the blueprints nested in it, or of an application.

        ``OPTIONS`` is let through, as are views marked with :meth:`exempt` and the paths in ``METERGUARD_EXEMPT``.
        With ``hold="call"`` a seat is held from before the view to the last byte of the response. Callables in
        ``options`` get the view's arguments.

        In the place of a name it takes a draw or a meter: ``protect(pages, consumes_entitlement("Calls", 1))``. It is
        charged unless the answer is an error (400 and above).

        :param options: ``hold``, ``per``, ``wait``, ``on_unknown`` and ``guard`` of
            :func:`~meterguard.requires_entitlement`.
        :raises ConfigurationError: the declaration is wrong, or the blueprint is registered already.
        """
        for option in ("fallback", "default", "pass_lease"):
            if option in options:
                raise ConfigurationError(f"{option}= goes with a decorated view; protect() guards many")
        groups.protect(scope, Declaration(name, value, unit, **options))

    def exempt(self, view: V) -> V:
        """Mark a view (function or class) that guards of whole blueprints leave alone."""
        return groups.exempt(view)

    def requires(
        self,
        name: str | Counted,
        value: Value = None,
        unit: Unit | str | None = None,
        *,
        methods: Collection[str] | None = None,
        exempt_when: Callable[[], bool] | None = None,
        on_denied: Callable[[MeterGuardError], object] | None = None,
        redirect_to: str | None = None,
        **options: Unpack[Options],
    ) -> Callable[[V], V]:
        """Return :func:`~meterguard.requires_entitlement` with what only a view can have.

        In the place of a name it takes a draw or a meter.

        :param methods: guard only these; None: all but ``OPTIONS``. ``HEAD`` goes with ``GET``.
        :param exempt_when: called in the request; True lets it through.
        :param on_denied: makes the response from the error, on denied and unavailable.
        :param redirect_to: where people are sent who prefer pages; programs get their answer all the same.
        :param options: those of :func:`~meterguard.requires_entitlement`.
        :raises ConfigurationError: an argument is wrong.
        """
        declaration = Declaration(name, value, unit, **options)
        return Requirement(declaration, methods, exempt_when, on_denied, redirect_to).decorate

    # -- asking ----------------------------------------------------------------------------------

    @property
    def guard(self) -> MeterGuard:
        """The guard of the current application."""
        return installed().guard

    def audit(self, app: Flask | None = None) -> list[str]:
        """Return the endpoints that are registered without the guard that stands above their route.

        :param app: None: the current application.
        :raises ConfigurationError: ``app`` is something else.
        """
        return audit(registered(app or current_app._get_current_object()), strict=False)  # type: ignore[attr-defined]
