"""Real servers on the loopback interface, and a client that is none of the frameworks'."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SERVERS = {
    "gunicorn": ["gunicorn", "--bind", "127.0.0.1:0", "--threads", "4"],
    "gunicorn, 4 workers": ["gunicorn", "--bind", "127.0.0.1:0", "--workers", "4", "--no-control-socket"],
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--port", "0"],
}
LISTENING = re.compile(r"(?:Listening at:|running on) (http://\S+)")


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: str


class Server:
    """One server process. Its log is read to the end, so that it never blocks."""

    def __init__(self, kind, app, *, env, cwd=None, is_factory=True):
        call = {"gunicorn": [f"{app}()"], "uvicorn": ["--factory", app]}[kind] if is_factory else [app]
        command = [sys.executable, "-m", *SERVERS[kind], *call]
        env = {**os.environ, "PYTHONPATH": str(Path.cwd()), **env}
        self._process = subprocess.Popen(
            command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.log = []
        self.url = self._wait_for_url()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _wait_for_url(self):
        for line in self._process.stderr:
            self.log.append(line)
            listening = LISTENING.search(line)
            if listening:
                return listening[1]
        raise AssertionError("the server did not start:\n" + "".join(self.log))

    def _read(self):
        self.log.extend(self._process.stderr)

    def open(self, path, *, method="GET", **headers):
        """A connection that has sent its request, and the response whose body is not read yet."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        connection.request(method, path, headers=headers)
        return connection, connection.getresponse()

    def get(self, path, *, method="GET", **headers):
        connection, response = self.open(path, method=method, **headers)
        try:
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def stop(self):
        """SIGTERM, and wait for the end."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._reader.join(5)
        self._process.stderr.close()
