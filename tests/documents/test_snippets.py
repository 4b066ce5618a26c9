"""Every Python snippet in README, docs and docstrings runs, page by page, from top to bottom.

A page finds what its reader has: a licence for the product ACME-1 with 3 Seats and the feature Export (and with 100
Pages where the page names them), and
the environment variables that say where it is. ``lm``, the emulator, is there by name. What a snippet prints
stands below it in a ``text`` block. From a fixture or test on, a page's snippets are a test file. A snippet that cannot
run says so: ``% skip: next`` before it. A page that sets up what a process has once says ``% own process``.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys

import pytest

from tests.documents.pages import blocks, documents, play
from tests.house.source import ROOT


@pytest.fixture
def reader(lm, monkeypatch, tmp_path, page):
    monkeypatch.chdir(tmp_path)  # where what a snippet writes belongs
    drawn = [("Pages", 100, "Count")] if '"Pages"' in page.read_text("utf-8") else []
    lines = [("Seats", 3, "Count"), *drawn, ("Export", None, "None")]
    licence = lm.add_license("ACME-1", entitlements=lines, ttl=3600)
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    return lm


@pytest.mark.parametrize("page", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in documents()])
def test_a_page_runs(page, reader, tmp_path):
    if "% own process" not in page.read_text("utf-8").splitlines():
        play(str(page), tmp_path, {"lm": reader})
        return
    program = "import sys; from tests.documents.pages import play; play(sys.argv[1], sys.argv[2], {})"
    command = [sys.executable, "-W", "error", "-c", program, page, tmp_path]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_example_of_the_readme_is_a_program(tmp_path):
    """It needs no set-up at all, ends by itself, and prints what stands below it."""
    program, shown = (
        next(one.text for one in blocks(kind) if one.place == "README.md:1") for kind in ("python", "text")
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "METERGUARD_"))}
    bare.pop("NO_PROXY", None), bare.pop("no_proxy", None)
    command = [sys.executable, "-W", "error", "-c", program]
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        bare["HTTP_PROXY"] = bare["http_proxy"] = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60, check=False)
        assert (done.stdout, done.stderr, done.returncode) == (shown, "", 0)
        assert select.select([proxy], [], [], 0)[0] == []  # nobody knocked
