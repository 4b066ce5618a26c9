"""A guard that is switched off, for an application that says so in its own code."""

from __future__ import annotations

from typing import Any

from .core.requirements import Ask
from .gates import Held
from .guard import MeterGuard
from .lease import Lease, LeaseFacts
from .reasons import Reason
from .runtime.engine import Admission
from .runtime.window import Window


class OpenGuard(MeterGuard):
    """Lets everything through and asks nobody: for development and tests without a licence.

    No environment variable can choose it: the author of the application does, with the off switch of an integration.
    """

    def _enter(self, ask: Ask, hot: Window | None, *, probing: bool = False) -> Held:  # noqa: ARG002 - as its parent
        lease = Lease(LeaseFacts(ask.alternatives[0]), lambda: 0.0)
        return Held(_NOTHING, Admission(lease, Reason.DISABLED, 0.0))

    async def _aenter(self, ask: Ask, hot: Window | None, *, probing: bool = False) -> Held:
        return self._enter(ask, hot, probing=probing)

    def __repr__(self) -> str:
        return "<OpenGuard: lets everything through>"


class _NoEngine:
    def release(self, _admission: Admission, *, probing: bool = False) -> None:
        """Nothing is held."""


_NOTHING: Any = _NoEngine()
