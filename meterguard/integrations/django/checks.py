"""Checks for ``manage.py check``. They ask nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from ...errors import ConfigurationError
from ...gating.registration import is_bypassed
from ..django_decorators import is_guarded
from ..django_project import SETTING, installed
from .middleware import EntitlementMiddleware
from .routes import registered
from .views import EntitlementRequiredMixin

TAG = "meterguard"
MIDDLEWARE = f"{EntitlementMiddleware.__module__}.{EntitlementMiddleware.__qualname__}"


def settings_are_right(**_: object) -> list[checks.CheckMessage]:
    """Check the settings (E001)."""
    mistake = installed().mistake
    if mistake is None:
        return []
    hint = "Until it is mended every gate raises this, and EntitlementMiddleware lets nobody through."
    return [checks.Error(str(mistake), hint=hint, id="meterguard.E001")]


def guards_are_run(**_: object) -> list[checks.CheckMessage]:
    """Check that no route runs without its guard (E002 in development, W002 in production)."""
    kind, id_ = (checks.Error, "meterguard.E002") if settings.DEBUG else (checks.Warning, "meterguard.W002")
    hint = "Name the guarded view in the URLconf; of two decorators, the one that registers stands above."
    return [
        kind(f"{route!r} is run without the guard that stands around its view.", hint=hint, id=id_)
        for route, view in _routes()
        if is_bypassed(view)
    ]


def refusals_are_answered(**_: object) -> list[checks.CheckMessage]:
    """Check that something answers for refusals (E003 and W001)."""
    if any(map(_is_ours, settings.MIDDLEWARE)):
        return []
    hint = f"Add {MIDDLEWARE!r} to MIDDLEWARE."
    if installed().mistake is None and installed().site is not None:
        text = f"settings.{SETTING} has ENTITLEMENT, but not the middleware that asks for it: the site is not guarded."
        return [checks.Error(text, hint=hint, id="meterguard.E003")]
    if any(_needs_an_answer(view) for _, view in _routes()):
        text = "Views are guarded, but without the middleware a denial is a bare 403, and an outage is a 500."
        return [checks.Warning(text, hint=hint, id="meterguard.W001")]
    return []


def it_can_be_asked(**_: object) -> list[checks.CheckMessage]:
    """Check that License Manager can be asked (W003 and W004)."""
    project = installed()
    if project.mistake is not None:
        return []
    if not project.is_enabled:
        text = f"settings.{SETTING} has ENABLED = False: everything is let through, and nobody is asked."
        return [checks.Warning(text, hint="Leave ENABLED out in production.", id="meterguard.W004")]
    try:
        project.guard.check_settings()
    except ConfigurationError as missing:
        hint = f"In settings.{SETTING} it is the same in upper case."
        return [checks.Warning(str(missing), hint=hint, id="meterguard.W003")]
    return []


def register() -> None:
    """Register the checks, once, when the app is ready."""
    for one in (settings_are_right, guards_are_run, refusals_are_answered):
        checks.register(one, TAG)
    checks.register(it_can_be_asked, TAG, deploy=True)


def _routes() -> Iterator[tuple[str, Any]]:
    return registered() if getattr(settings, "ROOT_URLCONF", None) else iter(())


def _is_ours(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:  # which Django says better
        return False
    return isinstance(found, type) and issubclass(found, EntitlementMiddleware)


def _needs_an_answer(view: Any) -> bool:
    view_class = getattr(view, "view_class", object)
    return is_guarded(view) or issubclass(view_class, EntitlementRequiredMixin)
