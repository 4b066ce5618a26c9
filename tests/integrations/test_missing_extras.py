"""Where the package of an integration is not installed, its module says which extra to install, and all else works.

Packages are hidden from a process of its own, so this is the same on a machine that has none of them.
"""

from __future__ import annotations

import subprocess
import sys
from pkgutil import iter_modules
from typing import NamedTuple

import pytest

from meterguard import integrations
from tests.house.test_directions import SHARED


class Needs(NamedTuple):
    """What a module imports, and the extra that brings it."""

    package: str
    extra: str


# A new integration gets a row; None: it needs nothing.
NEEDS = {
    "asgi": None,
    "celery": Needs("celery", "celery"),
    "click": None,
    "django": Needs("django", "django"),
    "drf": Needs("rest_framework", "drf"),
    "fastapi": Needs("fastapi", "fastapi"),
    "flask": Needs("flask", "flask"),
    "mcp": Needs("mcp", "mcp"),
    "openfeature": Needs("openfeature", "openfeature"),
    "starlette": Needs("starlette", "starlette"),
}
# What extras bring besides: none of it is there where no extra is installed.
MORE = (
    *("asgiref", "blinker", "click", "cryptography", "drf_spectacular", "flask_login", "jwt", "kombu", "opentelemetry"),
    *("prometheus_client", "pydantic", "redis", "rich", "typer", "uvicorn", "werkzeug"),
)
OPTIONAL = sorted({needs.package for needs in NEEDS.values() if needs} | set(MORE))
FOUND = sorted(name for _, name, _ in iter_modules(integrations.__path__) if name not in SHARED)
REST = sorted(name for name in FOUND if NEEDS.get(name))

WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Without())
import meterguard
{program}
"""
MISSING = """
try:
    import meterguard.integrations.{module}
except meterguard.MissingExtra as missing:
    assert missing.__cause__ is None and missing.__suppress_context__, "the import error is shown as well"
    print(missing.extra, missing, sep="\\n")
"""


def run_without(hidden, program):
    """What a program says that cannot import these packages."""
    code = WITHOUT.format(hidden=tuple(hidden), program=program)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_integration_is_in_the_table():
    assert set(FOUND) - NEEDS.keys() == set()


@pytest.mark.parametrize("everything", [False, True], ids=["without its package", "without any"])
@pytest.mark.parametrize("module", REST)
def test_the_extra_is_named(module, everything):
    package, extra = NEEDS[module]
    said = run_without(OPTIONAL if everything else [package], MISSING.format(module=module))
    assert said == [
        extra,
        f"meterguard.integrations.{module} needs a package that is not installed: pip install 'meterguard[{extra}]'",
    ]


@pytest.mark.parametrize("module", ["", ".integrations", ".integrations.asgi"])
def test_what_needs_no_extra_works_without_any(module):
    program = f"import meterguard{module} as it\nprint(*(name for name in it.__all__ if not hasattr(it, name)))"
    assert run_without(OPTIONAL, program) == [""]


def test_what_is_missing_inside_a_package_is_not_explained_away():
    """A framework that is installed, and broken: an extra would not mend it."""
    program = """
try:
    import meterguard.integrations.flask
except meterguard.MissingExtra as missing:
    print("wrongly", missing)
except ModuleNotFoundError as missing:
    print(missing.name)
"""
    pytest.importorskip("flask")
    assert run_without(["werkzeug"], program) == ["werkzeug"]
