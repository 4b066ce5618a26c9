"""What Django and its REST framework share: the settings carried out, answers, who is logged in."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..default import current_guard, install_guard
from ..errors import ConfigurationError, MeterGuardError
from ..extras import needed
from ..guard import MeterGuard
from ..open_guard import OpenGuard
from ._django_guard import Misconfigured, ProjectGuard
from ._gates import Installed, LateGate, declared, settings_in_upper_case, sorted_out
from ._http import Answer, HttpOptions

with needed("django", "django", by="meterguard.integrations.django"):
    from asgiref.sync import sync_to_async
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import LazyObject, empty
    from django.utils.log import log_response

_log = logging.getLogger("meterguard.integrations")

SETTING = "METERGUARD"


class Project(Installed):
    """What the settings of a Django project come to.

    :param site: what every view needs, if they do.
    :param is_enabled: whether anything is asked for at all.
    :param mistake: what is wrong with the settings, if they are.
    """

    def __init__(
        self,
        guard: MeterGuard | None,
        options: HttpOptions,
        site: LateGate | None,
        *,
        is_enabled: bool = True,
        mistake: ConfigurationError | None = None,
    ) -> None:
        super().__init__(guard, options)
        self.site = site
        self.is_enabled = is_enabled
        self.mistake = mistake


# -- settings ----------------------------------------------------------------------------------------

_guard = ProjectGuard()
_current: Project | None = None


def installed() -> Project:
    """The guard in charge, and how to answer."""
    return apply_settings() if _current is None else _current


def apply_settings() -> Project:
    """Carry ``settings.METERGUARD`` out, perhaps anew. Asks nobody, starts nothing, and raises nothing.

    A mistake in it is told by ``manage.py check`` and by every gate, and opens none.
    """
    global _current
    is_first = _current is None
    try:
        given = checked_settings()
        site = _site_gate(given.pop("entitlement", None), given.pop("entitlement_options", {}))
        is_enabled, arguments, options = sorted_out(given)
        _guard.follow(MeterGuard(**arguments), None if is_enabled else OpenGuard())
    except ConfigurationError as mistake:
        _log.error("%s", mistake)
        _guard.follow(MeterGuard(), Misconfigured(mistake))
        # What the mistake was meant to be nobody knows, perhaps the guard of the whole site; so nothing is let through.
        _current = Project(_guard, HttpOptions(), LateGate("nothing"), mistake=mistake)
        is_in_charge = True
    else:
        _current = Project(None, options, site, is_enabled=is_enabled)
        is_in_charge = bool(arguments) or not is_enabled
    if current_guard() is None or (is_first and is_in_charge):
        install_guard(_guard)
    return _current


def checked_settings() -> dict[str, Any]:
    """``settings.METERGUARD`` as arguments.

    :raises ConfigurationError: it is no dict, or has a setting that there is not.
    """
    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        raise ConfigurationError(f"settings.{SETTING} must be a dict; got a {type(given).__name__}")
    return settings_in_upper_case(given, f"settings.{SETTING}", more=("entitlement", "entitlement_options"))


def _site_gate(entitlement: Any, options: Any) -> LateGate | None:
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


# -- answers -----------------------------------------------------------------------------------------


def response(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    """What a client gets that ran into this error."""
    here = installed()
    told = _told(here.options.answer(here.refusal(error), accept=_accept(request), instance=request.path))
    if isinstance(error, ConfigurationError):
        _log_mistake(request, told, error)
    return told


async def aresponse(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    """:func:`response` without blocking the loop."""
    here = installed()
    told = _told(here.options.answer(here.refusal(error), accept=_accept(request), instance=request.path))
    if isinstance(error, ConfigurationError):
        await sync_to_async(_log_mistake, thread_sensitive=False)(request, told, error)  # it may send mail
    return told


def _log_mistake(request: HttpRequest, told: HttpResponse, error: ConfigurationError) -> None:
    """As Django logs what it answers with 500 itself: to the admins, with the exception."""
    log_response("%s: %s", told.reason_phrase, request.path, response=told, request=request, exception=error)


def _accept(request: HttpRequest) -> str | None:
    accept: str | None = request.META.get("HTTP_ACCEPT")
    return accept


def _told(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


# -- users -------------------------------------------------------------------------------------------


def logged_in_user(*args: Any, **_kwargs: Any) -> str:
    """For ``per=``: one seat for each user of ``django.contrib.auth``.

    :raises ConfigurationError: nobody is logged in. Put the check of the login above the gate.
    """
    request = next((one for one in map(_request_of, args) if one is not None), None)
    user = _user_of(request)
    if user is None or not user.is_authenticated:
        raise ConfigurationError("nobody is logged in, so there is no user to hold a seat: check the login first")
    return str(user.pk)


def _user_of(request: Any) -> Any:
    user = getattr(request, "__dict__", {}).get("user")
    if isinstance(user, LazyObject) and user._wrapped is empty:
        found = getattr(request, "_acached_user", None)  # by await request.auser()
        if found is not None:
            return found
        if _is_on_a_loop():
            raise ConfigurationError(
                "the user is not loaded, and would be read from the database on the event loop: above the gate of an "
                "async view, check the login with @login_required or await request.auser()"
            )
    return getattr(request, "user", None)


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _request_of(argument: Any) -> Any | None:
    """The request among a view's arguments, Django's or that of the REST framework, else the one its class keeps."""
    if hasattr(argument, "META"):
        return argument
    return getattr(argument, "request", None)
