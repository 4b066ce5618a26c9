"""The declaration of flags, and the time for which answers are remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

from ...errors import ConfigurationError
from ...model import Entitlement, shortened
from ..settings import check

Flags = Mapping[str, Entitlement | tuple[object, ...]]
"""Keys of flags, and an entitlement or (name, value, unit) for each."""


def entitlements(flags: Flags | None) -> dict[str, Entitlement] | None:
    """Return the entitlement behind each key; None: each key is the name of a feature.

    :raises ConfigurationError: the declaration is wrong.
    """
    check("flags", flags, flags is None or isinstance(flags, Mapping), "a mapping of keys to entitlements")
    return None if flags is None else {key: _entitlement(key, said) for key, said in flags.items()}


def _entitlement(key: object, said: object) -> Entitlement:
    check("a key of flags", key, isinstance(key, str), "text")
    if isinstance(said, Entitlement):
        return said
    if not isinstance(said, tuple) or not 1 <= len(said) <= 3:
        raise ConfigurationError(f"flags[{key!r}] must be an Entitlement or (name, value, unit); got {shortened(said)}")
    try:
        return Entitlement(*said)
    except ValueError as problem:
        raise ConfigurationError(f"flags[{key!r}]: {problem}") from None


def seconds(recheck: float | timedelta) -> float:
    """Return a duration in seconds.

    :raises ConfigurationError: it is none.
    """
    number: object = recheck.total_seconds() if isinstance(recheck, timedelta) else recheck
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
        raise ConfigurationError(f"recheck must be seconds, at least 0, or a timedelta; got {shortened(recheck)}")
    return float(number)
