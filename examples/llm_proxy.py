"""A proxy for a language model that draws tokens from a licence, for each customer.

It reserves an estimate, streams the answer, and charges what was used; no token is passed on that was not drawn before.
Set up as for quickstart.py, but start the emulator with `--seed examples/draws.toml`. Then say who may ask, and name a
ledger that all processes share. Without PROXY_MODEL, the name of a model for LiteLLM, an echo answers.

    export PROXY_KEYS='{"key-of-ana": "ana"}' METERGUARD_LEDGER=sqlite:///tokens.db
    uvicorn --app-dir examples llm_proxy:app
    url=http://127.0.0.1:8000/v1/chat/completions
    curl -N -H "Authorization: Bearer key-of-ana" --json '{"messages": [{"role": "user", "content": "Hello"}]}' $url
    meterguard usage --by entitlement,subject
"""

import json
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from meterguard import Charge, EntitlementDenied, EntitlementUnavailable, consumes_entitlement
from meterguard.integrations import HttpOptions
from meterguard.integrations.starlette import install

CUSTOMERS: dict[str, str] = json.loads(os.environ.get("PROXY_KEYS", "{}"))
Asked = dict[str, Any]
log = logging.getLogger("llm_proxy")


# A model yields texts, each with the number of tokens that were used so far, those of the question included.
async def echo(asked: Asked) -> AsyncIterator[tuple[str, int]]:
    words = str(asked["messages"][-1]).split()
    for number, word in enumerate(words, start=1):
        yield f"{word} ", len(words) + number


async def litellm(asked: Asked) -> AsyncIterator[tuple[str, int]]:
    from litellm import acompletion, token_counter  # only where it is wanted: importing it takes seconds

    name, options = os.environ["PROXY_MODEL"], {"stream": True, "stream_options": {"include_usage": True}}
    used = token_counter(model=name, messages=asked["messages"])
    async for chunk in await acompletion(model=name, **asked, **options):
        text = (chunk.choices[0].delta.content or "") if chunk.choices else ""
        used += token_counter(model=name, text=text) if text else 0
        usage = getattr(chunk, "usage", None)  # comes last: what the provider's bill will say
        yield text, usage.total_tokens if usage else used


model = litellm if os.environ.get("PROXY_MODEL") else echo


class Answer(StreamingResponse):
    """The model's answer, as server-sent events. However it ends, what was used is charged."""

    def __init__(self, asked: Asked, charge: Charge) -> None:
        super().__init__(self.events(asked), media_type="text/event-stream")
        self.charge, self.used = charge, 0

    async def events(self, asked: Asked) -> AsyncIterator[str]:
        try:
            async for text, used in model(asked):
                if used > self.charge.reserved:  # the answer is longer than the estimate
                    await self.charge.aextend(used - self.charge.reserved)
                self.used = used
                yield event({"choices": [{"index": 0, "delta": {"content": text}}]})
            yield event({"choices": [], "usage": {"total_tokens": self.used}})
            yield "data: [DONE]\n\n"
        except (EntitlementDenied, EntitlementUnavailable) as error:  # in words as before the stream
            yield event({"error": HttpOptions().refusal(error).problem("/v1/chat/completions")})
        except Exception:
            log.exception("the model failed")
            yield event({"error": {"title": "The model failed", "status": 502}})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # also when the client has left, be it before the first event
            self.charge.settle(self.used)  # waits for nobody: it is no more than was reserved


def event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


# A rule of thumb. One that is too low costs a question in mid-stream, and not a token.
def estimate(_customer: str, asked: Asked) -> int:
    return len(json.dumps(asked["messages"])) // 4 + int(asked["max_tokens"])


tokens = consumes_entitlement("Tokens", estimate, block=10_000, subject=lambda customer, _: customer)


async def completions(request: Request) -> Response:
    customer = CUSTOMERS.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if customer is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    try:
        match {"max_tokens": 500} | await request.json():
            case {"messages": [_, *_] as messages, "max_tokens": int(most)} if 0 < most <= 10_000:
                asked = {"messages": messages, "max_tokens": most}
                entered = await tokens.aenter(customer, asked)  # raises where there are none, and the model rests
                return await entered.ahand_over(Answer(asked, entered.passed))
    except (TypeError, ValueError):
        pass  # no JSON, or no object
    raise HTTPException(400, "messages and max_tokens, please")


app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
# Two seconds for License Manager to answer; while it does not, all customers together have so many tokens on credit.
install(app, timeout=2, overdraft={"Tokens": 2_000})
