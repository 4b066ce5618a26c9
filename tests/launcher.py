"""Servers and workers that start in a tenth of their time: forked from a process that has imported what they need.

They are the programs that ``python -m`` runs, with environment, folder, signals and exit of their own. The process
that they are forked from has one thread and has used nothing of what it imported.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORTED = (
    "boto3",
    "botocore.httpsession",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "django.core.handlers.asgi",
    "django.core.handlers.wsgi",
    "django.template.backends.django",
    "django.test",
    "fastapi",
    "flask",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "kombu.transport.filesystem",
    "meterguard.aws.boto",
    "meterguard.integrations.asgi",
    "uvicorn.lifespan.on",
    "uvicorn.main",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)


_turn = threading.Lock()


class Process:
    """A program that runs, and what it writes."""

    def __init__(self, pid, output):
        self.pid = pid
        self.output = output
        self.is_over = threading.Event()

    def lines(self):
        """What it writes. The last line has been read when it is over, with all its children."""
        yield from self.output
        self.is_over.set()

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds):
        """Wait until another thread has read the last line."""
        assert self.is_over.wait(seconds), "it is still running"

    def kill(self):
        """Kill it with its children. Its number stays its own: it is a zombie for as long as the launcher runs."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # which macOS says of a group of zombies
            os.killpg(self.pid, signal.SIGKILL)


def start(module, *arguments, env, cwd=None):
    """Start ``python -m module *arguments``."""
    request = {"module": module, "arguments": arguments, "env": env, "cwd": str(cwd or Path.cwd())}
    ours, theirs = os.pipe()
    with _turn:
        line = _launcher()
        socket.send_fds(line, [json.dumps(request).encode() + b"\n"], [theirs])
        os.close(theirs)
        pid = int(line.recv(16))
    return Process(pid, os.fdopen(ours, encoding="utf-8", errors="replace"))


@cache
def _launcher():
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.launcher", str(theirs.fileno())]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # of the first program alone
    process = subprocess.Popen(command, cwd=ROOT, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()

    @atexit.register
    def end():
        ours.close()
        process.wait()

    return ours


# -- in the launcher ---------------------------------------------------------------------------------


def _serve(line):
    """Fork for each request. Return only in the child, with what it has to run; without a request, exit."""
    while True:
        text, outputs, *_ = socket.recv_fds(line, 65536, 1)
        if not text:
            sys.exit()
        while not text.endswith(b"\n"):
            text += line.recv(65536)
        pid = os.fork()
        if pid == 0:
            line.close()
            return json.loads(text), *outputs
        os.close(*outputs)
        line.sendall(str(pid).encode())


def _become(program, output):
    os.setsid()
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["env"])
    sys.path[:1] = [program["cwd"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [program["module"], *program["arguments"]]
    runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    _become(*_serve(socket.socket(fileno=int(sys.argv[1]))))
