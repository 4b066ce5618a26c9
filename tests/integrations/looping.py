"""An event loop that is looked at: whether it serves others while the service is silent."""

from __future__ import annotations

import asyncio
import logging

OTHERS = 20
LONGEST = 5  # seconds that a callback may take; more than a busy machine needs, less than PATIENCE
PATIENCE = 30  # seconds until a guard gives up: on a busy machine serving the others takes more than ten
HTTP = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "root_path": "", "http_version": "1.1"}


async def ask(app, path):
    """The status and the body that an application answers with."""
    status, body = [], []
    inbox = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        await asyncio.sleep(0 if inbox else 3600)
        return inbox.pop()

    async def send(message):
        status.append(message.get("status"))
        body.append(message.get("body", b""))

    await app(HTTP | {"path": path, "raw_path": path.encode()}, receive, send)
    return status[0], b"".join(body)


async def while_silent(work, app, fault):
    """What ``work`` gives, after others were served while the service was silent; whether it was done by then."""
    asyncio.get_running_loop().slow_callback_duration = LONGEST
    task = asyncio.ensure_future(work)
    while not fault.used:  # noqa: ASYNC110 - another thread counts it
        await asyncio.sleep(0.001)
    served = [await ask(app, "/plain") for _ in range(OTHERS)]
    assert served == [(200, b"plain")] * OTHERS
    was_done = task.done()
    fault.release()
    return was_done, await task


def served_meanwhile(caplog, work, app, fault):
    """The same, from outside. Nothing has held the loop up."""
    with caplog.at_level(logging.WARNING, "asyncio"):
        found = asyncio.run(while_silent(work, app, fault), debug=True)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    return found
