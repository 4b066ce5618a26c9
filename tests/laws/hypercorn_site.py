"""The guarded application for hypercorn, whose master sends ``SIGTERM`` to workers that still serve or give back."""

from __future__ import annotations

import signal

from tests.laws.guarded_site import asgi

__all__ = ("asgi",)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
