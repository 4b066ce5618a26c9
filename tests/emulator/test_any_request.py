"""Requests that are almost right, one after the other, under any switches: each is answered as the protocol says."""

from __future__ import annotations

from hypothesis import event, given, settings

from .almost_right import STEPS, Asker, switches


@settings(max_examples=100)
@given(behavior=switches(), steps=STEPS)
def test_what_is_almost_right_is_answered_too(behavior, steps):
    asker = Asker(behavior)
    for (operation, parameters), account, region, which, seconds in steps:
        asker.lm.clock.advance(seconds)
        reply, said = asker.ask(operation, account, region, asker.filled(parameters, which))
        event(f"{operation} {said.get('__type', 'succeeds')}")
        assert not asker.lm._dispatcher.bugs, asker.lm._dispatcher.bugs
        is_refusal = reply.status in (400, 401, 403, 409, 308) and said.keys() >= {"__type", "Message"}
        assert reply.status == 200 or is_refusal, said
