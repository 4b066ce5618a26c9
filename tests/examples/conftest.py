"""What tests of the examples share: the licence their readers have, and programs run as readers run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.house.source import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def licence(lm, monkeypatch):
    """The licence of the documentation, and the variables that lead to it."""
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")], ttl=3600)
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return licence


@pytest.fixture
def run(licence, tmp_path):
    """``run(*arguments)``: Python with these arguments, far from the source tree."""

    def run_program(*arguments):
        return subprocess.run(
            [sys.executable, "-W", "error", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=tmp_path,
        )

    return run_program


@pytest.fixture
def serve(licence, tmp_path):
    """``with serve(*arguments) as url``: a server in a process of its own; at the end it gets Ctrl-C."""

    @contextmanager
    def serving(*arguments):
        command = [sys.executable, "-u", *map(str, arguments)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, env=os.environ.copy()
        )
        try:
            yield _url_in(process.stdout)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        finally:
            process.kill()
            process.communicate()

    return serving


def _url_in(lines):
    said = []
    for line in lines:
        said.append(line)
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found:
            return found[0]
    raise AssertionError("the server ended: " + "".join(said))


@pytest.fixture
def asked(lm):
    """``asked()``: what the service was asked, in words, with the status of a refusal."""

    def in_words():
        return [_words(request) for request in lm.requests]

    return in_words


def _words(request):
    items = request.parameters.get("Entitlements", [])
    wanted = ", ".join(" ".join(item[key] for key in ("Name", "Value") if key in item) for item in items)
    refused = "" if request.status == 200 else f"{request.status}"
    return " ".join(filter(None, [request.operation, wanted, refused]))


@pytest.fixture
def nothing_left(lm, licence):
    """``nothing_left()``: whether every lease is back."""
    return lambda: lm.checkouts() == [] and lm.usage(licence) == {"Seats": 0}
