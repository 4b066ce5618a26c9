"""Lost checkouts: what they may have got goes back, where nobody will take their intents up any more."""

from __future__ import annotations

from ..core.intents import Intent, is_open, is_pending
from ..interruption import must_pass
from ..ports import ServiceFault
from .exchange import Exchange
from .records import Record


def settle(ask: Exchange, record: Record, intent: Intent) -> None:
    """Give back what an unanswered intent may have got: only its token can find out."""
    if intent.acted_since is None or not is_pending(intent, ask.clock.now()):
        return
    try:
        answer = ask.service.check_out(record.requirement, intent.client_token, parting=True)
    except ServiceFault as fault:
        if not is_open(intent, fault.kind):
            record.answered(intent)
        return
    except BaseException as problem:  # a hook of the client's may raise anything
        if must_pass(problem):
            raise
        return
    ask.give_back(record, answer.token, parting=True)
    record.answered(intent)
