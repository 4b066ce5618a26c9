"""A guarded application for any server, as ``wsgi`` and as ``asgi``: it answers with the id of its process.

All of it is guarded. ``/seen/NAME`` leaves a file that says which process took the request. ``/meet/ROUND/COUNT``
waits a moment for as many processes to be in it, so that another one takes the next request. ``/stay/NAME`` is
answered once the test says so.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import meterguard
from meterguard.integrations.asgi import with_lifespan

FOLDER = Path(os.environ["SITE_FOLDER"])
PATIENCE = {"meet": 0.3, "stay": 40.0}  # seconds


def _is_done(path: str, since: float) -> bool:
    kind, *names = path.strip("/").split("/")
    if time.monotonic() > since + PATIENCE.get(kind, 0.0):
        return True
    if kind == "meet":
        return len(list((FOLDER / names[0]).iterdir())) >= int(names[1])
    return kind != "stay" or (FOLDER / f"{names[0]}.end").exists()


def note(path: str) -> None:
    """Tell the test that a request has come."""
    kind, *names = path.strip("/").split("/")
    if kind == "seen":
        (FOLDER / "seen" / f"{names[0]}.{os.getpid()}").touch()
    elif kind == "meet":
        (FOLDER / names[0] / f"{os.getpid()}").touch()
    elif kind == "stay":
        (FOLDER / f"{names[0]}.began").touch()


meterguard.configure(timeout=40)  # a machine that does something else as well is no failure
seat = meterguard.requires_entitlement("Seats", 1, "Count")


@seat
def export(path: str) -> bytes:
    """Work, for as long as the path says."""
    note(path)
    since = time.monotonic()
    while not _is_done(path, since):
        time.sleep(0.02)
    return f"{os.getpid()}".encode()


@seat
async def aexport(path: str) -> bytes:
    """Work, as ``export`` does."""
    note(path)
    since = time.monotonic()
    while not _is_done(path, since):  # noqa: ASYNC110 - another process ends it
        await asyncio.sleep(0.02)
    return f"{os.getpid()}".encode()


if os.environ.get("SITE_IS_EARLY"):  # a call before the fork
    export("/early")


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/seen/"):
        note(path)
    body = export(path)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def _plain(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("serves nothing else")
    if scope["path"].startswith("/seen/"):
        note(scope["path"])
    body = await aexport(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


asgi = with_lifespan(_plain)
