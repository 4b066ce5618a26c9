"""Law 4 under a real prefork server: SIGTERM leaves no lease live at the service."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

APP = """
import meterguard

@meterguard.requires_entitlement("Seats", 1, "Count")
def export():
    return b"exported"

if {early}:
    export()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [export()]
"""


@pytest.fixture
def gunicorn(lm, licence, tmp_path):
    """``gunicorn(*options)``: a server of the guarded application, its port known."""
    started = []

    def start(*options, early=False):
        (tmp_path / "guarded_app.py").write_text(APP.format(early=early))
        env = dict(
            os.environ,
            AWS_ENDPOINT_URL_LICENSE_MANAGER=lm.url,
            METERGUARD_PRODUCT_SKU=licence.product_sku,
            METERGUARD_KEY_FINGERPRINT=licence.key_fingerprint,
        )
        command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", *options]
        process = subprocess.Popen(
            [*command, "guarded_app:app"], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        for line in process.stderr:
            listening = re.search(r"Listening at: (http://\S+)", line)
            if listening:
                return process, listening[1]
        raise AssertionError("gunicorn did not start")

    yield start
    for process in started:
        process.kill()
        process.stderr.close()
        process.wait()


def visit(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


@pytest.mark.parametrize("options", [(), ("--threads", "4"), ("--preload",)], ids=["sync", "threads", "preload"])
def test_sigterm_gives_everything_back(lm, gunicorn, options):
    process, url = gunicorn(*options)
    assert {visit(url) for _ in range(8)} == {b"exported"}
    assert 1 <= lm.usage("ACME-1")["Seats"] <= 2, "a seat for each worker that was asked"
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_workers_do_not_use_what_was_checked_out_before_the_fork(lm, gunicorn):
    process, url = gunicorn("--preload", early=True)
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert visit(url) == b"exported"
    assert lm.usage("ACME-1") == {"Seats": 2}, "one of the master, one of the worker"
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert lm.usage("ACME-1") == {"Seats": 0}
