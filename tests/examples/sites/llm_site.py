"""The proxy of examples/llm_proxy.py, in front of a model whose every answer is said in the question.

The question is JSON: ``pieces`` texts of ``each`` tokens after a question of ``asks`` tokens; the model ``fails_at`` a
piece, or ``waits_at`` one until nobody listens; ``corrected`` is what it says at last that it used in all.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from meterguard.integrations import starlette

PATIENCE = os.environ.get("PROXY_TIMEOUT")
if PATIENCE:  # more seconds than the example has, for a busy machine
    install = starlette.install
    starlette.install = lambda app, **options: install(app, **options | {"timeout": float(PATIENCE)})

import llm_proxy  # noqa: E402

CALLS = Path(os.environ["MODEL_CALLS"])


def note_call():
    with CALLS.open("a") as calls:
        calls.write(".")


async def scripted(asked):
    script = json.loads(asked["messages"][-1]["content"])
    note_call()
    used = script.get("asks", 0)
    for piece in range(script.get("pieces", 0)):
        if piece == script.get("fails_at"):
            raise OSError("the model burns")
        if piece == script.get("waits_at"):
            await asyncio.Event().wait()
        used += script.get("each", 1)
        yield f"{piece} ", used
        await asyncio.sleep(0)  # so that others have their turn, as with a model that is elsewhere
    if "corrected" in script:
        yield "", script["corrected"]


llm_proxy.model = scripted
app = llm_proxy.app
