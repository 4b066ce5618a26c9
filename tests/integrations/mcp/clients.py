"""Clients of the servers of :mod:`tests.integrations.sites.mcp_site`, over every transport."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.integrations.serving import Server
from tests.integrations.sites import mcp_site

SITE = "tests.integrations.sites.mcp_site"
IN_MEMORY = ("fastmcp", "sdk")
STDIO = {"fastmcp-stdio": "fastmcp", "sdk-stdio": "sdk"}
HTTP = {"fastmcp-http": "http_app", "sdk-http": "sdk_app"}
EVERYWHERE = (*IN_MEMORY, *STDIO, *HTTP)


class Site:
    """One server, wherever it runs, and what it has logged."""

    def __init__(self, where, guard, env, tmp_path):
        self.where = where
        self._env = env
        self._log = tmp_path / "log.txt"
        self._server = None
        self._is_closed = False
        self._guard = guard
        if where in IN_MEMORY:
            self._server = mcp_site.make(where, guard)
        elif where in HTTP:
            self._server = Server("uvicorn", f"{SITE}:{HTTP[where]}", env=env)

    @asynccontextmanager
    async def connect(self, mode="auto", **options):
        async with Client(self._target(), mode=mode, **options) as client:
            yield client

    def _target(self):
        if self.where in STDIO:
            env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "FASTMCP_SHOW_SERVER_BANNER": "false", **self._env}
            arguments = ["-m", SITE, STDIO[self.where]]
            return StdioTransport(sys.executable, arguments, env=env, keep_alive=False, log_file=self._log)
        if self.where in HTTP:
            return f"{self._server.url}/mcp"
        return self._server

    def log(self, caplog):
        """What was logged."""
        if self.where in IN_MEMORY:
            return caplog.text
        return self._log.read_text() if self.where in STDIO else "".join(self._server.log)

    def close(self):
        if self.where in HTTP and not self._is_closed:
            self._is_closed = True
            self._server.stop()
            self._server.kill()  # which reads its log to the end
        elif self._guard is not None:
            self._guard.close()
