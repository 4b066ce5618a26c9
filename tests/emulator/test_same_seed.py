"""The same seed and the same sequence give the same transcript, to the byte: ids, tokens, faults and all."""

from __future__ import annotations

import contextlib
import http.client
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from meterguard.emulator.protocol.messages import NOTHING, Reply

from .almost_right import STEPS, Asker, switches

FAULTS = st.sampled_from(
    [
        *({}, {}, {}, {"latency": 0}, {"drop": "before"}, {"drop": "after"}, {"error": "ThrottlingException"}),
        *({"error": "ServerInternalException", "applied": True}, {"status": 503}, {"body": "garbled"}, {"body": "cut"}),
        *(
            {"partial": ["Seats"]},
            {"strip": "LicenseArn"},
            {"skew": -90},
            {"lifetime": 5},
            {"tamper": "none"},
            {"claims": {"nodeId": "other", "issuedAt": None}},
            {"skip": 1, "drop": "after"},
        ),
    ]
)
# A signature has a salt that nobody can choose, in every library that makes one.
SIGNATURE = re.compile(rb"(eyJ[\w-]+\.eyJ[\w-]+)\.[\w-]{342}")


class OverHttp(Asker):
    """The same over a connection."""

    def __enter__(self):
        self.lm.start()
        self.line = http.client.HTTPConnection("127.0.0.1", self.lm.port, timeout=10)
        return self

    def __exit__(self, *_):
        self.line.close()
        self.lm.close()

    def send(self, headers, body):
        sent = {name.decode(): value.decode() for name, value in headers}
        try:
            self.line.request("POST", "/", body, sent)
            answer = self.line.getresponse()
        except ConnectionError:
            self.line.close()
            return NOTHING
        text, length = b"", int(answer.headers["Content-Length"])
        with contextlib.suppress(http.client.IncompleteRead):
            text = answer.read()
        return Reply(answer.status, answer.getheaders(), text, length)


def transcript(asker, steps, faults):
    """All that was asked and answered."""
    lines = []
    for ((operation, parameters), account, region, which, seconds), fault in zip(steps, faults, strict=False):
        asker.lm.clock.advance(seconds)
        if fault:
            asker.lm.faults.add("*", **fault)
        sent = asker.filled(parameters, which)
        reply, _ = asker.ask(operation, account, region, sent)
        lines.append(repr([operation, sent, reply.status, reply.headers, reply.length]).encode())
        lines.append(reply.body)
    return SIGNATURE.sub(rb"\1.", b"\n".join(lines))


SEEDS, MANY_FAULTS = st.integers(0, 2**64), st.lists(FAULTS, min_size=10, max_size=10)


@settings(max_examples=60)
@given(seed=SEEDS, behavior=switches(), steps=STEPS, faults=MANY_FAULTS)
def test_the_same_seed_gives_the_same_transcript(seed, behavior, steps, faults):
    first, second = (transcript(Asker(behavior, seed), steps, faults) for _ in range(2))
    assert first == second


@settings(max_examples=6)
@given(seed=SEEDS, behavior=switches(), steps=STEPS, faults=MANY_FAULTS)
def test_over_http_too(seed, behavior, steps, faults):
    with OverHttp(behavior, seed) as one, OverHttp(behavior, seed) as other:
        assert transcript(one, steps, faults) == transcript(other, steps, faults)


def test_another_seed_gives_another():
    ask = ("ListLicenses", {}), "111122223333", "us-east-1", 0, 0
    first, second, again = (transcript(Asker(None, seed), [ask], [{}]) for seed in (1, 2, 1))
    assert first != second
    assert first == again
