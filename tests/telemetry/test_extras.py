"""Without its package, each system says what to install, and the rest does without."""

from __future__ import annotations

import subprocess
import sys

import pytest

import meterguard

WITHOUT = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
try:
    __import__(sys.argv[2])
except ImportError as missing:
    print(missing)
import meterguard.telemetry.redaction
"""


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("opentelemetry", "opentelemetry", "otel"),
        ("opentelemetry", "opentelemetry.metrics", "otel"),  # where some other part of it is installed
        ("prometheus", "prometheus_client", "prometheus"),
    ],
)
def test_a_package_that_is_missing(module, package, extra):
    module = f"meterguard.telemetry.{module}"
    command = [sys.executable, "-c", WITHOUT, package, module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == str(meterguard.MissingExtra(module, extra))


def test_telemetry_is_imported_by_nobody_but_the_application():
    program = "import sys, meterguard; meterguard.get_guard(); print([n for n in sys.modules if 'telemetry' in n])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "[]", done.stderr
