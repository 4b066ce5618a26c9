"""A Django project: its settings carried out, for the app and for the REST framework."""

from __future__ import annotations

import logging
from typing import Any

from ..default import current_guard, install_guard
from ..errors import ConfigurationError
from ..extras import needed
from ..guard import MeterGuard
from ..open_guard import OpenGuard
from .declaration import Declaration, declared
from .django_guard import Misconfigured, ProjectGuard
from .http import HttpOptions
from .installation import Installation
from .settings import in_upper_case, sorted_out

with needed("django", "django", by="meterguard.integrations.django"):
    from django.conf import settings

_log = logging.getLogger("meterguard.integrations")

SETTING = "METERGUARD"


class Project(Installation):
    """The settings of a Django project, carried out.

    :param site: the declaration that stands before every view; None: there is none.
    :param is_enabled: False when nothing is asked for at all.
    :param mistake: the first mistake in the settings; None: they are right.
    """

    def __init__(
        self,
        guard: MeterGuard | None,
        options: HttpOptions,
        site: Declaration | None,
        *,
        is_enabled: bool = True,
        mistake: ConfigurationError | None = None,
    ) -> None:
        super().__init__(guard, options)
        self.site = site
        self.is_enabled = is_enabled
        self.mistake = mistake


_guard = ProjectGuard()
_current: Project | None = None


def installed() -> Project:
    """Return the project as it is set up now."""
    return apply_settings() if _current is None else _current


def apply_settings() -> Project:
    """Carry ``settings.METERGUARD`` out, perhaps anew. Ask nobody, start nothing, and raise nothing.

    A mistake in it is told by ``manage.py check`` and by every gate, and opens none.
    """
    global _current
    is_first = _current is None
    try:
        given = checked_settings()
        site = _site_declaration(given.pop("entitlement", None), given.pop("entitlement_options", {}))
        is_enabled, arguments, options = sorted_out(given)
        told: dict[str, Any] = arguments  # the guard checks them
        _guard.follow(MeterGuard(**told), None if is_enabled else OpenGuard())
    except ConfigurationError as mistake:
        _log.error("%s", mistake)
        _guard.follow(MeterGuard(), Misconfigured(mistake))
        # Nobody knows what the mistake was meant to be, perhaps the guard of the whole site; so nothing is let through.
        _current = Project(_guard, HttpOptions(), Declaration("nothing"), mistake=mistake)
        is_in_charge = True
    else:
        _current = Project(None, options, site, is_enabled=is_enabled)
        is_in_charge = bool(arguments) or not is_enabled
    if current_guard() is None or (is_first and is_in_charge):
        install_guard(_guard)
    return _current


def checked_settings() -> dict[str, object]:
    """Return ``settings.METERGUARD`` as arguments.

    :raises ConfigurationError: it is no dict, or has a setting that there is not.
    """
    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        raise ConfigurationError(f"settings.{SETTING} must be a dict; got a {type(given).__name__}")
    return in_upper_case(given, f"settings.{SETTING}", more=("entitlement", "entitlement_options"))


def _site_declaration(entitlement: object, options: object) -> Declaration | None:
    if entitlement is None:
        if options:
            raise ConfigurationError(f"settings.{SETTING} has ENTITLEMENT_OPTIONS, and no ENTITLEMENT to go with them")
        return None
    return declared(entitlement, options, f"ENTITLEMENT in settings.{SETTING}")


def check_order(cls: type, mixin: type, view: type) -> None:
    """Refuse a class that would be run without its mixin.

    :raises ConfigurationError: the mixin stands to the right of the view.
    """
    order = cls.__mro__
    if view in order and order.index(view) < order.index(mixin):
        raise ConfigurationError(
            f"{cls.__qualname__} has {mixin.__name__} to the right of its view, which would be run without it: "
            f"class {cls.__name__}({mixin.__name__}, ...)"
        )
