"""The search for guards that never run, because they stand above what registers a view, a task or a command."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..errors import ConfigurationError
from ..gating.registration import is_bypassed

Registered = tuple[str, object]
"""A route, task or command as people know it, and what is run for it."""

_log = logging.getLogger("meterguard.integrations")


def audit(registered: Iterable[Registered], *, strict: bool) -> list[str]:
    """Return the names of what is registered without the guard that stands above the registration.

    :param strict: raise when something was found, as in development; else log it as a warning.
    :raises ConfigurationError: something was found, and ``strict`` is set.
    """
    bypassed = [name for name, function in registered if is_bypassed(function)]
    if bypassed:
        text = (
            f"Registered without the guard that stands above the registration: {', '.join(bypassed)}. "
            "They run unguarded. Put @requires_entitlement(...) below the decorator that registers."
        )
        if strict:
            raise ConfigurationError(text)
        _log.warning("%s", text)
    return bypassed
