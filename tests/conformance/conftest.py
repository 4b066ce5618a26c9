"""Capabilities: scenarios of those that are not claimed are skipped, and deviations have to show."""

from __future__ import annotations

import pytest

from tests.conformance.declared import DECLARED, DEVIATIONS, UNDECLARED


def pytest_configure(config):
    for tag in (*DECLARED, *UNDECLARED, *DEVIATIONS):
        config.addinivalue_line("markers", f"{tag}: a capability of an OpenFeature provider.")


def pytest_itemcollected(item):
    for tag in {mark.name for mark in item.iter_markers()}:
        if tag in UNDECLARED:
            item.add_marker(pytest.mark.skip(reason=f"@{tag} is not declared: {UNDECLARED[tag]}"))
        elif tag in DEVIATIONS:
            item.add_marker(pytest.mark.xfail(reason=f"@{tag}: {DEVIATIONS[tag]}", strict=True, raises=AssertionError))


@pytest.fixture
def lm(meterguard_emulator):
    return meterguard_emulator
