"""A licence in the hands of a test: who is entitled to what, what the service does, what was asked.

What belongs here:

1. What tests of an application use, with pytest, unittest or without either. pytest itself is in `pytest_plugin`.
2. All that a test gets is real: boto3, a guard, and an emulator of License Manager that answers in the process,
   without a socket. Only AWS is missing, so nothing here pretends to be a part of meterguard.
3. A wrong word of a test is a `ConfigurationError` that names the argument.
"""

from __future__ import annotations

from .clock import Clock
from .control import Control
from .override import override

__all__ = ("Clock", "Control", "override")
