"""Every error that the service may answer to an operation we use means something to us."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from meterguard.aws.marketplace_entitlements import CONTRACT_OPERATIONS
from meterguard.aws.service import BORROW_OPERATIONS, GATE_OPERATIONS, USAGE_OPERATIONS

OPERATIONS = {
    "license-manager": [*GATE_OPERATIONS, *USAGE_OPERATIONS, *BORROW_OPERATIONS],
    "marketplace-entitlement": [*CONTRACT_OPERATIONS],
}


def declared_errors():
    for service, operations in OPERATIONS.items():
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        for operation in operations:
            for shape in model.operation_model(operation).error_shapes:
                yield pytest.param(shape.error_code, id=f"{operation}-{shape.error_code}")


def metering_errors():
    """Errors of the operations that report, which have a table of their own."""
    model = ServiceModel(Loader().load_service_model("meteringmarketplace", "service-2"), "meteringmarketplace")
    return {
        one.error_code for name in ("MeterUsage", "BatchMeterUsage") for one in model.operation_model(name).error_shapes
    }


@pytest.mark.parametrize("code", sorted(metering_errors()))
def test_a_declared_error_of_metering_is_mapped(code):
    from meterguard.aws.error_codes import KINDS
    from meterguard.aws.metering import ANSWERS

    assert (code in ANSWERS) is not (code in KINDS)


def test_a_declared_status_of_a_record_is_mapped():
    from meterguard.aws.metering import STATUSES

    model = ServiceModel(Loader().load_service_model("meteringmarketplace", "service-2"), "meteringmarketplace")
    assert set(STATUSES) == set(model.shape_for("UsageRecordResultStatus").enum)


@pytest.mark.parametrize("code", list(declared_errors()))
def test_a_declared_error_is_mapped(code):
    from meterguard.aws.error_codes import KINDS
    from meterguard.ports import FaultKind

    assert isinstance(KINDS[code], FaultKind)
