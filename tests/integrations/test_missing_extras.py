"""An integration whose package is not installed says which line installs it."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys

import pytest

import meterguard.integrations
from tests.house.source import ROOT

# module: the package that it needs, the extra that brings it
NEEDS = {
    "celery": ("celery", "celery"),
    "click": ("click", "cli"),
    "django": ("django", "django"),
    "drf": ("rest_framework", "drf"),
    "fastapi": ("fastapi", "fastapi"),
    "flask": ("flask", "flask"),
    "openfeature": ("openfeature", "openfeature"),
    "starlette": ("starlette", "starlette"),
}
NEEDS_NOTHING = {"asgi"}
EVERY_PACKAGE = {package for package, _ in NEEDS.values()} | {
    *("asgiref", "blinker", "drf_spectacular", "jwt", "opentelemetry", "prometheus_client"),
    *("redis", "rich", "uvicorn", "werkzeug"),
}

FOUND = {found.name for found in pkgutil.iter_modules(meterguard.integrations.__path__) if found.name[0] != "_"}

PROGRAM = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = sys.argv[1].split(",")
sys.meta_path.insert(0, Blocked())
import meterguard
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except meterguard.MissingExtra as missing:
        print(missing)
"""


def imported_without(packages, *modules):
    """What importing them says where those packages are not installed."""
    command = [sys.executable, "-c", PROGRAM, ",".join(packages), *modules]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_each_integration_is_looked_at():
    assert NEEDS.keys() & FOUND == FOUND - NEEDS_NOTHING
    assert NEEDS.keys() - {"click"} | NEEDS_NOTHING <= FOUND


@pytest.mark.parametrize("module", sorted(FOUND & NEEDS.keys()))
def test_without_its_package_an_integration_names_the_extra(module):
    package, extra = NEEDS[module]
    for packages in ([package], EVERY_PACKAGE):
        said = imported_without(packages, f"meterguard.integrations.{module}")
        assert f"pip install 'meterguard[{extra}]'" in said


def test_what_needs_no_package_does_without_any():
    modules = ("meterguard.integrations", *(f"meterguard.integrations.{name}" for name in NEEDS_NOTHING))
    assert imported_without(EVERY_PACKAGE, *modules) == ""
