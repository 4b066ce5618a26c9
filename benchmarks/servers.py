"""The emulator and moto's server, each in a process of its own, and many requests that no client slows down."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import fresh

CONNECTIONS = 8
SKU, FINGERPRINT = "BENCH", "aws:444455556666:Bench:issuer-fingerprint"
ENTITLEMENTS = [["Seats", 100_000_000, "Count"]]
EMULATOR = f"""
import sys
from meterguard.emulator import serve
from meterguard.emulator.admin.seeds import read_seed
seats = {{"product_sku": {SKU!r}, "issuer_name": "Bench", "entitlements": {ENTITLEMENTS!r}}}
serve(int(sys.argv[1]), seed=read_seed({{"licenses": [seats]}}))
"""
SERVERS = {"emulator": ["-c", EMULATOR], "moto": ["-m", "moto.server", "-H", "127.0.0.1", "-p"]}
HEAD = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-amz-json-1.1\r\n"
    "X-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=testing/20300101/us-east-1/{service}/"
    "aws4_request, SignedHeaders=host, Signature=0\r\nContent-Length: {length}\r\n\r\n{body}"
)
_numbers = itertools.count()


# -- servers -----------------------------------------------------------------------------------------


@contextmanager
def served(kind: str) -> Iterator[tuple[int, float]]:
    """Run a server in a process of its own. Yield its port, and the seconds until it answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *SERVERS[kind], str(port)],
        env=fresh.environment(),
        cwd=fresh.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield port, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                if connection.recv(1):
                    return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("the server ended")


# -- requests without a client -----------------------------------------------------------------------


def checkout(port: int) -> bytes:
    """Return a request that takes one seat."""
    asked = {
        "ProductSKU": SKU,
        "KeyFingerprint": FINGERPRINT,
        "CheckoutType": "PROVISIONAL",
        "Entitlements": [{"Name": "Seats", "Value": "1", "Unit": "Count"}],
        "ClientToken": f"{next(_numbers):032d}",
    }
    return _request(port, "license-manager", "AWSLicenseManager.CheckoutLicense", asked)


def parameter(port: int) -> bytes:
    """Return a request for one parameter."""
    return _request(port, "ssm", "AmazonSSM.GetParameter", {"Name": "seats"})


REQUESTS: dict[str, Callable[[int], bytes]] = {"emulator": checkout, "moto": parameter}


def _request(port: int, service: str, target: str, asked: dict[str, Any]) -> bytes:
    body = json.dumps(asked)
    return HEAD.format(port=port, service=service, target=target, length=len(body), body=body).encode()


def hammer(kind: str, port: int, seconds: float) -> list[float]:
    """Send requests over some connections, one after the other on each. Return the seconds that each took."""
    until = time.perf_counter() + seconds
    waits: list[list[float]] = [[] for _ in range(CONNECTIONS)]

    def ask(took: list[float]) -> None:
        stays = False
        while (began := time.perf_counter()) < until:
            if not stays:
                connection = socket.create_connection(("127.0.0.1", port), 20)
            connection.sendall(REQUESTS[kind](port))
            stays = _read_ok(connection)
            took.append(time.perf_counter() - began)
            if not stays:
                connection.close()
        if stays:
            connection.close()

    threads = [threading.Thread(target=ask, args=(took,)) for took in waits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for took in waits for one in took]


def _read_ok(connection: socket.socket) -> bool:
    """Read the whole answer. Return True when the connection may be used again."""
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _received(connection)
    head = answer[:end].lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"not the answer that was asked for: {answer[:200]!r}")
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(answer) < end + 4 + length:
        answer += _received(connection)
    return b"\r\nconnection: close" not in head


def _received(connection: socket.socket) -> bytes:
    some = connection.recv(65536)
    if not some:
        raise RuntimeError("the server closed the connection")
    return some
