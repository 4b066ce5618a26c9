"""Outages: when something outside cannot be had."""

from __future__ import annotations

from .loop import Loop


class Outage:
    """The outages of one thing: for a while from now, or from when it is asked next."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._until = 0.0
        self._armed = 0.0
        self.begun: float | None = None
        """When the last one began."""

    def begin(self, seconds: float) -> None:
        """Begin one now."""
        self.begun, self._until, self._armed = self._loop.now, self._loop.now + seconds, 0.0

    def arm(self, seconds: float) -> None:
        """Begin one at the next request, which is the worst moment."""
        self.begun, self._armed = None, seconds

    @property
    def is_armed(self) -> bool:
        """True while one is to begin at the next request."""
        return self._armed > 0

    def strikes(self, *, is_trigger: bool = True) -> bool:
        """Tell whether a request fails now.

        :param is_trigger: False for a request that begins no outage.
        """
        if self._armed and is_trigger:
            self.begin(self._armed)
        return self._loop.now < self._until
