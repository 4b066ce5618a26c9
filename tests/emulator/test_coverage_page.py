"""The page that says what the emulator covers, and the operations that it promises."""

from __future__ import annotations

import runpy

from meterguard.emulator.operations.table import (
    ENTITLEMENT_OPERATIONS,
    IDENTITY_OPERATIONS,
    KEY_OPERATIONS,
    METERING_OPERATIONS,
    OPERATIONS,
)
from meterguard.emulator.protocol.model import LICENSE_MANAGER
from tests.house.source import ROOT

SELF_MANAGED = ("Configuration", "ReportGenerator", "ResourceInventory", "ServiceSettings", "Conversion", "Asset")
OF_RESOURCES = {
    *("ListAssociationsForLicenseConfiguration", "ListFailuresForLicenseConfigurationOperations"),
    *("ListLicenseSpecificationsForResource", "UpdateLicenseSpecificationsForResource"),
}


def test_the_page_is_current():
    """``python docs/emulator_coverage.py`` writes it."""
    script = runpy.run_path(str(ROOT / "docs" / "emulator_coverage.py"))
    assert script["PAGE"].read_text("utf-8") == script["render"]()
    neighbours = {**KEY_OPERATIONS, **IDENTITY_OPERATIONS, **METERING_OPERATIONS, **ENTITLEMENT_OPERATIONS}
    assert all(f"| `{name}` |" in script["render"]() for name in (*OPERATIONS, *neighbours))


def test_all_operations_for_managed_entitlements_are_covered():
    rest = {
        name
        for name in LICENSE_MANAGER.operations - OPERATIONS.keys()
        if not any(word in name for word in SELF_MANAGED)
    }
    assert rest <= OF_RESOURCES
    assert len(OPERATIONS) == 29
