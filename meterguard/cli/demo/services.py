"""Services that run as processes of their own, so that they can be killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, cast

ENDLESS = 600.0
"""Seconds that a document takes which is never finished."""


class Service:
    """A program in another process: a document service, or a worker. Close it, whatever has become of it."""

    def __init__(self, program: str, settings: Mapping[str, str], patience: float) -> None:
        """Start it.

        :param program: ``renderer`` or ``worker``.
        :param settings: environment variables for it.
        :param patience: seconds after which it is killed, so that one that hangs does not hang the demonstration.
        """
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and a module of this package
            [sys.executable, "-m", f"{__package__}.{program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | settings,
        )
        self._requests = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        self._watch = threading.Timer(patience, self._process.kill)
        self._watch.name, self._watch.daemon = "demo-service", True
        self._watch.start()
        self.documents = 0
        """The number of documents that it was given."""
        self.pages = 0
        """The number of pages that it has rendered."""

    def wait_until_ready(self) -> None:
        """Wait until it can take documents. Raises ``ChildProcessError`` where it ends before."""
        self._said()

    def render(self, seconds: float = 0.0) -> None:
        """Give it a document, and wait until the pages are rendered. Raises ``ChildProcessError`` where it ends."""
        self._requests.write(f"{seconds}\n")
        self._requests.flush()
        self.documents += 1
        self.pages += int(self._said())

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._process.kill()
        self._process.wait()

    def finish(self) -> int:
        """Let it end, and return its exit code."""
        self._requests.close()
        return self._process.wait()

    def close(self) -> None:
        """End it, where it has not ended yet."""
        self._watch.cancel()
        self._process.kill()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # what it was given last may not have reached it
                pipe.close()
        self._process.wait()

    def _said(self) -> str:
        line = self._answers.readline()
        if not line:
            raise ChildProcessError(f"the program has ended, with code {self._process.wait()}")
        return line
