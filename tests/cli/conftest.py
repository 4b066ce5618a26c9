"""What tests of the command line share: the commands as a shell runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "meterguard"]


@pytest.fixture
def shell_environment(environment):
    """Of a shell whose Python finds this source tree, installed or not."""
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}


@pytest.fixture
def run(shell_environment, tmp_path):
    """``run(*arguments, **variables)``: a command that ends by itself."""

    def run_command(*arguments, **variables):
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=tmp_path,
            env=shell_environment | variables,
        )

    return run_command


@pytest.fixture
def python(shell_environment, tmp_path):
    """``python(program)``: a program in a fresh interpreter."""

    def run_program(program, **variables):
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=tmp_path,
            env=shell_environment | variables,
        )

    return run_program


class Serving:
    """A ``meterguard emulator`` that serves."""

    def __init__(self, process):
        self.process = process
        self.first_line = process.stdout.readline()
        self.out = self.err = ""

    @property
    def said(self):
        """What it said in JSON."""
        return json.loads(self.first_line)

    def stop(self, number=signal.SIGTERM):
        """Signal it, wait for its end, and return its exit code. ``out`` and ``err`` then have the rest."""
        self.process.send_signal(number)
        self.out, self.err = self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def serving(shell_environment, tmp_path):
    """``with serving(*arguments) as emulator``: ``meterguard emulator`` on a free port."""

    @contextmanager
    def serve(*arguments):
        process = subprocess.Popen(
            [*COMMAND, "emulator", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=shell_environment,
        )
        try:
            yield Serving(process)
        finally:
            process.kill()
            process.communicate()

    return serve
