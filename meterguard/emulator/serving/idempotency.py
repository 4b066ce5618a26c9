"""Client tokens: a request that repeats an answered one gets the first answer again."""

from __future__ import annotations

from ..admin.journal import Request
from ..protocol.messages import Answer
from ..state.replays import Replays

__all__ = ("Idempotency",)


class Idempotency:
    """The answers that may be asked for again. Whoever calls holds the lock of the state."""

    def __init__(self, replays: Replays) -> None:
        self._replays = replays

    def first_answer(self, request: Request, now: float) -> Answer | None:
        """Return the first answer to the request's token, if there was one."""
        token = request.client_token
        if token is None:
            return None
        return self._replays.find((request.account, request.operation, token), request.parameters, now)

    def remember(self, request: Request, answer: Answer, now: float) -> None:
        """Keep an answer for requests that repeat this one."""
        token = request.client_token
        if token is not None:
            self._replays.remember((request.account, request.operation, token), request.parameters, answer, now)
