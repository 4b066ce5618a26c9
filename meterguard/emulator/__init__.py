"""An emulated AWS License Manager: HTTP on the loopback interface, for any client in any language.

What belongs here:

1. Only what pretends to be the service, or sets it up and looks into it. It is an island: nothing here
   imports anything of meterguard outside this package, and it shares no code with the client that it tests.
2. Its only knowledge of the wire is botocore's service model. Rules of the service that the model does not
   have are in `pools` (pure: time and ids come in as arguments); what AWS does not document is a switch in
   `behavior`.
3. Sockets, threads and event loops are in `server` and what it imports; `carriage` (uvicorn) and `endpoint`
   (Starlette) are the two files that need the optional packages. Nothing imports them before a start.
4. State is in `tables`, whose rows never change; SQLite and its file are in `statefile`. What the tables hold
   is in no other place, and what follows from them is worked out again when they are read back.
"""

from __future__ import annotations

from .admin.journal import Request
from .admin.seeds import Seed, SeedError, load_seed
from .facade import Emulator
from .faults.fault import Fault
from .faults.queue import Faults
from .foreground import serve
from .protocol.errors import EmulatorBug, StateError
from .protocol.policies import PolicyError
from .state.behavior import Behavior
from .state.clock import Clock
from .state.licenses import Checkout, Entitlement, License

__all__ = (
    "Behavior",
    "Checkout",
    "Clock",
    "Emulator",
    "EmulatorBug",
    "Entitlement",
    "Fault",
    "Faults",
    "License",
    "PolicyError",
    "Request",
    "Seed",
    "SeedError",
    "StateError",
    "load_seed",
    "serve",
)
