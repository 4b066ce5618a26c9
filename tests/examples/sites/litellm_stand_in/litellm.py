"""A stand-in for LiteLLM: the two functions that the proxy calls, and chunks in the shape that LiteLLM gives them."""

from __future__ import annotations

from types import SimpleNamespace


def token_counter(*, model, text="", messages=()):
    assert model == "stand-in"
    return len(f"{text} {' '.join(one['content'] for one in messages)}".split())


def chunk(text=None, **usage):
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=text))], **usage)


async def acompletion(*, model, messages, max_tokens, stream, stream_options):
    assert (model, stream, stream_options) == ("stand-in", True, {"include_usage": True})

    async def answered():
        for word in messages[-1]["content"].split()[:max_tokens]:
            yield chunk(f"{word} ")
        yield chunk()
        yield SimpleNamespace(choices=[], usage=SimpleNamespace(total_tokens=17))

    return answered()
