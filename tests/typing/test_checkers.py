"""mypy and pyright on files of uses and files of misuses: no error in those, the expected ones in these."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MISUSES = [HERE / name for name in ("misuses.py", "misuses_metering.py")]
FILES = [*(str(HERE / name) for name in ("uses.py", "uses_degrading.py", "uses_metering.py")), *map(str, MISUSES)]

# Each checker reads the whole package, and on a machine without one pyright installs a Node.js first.
pytestmark = pytest.mark.timeout(600)


def checker(*command):
    environ = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def found(diagnostics):
    """File to line to the rules that were broken there."""
    rules = defaultdict(lambda: defaultdict(list))
    for path, line, rule in diagnostics:
        rules[Path(path).resolve()][line].append(rule)
    return {path: {line: sorted(set(broken)) for line, broken in lines.items()} for path, lines in rules.items()}


def expected(name):
    """File to line to rules, from the comments."""
    return {path: _expected(name, path) for path in MISUSES}


def _expected(name, path):
    comments = {
        number: re.findall(rf"# expect\b.*\b{name}\[([^\]]*)\]", line)
        for number, line in enumerate(path.read_text().splitlines(), 1)
    }
    return {number: sorted(rules[0].split(",")) for number, rules in comments.items() if any(rules)}


def test_mypy_finds_nothing_in_the_uses_and_what_is_expected_in_the_misuses(tmp_path):
    options = ["--strict", "--warn-unreachable", "--follow-imports=silent", "--config-file=", f"--cache-dir={tmp_path}"]
    done = checker("mypy", *options, "--output=json", *FILES)
    assert done.returncode == 1, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    errors = found((ROOT / one["file"], one["line"], one["code"]) for one in told if one["severity"] == "error")
    assert errors == expected("mypy")


def test_pyright_finds_nothing_in_the_uses_and_what_is_expected_in_the_misuses():
    done = checker("pyright", "--outputjson", "--pythonpath", sys.executable, *FILES)
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)["generalDiagnostics"]
    errors = found((one["file"], one["range"]["start"]["line"] + 1, one["rule"]) for one in told)
    assert errors == expected("pyright")
