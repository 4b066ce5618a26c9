"""The AWS room on its own: with the emulator, and with a server that answers any bytes it is told to."""

from __future__ import annotations

import socketserver
import threading

import pytest

from meterguard.aws.service import LicenseManager


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", [("Seats", 3, "Count"), ("Export", None, "None")], ttl=3600)


@pytest.fixture
def make_service():
    """``make_service(**options)``: a LicenseManager for some product."""

    def make(**options):
        settings = {"product_sku": "ACME-1", "key_fingerprint": "aws:444455556666:Acme:issuer-fingerprint"}
        return LicenseManager(**{**settings, "timeout": 5, **options})

    return make


@pytest.fixture
def service(lm, licence, make_service):
    """The service as the emulator plays it."""
    return make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url)


class Stranger(socketserver.ThreadingTCPServer):
    """Reads one HTTP request per connection, and answers with ``reply``; None: hangs up, "silence": waits."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.reply = b""
        self.requests = []
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, body, status="200 OK", *headers):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
        self.reply = "\r\n".join(lines).encode() + body


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.server.requests.append(self.rfile.read(length))
        if self.server.reply == "silence":
            self.server.over.wait(30)
        elif self.server.reply is not None:
            self.wfile.write(self.server.reply)


@pytest.fixture
def stranger():
    with Stranger() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
