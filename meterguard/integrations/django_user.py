"""The user who is logged in to a Django site."""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import ConfigurationError
from ..extras import needed

with needed("django", "django", by="meterguard.integrations.django"):
    from django.utils.functional import LazyObject, empty


def logged_in_user(*args: object, **_kwargs: object) -> str:
    """Return the user of ``django.contrib.auth``, for ``per=``: one seat for each.

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
    """Return an argument that is a request of Django or of the REST framework, else the request that a view keeps."""
    if hasattr(argument, "META"):
        return argument
    return getattr(argument, "request", None)
