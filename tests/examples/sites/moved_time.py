"""An example whose clock a test moves: it is as far ahead as a file says, in all processes and at once.

``EXAMPLE`` is the module of the application, ``AHEAD`` the file. A request to a WSGI application with the header
``Meet`` is answered once as many processes as it says are in such a request.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from types import SimpleNamespace

from meterguard.runtime import clock, report_rounds

AHEAD = Path(os.environ["AHEAD"])
PATIENCE = 30.0  # seconds


def ahead():
    return float(AHEAD.read_text())


clock.time = SimpleNamespace(time=lambda: time.time() + ahead(), monotonic=lambda: time.monotonic() + ahead())
report_rounds.LOOK = 0.05  # so that nobody waits until time is looked at

app = importlib.import_module(os.environ["EXAMPLE"]).app


def wsgi(environ, start_response):
    round_name, _, count = environ.get("HTTP_MEET", "").partition("/")
    if round_name:
        (room := AHEAD.parent / round_name).mkdir(exist_ok=True)
        (room / str(os.getpid())).touch()
        until = time.monotonic() + PATIENCE
        while len(list(room.iterdir())) < int(count) and time.monotonic() < until:
            time.sleep(0.01)
    return app(environ, start_response)
