"""The forger: it puts a forged token into an answer, as a fault says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

from ..protocol.forgeries import Signs, forged
from ..protocol.messages import Answer, Parameters
from .fault import Fault

__all__ = ("Forger",)

_TOKEN: Final = "SignedToken"  # noqa: S105 - the name of a member
_TIMES: Final = {"IssuedAt": "issuedAt", "Expiration": "expiration"}


class Forger:
    """Forges the signed tokens of answers.

    Args:
        signer_of: Returns the key that tokens of a licence are signed with, by its ARN.
    """

    def __init__(self, signer_of: Callable[[str], Signs]) -> None:
        self._signer_of = signer_of
        self._earlier: dict[str, str] = {}

    def spoil(self, fault: Fault | None, operation: str, true: Parameters, answer: Answer) -> Answer:
        """Return an answer with the token that the fault says; one without a token stays as it is.

        ``true`` is the answer before the fault has spoiled it. A clock that is wrong is so in the token too.
        """
        token = true.get(_TOKEN)
        if token is None:
            return answer
        earlier = self._earlier.get(operation, token)
        self._earlier[operation] = token
        if fault is None or _TOKEN not in answer:
            return answer
        times = {claim: answer[name] for name, claim in _TIMES.items() if answer.get(name, true[name]) != true[name]}
        claims = {**times, **fault.claims}
        if fault.tamper == "replay":
            return {**answer, _TOKEN: earlier}
        if fault.tamper is None and not claims:
            return answer
        signer = self._signer_of(true["LicenseArn"])
        return {**answer, _TOKEN: forged(token, fault.tamper, claims, signer, lambda: self._stranger)}

    @cached_property
    def _stranger(self) -> Signs:
        from ..protocol.signer import Signer

        return Signer()
