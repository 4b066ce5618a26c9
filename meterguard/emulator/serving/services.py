"""The AWS services that answer on the port, by the prefix of their targets.

Another service is another entry here: its model, and a table of its operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..operations.call import Handler
from ..operations.table import (
    ENTITLEMENT_OPERATIONS,
    IDENTITY_OPERATIONS,
    KEY_OPERATIONS,
    METERING_OPERATIONS,
    OPERATIONS,
)
from ..protocol.codec import Codec
from ..protocol.model import ENTITLEMENT, KMS, LICENSE_MANAGER, METERING, STS, Model, Operation
from ..protocol.query import QUERY
from ..protocol.wire import JSON

__all__ = ("SERVICES", "Service", "addressed")


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its names on the wire, its operations and its protocol.

    ``prefix`` stands before the operation in ``X-Amz-Target``, ``signing_name`` in the scope of a signature and before
    the actions of a policy, ``service_id`` in the names of botocore's events.
    """

    prefix: str
    signing_name: str
    service_id: str
    handlers: Mapping[str, Handler]
    model: Model
    codec: Codec = JSON
    no_dry_run: str | None = None
    """The error for a ``DryRun`` of what the caller may not do, if it is not the usual one."""

    @property
    def is_neighbour(self) -> bool:
        """Return whether it is another service than License Manager, which is here for the sake of that one."""
        return self.model is not LICENSE_MANAGER

    def describe(self, name: str) -> Operation | None:
        """Return the description of an operation that is carried out."""
        return self.model.describe(name) if name in self.handlers else None


_MARKETPLACE: Final = "aws-marketplace"
_ALL: Final = (
    Service("AWSLicenseManager", "license-manager", "license-manager", OPERATIONS, LICENSE_MANAGER),
    Service("TrentService", "kms", "kms", KEY_OPERATIONS, KMS),
    Service("AWSSecurityTokenServiceV20110615", "sts", "sts", IDENTITY_OPERATIONS, STS, QUERY),
    Service(
        "AWSMPMeteringService",
        _MARKETPLACE,
        "marketplace-metering",
        METERING_OPERATIONS,
        METERING,
        no_dry_run="UnauthorizedException",
    ),
    Service(
        "AWSMPEntitlementService",
        _MARKETPLACE,
        "marketplace-entitlement-service",
        ENTITLEMENT_OPERATIONS,
        ENTITLEMENT,
    ),
)

SERVICES: Final[Mapping[str, Service]] = {one.prefix: one for one in _ALL}


@lru_cache(maxsize=256)
def addressed(target: str) -> tuple[Service | None, str]:
    """Return the service that a target is of, and the name of the operation.

    An operation of another service, or one that a neighbour does not carry out, is named by all of its target: it is
    none of License Manager's that has the same name.
    """
    prefix, _, operation = target.partition(".")
    service = SERVICES.get(prefix)
    is_named = service is not None and (operation in service.handlers or not service.is_neighbour)
    return service, operation if is_named else target
