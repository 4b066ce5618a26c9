"""An emulated AWS License Manager: HTTP on the loopback interface, for any client in any language.

What belongs here:

1. Code that stands in for AWS, or that sets this up and looks into it. It is an island and shares no code with the
   client that it tests: of meterguard it imports `ConfigurationError`, and nothing else.
2. The rooms import downwards only: `serving`, then `admin`, `operations` and `faults`, then `state`, then `protocol`.
   `emulator` puts them together.
3. Only botocore's service model says what is on the wire. A rule that the model does not have is in `state`; a choice
   that AWS does not document is a switch in `state.switches`.
4. uvicorn, Starlette, PyJWT and cryptography are optional. Each is imported by one file, which is not imported
   before it is needed.
"""

from __future__ import annotations

from .admin.journal import Request
from .admin.seeds import Seed, SeedError, load_seed
from .emulator import Emulator
from .faults.fault import Fault
from .faults.queue import Faults
from .holdings import IssuedLicense
from .process import serve
from .products import Customer, Product
from .protocol.errors import EmulatorBug, StateError
from .protocol.policies import PolicyError
from .state.clock import Clock
from .state.licenses import Checkout, Entitlement, License
from .state.metering import MeteringRecord
from .state.switches import Behavior

__all__ = (
    "Behavior",
    "Checkout",
    "Clock",
    "Customer",
    "Emulator",
    "EmulatorBug",
    "Entitlement",
    "Fault",
    "Faults",
    "IssuedLicense",
    "License",
    "MeteringRecord",
    "PolicyError",
    "Product",
    "Request",
    "Seed",
    "SeedError",
    "StateError",
    "load_seed",
    "serve",
)
