"""The AWS services that answer on the port, by the prefix of their targets.

Another service is another entry here: its model, and a table of its operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ..operations.call import Handler
from ..operations.table import OPERATIONS
from ..protocol.model import Operation, describe

__all__ = ("SERVICES", "Service")


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its names on the wire, and its operations.

    ``prefix`` stands before the operation in ``X-Amz-Target``, ``signing_name`` in the scope of a signature.
    """

    prefix: str
    signing_name: str
    handlers: Mapping[str, Handler]
    describe: Callable[[str], Operation]


_ALL: Final = (Service("AWSLicenseManager", "license-manager", OPERATIONS, describe),)

SERVICES: Final[Mapping[str, Service]] = {one.prefix: one for one in _ALL}
