"""A licence in the hands of a test, which sets what it grants and what the service does, and sees what was asked.

What belongs here:

1. Tools for the tests of an application, with pytest, unittest or neither. pytest itself is in `pytest_plugin`.
2. A test gets the real things: boto3, a guard, and an emulator of License Manager that answers in the process,
   without a socket. Only AWS is missing, so nothing here pretends to be a part of meterguard.
3. A wrong argument is a `ConfigurationError` that names it.
"""

from __future__ import annotations

from .clock import Clock
from .control import Control
from .endpoint import point_at
from .override import override

__all__ = ("Clock", "Control", "override", "point_at")
