"""What Django and its REST framework share: the settings carried out, answers, who is logged in."""

from __future__ import annotations

import copy
import logging
from typing import Any, Never

from ..errors import ConfigurationError, MeterGuardError
from ..extras import needed
from ..guard import MeterGuard, exchange_guard, install_guard
from ._gates import Installed, set_up, settings_in_upper_case
from ._http import Answer, HttpOptions

with needed("django", "django", by="meterguard.integrations.django"):
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse

_log = logging.getLogger("meterguard.integrations")

SETTING = "METERGUARD"


class Misconfigured(MeterGuard):
    """The guard of an application whose settings are wrong: it says so to everybody, and lets nobody through."""

    def __init__(self, mistake: ConfigurationError) -> None:
        super().__init__()
        self._mistake = mistake

    def _ready(self) -> Never:
        raise copy.copy(self._mistake)


# -- settings ----------------------------------------------------------------------------------------

_current: Installed | None = None


def installed() -> Installed:
    """The guard in charge, and how to answer."""
    return apply_settings() if _current is None else _current


def apply_settings() -> Installed:
    """Carry ``settings.METERGUARD`` out, perhaps anew. Asks nobody, starts nothing, and raises nothing.

    A mistake in it is told by ``manage.py check`` and by every gate, and opens none.
    """
    global _current
    if _current is not None and _current.made is not None:
        _retire(_current.made)
    try:
        _current = set_up(None, checked_settings())
    except ConfigurationError as mistake:
        _log.error("%s", mistake)
        refusing = install_guard(Misconfigured(mistake))
        _current = Installed(refusing, HttpOptions(), refusing)
    return _current


def checked_settings() -> dict[str, Any]:
    """``settings.METERGUARD`` as arguments.

    :raises ConfigurationError: it is no dict, or has a setting that there is not.
    """
    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        raise ConfigurationError(f"settings.{SETTING} must be a dict; got a {type(given).__name__}")
    return settings_in_upper_case(given, f"settings.{SETTING}")


def _retire(made: MeterGuard) -> None:
    """The default guard of settings that hold no longer."""
    replaced = exchange_guard(None)
    if replaced is not made:  # the application has configured another one meanwhile
        exchange_guard(replaced)
    made.close()


# -- answers -----------------------------------------------------------------------------------------


def response(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    """What a client gets that ran into this error."""
    here = installed()
    return _told(here.options.answer(here.refusal(error), accept=_accept(request), instance=request.path))


async def aresponse(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    """:func:`response` without blocking the loop."""
    here = installed()
    return _told(here.options.answer(await here.arefusal(error), accept=_accept(request), instance=request.path))


def _accept(request: HttpRequest) -> str | None:
    accept: str | None = request.headers.get("Accept")
    return accept


def _told(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


# -- users -------------------------------------------------------------------------------------------


def logged_in_user(*args: Any, **_kwargs: Any) -> str:
    """For ``per=``: one seat for each user of ``django.contrib.auth``.

    :raises ConfigurationError: nobody is logged in. Put the check of the login above the gate.
    """
    request = next((one for one in map(_request_of, args) if one is not None), None)
    # what an async check of the login has found; the user itself may not be read from the database on a loop
    user = getattr(request, "_acached_user", None) or getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        raise ConfigurationError("nobody is logged in, so there is no user to hold a seat: check the login first")
    return str(user.pk)


def _request_of(argument: Any) -> Any | None:
    """The request among a view's arguments, Django's or that of the REST framework, else the one its class keeps."""
    if hasattr(argument, "META"):
        return argument
    return getattr(argument, "request", None)
