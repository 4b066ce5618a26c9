"""An installation: the guard of one application, and how that application answers."""

from __future__ import annotations

import contextlib
from typing import Any

from ..default import get_guard, install_guard
from ..errors import ConfigurationError, MeterGuardError
from ..guard import MeterGuard
from ..open_guard import OpenGuard
from .http import HttpOptions
from .refusal import Refusal
from .settings import Settings, sorted_out


class Installation:
    """The guard of one application, and how that application answers.

    :param guard: the guard given; None: the default one, as it is when it is needed.
    """

    def __init__(self, guard: MeterGuard | None, options: HttpOptions) -> None:
        self._given = guard
        self.options = options

    @property
    def guard(self) -> MeterGuard:
        """The guard in charge now."""
        return get_guard() if self._given is None else self._given

    def refusal(self, error: MeterGuardError) -> Refusal:
        """Return what to tell a client that ran into this error."""
        return self.options.refusal(error)


def set_up(guard: MeterGuard | None, settings: Settings) -> Installation:
    """Carry settings out: with the guard given, else with a default guard made of the settings, where they name any.

    :raises ConfigurationError: a setting is wrong.
    """
    is_enabled, arguments, options = sorted_out(settings)
    if not is_enabled:
        guard = install_guard(OpenGuard())
    elif guard is None and arguments:
        given: dict[str, Any] = arguments  # the guard checks them
        install_guard(MeterGuard(**given))
    return Installation(guard, options)


def begin(guard: MeterGuard | None) -> None:
    """Have what dead processes left of a shared store given back from now on; do nothing where leases are not shared.

    It is for processes that serve, after the fork. The first call is told of a set-up that is wrong.

    :param guard: None: the default guard.
    """
    with contextlib.suppress(ConfigurationError):
        serving = get_guard() if guard is None else guard
        if serving.shares_leases:
            serving.prewarm()
