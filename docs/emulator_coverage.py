"""Writes reference/emulator-coverage.md: what the emulator carries out, as its own table of operations says.

``python docs/emulator_coverage.py`` after an operation was added; a test sees to it that nobody forgets.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from meterguard.emulator.operations.table import (
    ENTITLEMENT_OPERATIONS,
    IDENTITY_OPERATIONS,
    KEY_OPERATIONS,
    METERING_OPERATIONS,
    OPERATIONS,
)

PAGE = Path(__file__).parent / "reference" / "emulator-coverage.md"

GROUPS = {
    "Consumption": ("checkouts", "borrows"),
    "Reading": ("license_queries",),
    "Issuing": ("licenses",),
    "Grants": ("grants", "grant_queries"),
    "Tokens": ("tokens",),
    "Tags": ("tags",),
    "Keys, of KMS": ("keys",),
    "Identities, of STS": ("identities",),
    "Metering, of AWS Marketplace": ("metering", "registration"),
    "Entitlements, of AWS Marketplace": ("entitlements",),
}
CARRIED_OUT = OPERATIONS | KEY_OPERATIONS | IDENTITY_OPERATIONS | METERING_OPERATIONS | ENTITLEMENT_OPERATIONS

HEAD = """\
# What the emulator covers

Every operation for managed entitlements that the service has. All others, such as those for licence configurations,
are answered with `UnknownOperationException`, never with a made-up success. Where AWS documents nothing,
[a switch](emulator.md) says what is done. Of its neighbours KMS and STS the emulator has what licences need: the keys
that sign tokens, and credentials for customers without an AWS account. Of AWS Marketplace it has all operations for
metering and for entitlements.
"""


def render() -> str:
    """The page."""
    return "\n".join([HEAD, *(_table(title, modules) for title, modules in GROUPS.items())])


def _table(title: str, modules: tuple[str, ...]) -> str:
    rows = [
        f"| `{name}` | {(inspect.getdoc(handler) or '').splitlines()[0]} |"
        for name, handler in CARRIED_OUT.items()
        if handler.__module__.rpartition(".")[2] in modules
    ]
    return "\n".join([f"## {title}", "", "| operation | what it does |", "| --- | --- |", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
