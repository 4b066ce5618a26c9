"""A guard that is switched off, for an application that says so in its own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gating.admission import Admission
from .gating.drawing import Drawing, uncounted
from .guard import MeterGuard
from .reasons import Reason
from .runtime.admission import Admission as Entry

if TYPE_CHECKING:
    from .core.requirements import Question, Wish
    from .gating.charge import Quantity
    from .ledger import LedgerReport
    from .model import Entitlement
    from .runtime.window import Window


class OpenGuard(MeterGuard):
    """Lets everything through and asks nobody: for development and tests without a licence.

    No environment variable can choose it: the author of the application does, with the off switch of an integration.
    """

    def admit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:  # noqa: ARG002 - as its parent
        """Let the call through."""
        return Admission(_NOTHING, Entry(Reason.DISABLED, question.alternatives[0]), single=question.single)

    async def aadmit(self, question: Question, window: Window | None = None, *, probing: bool = False) -> Admission:
        """Let the call through."""
        return self.admit(question, window, probing=probing)

    def draw(self, wish: Wish, *, charge_on_error: bool) -> Drawing:
        """Let the call through, and count nothing."""
        return uncounted(wish.alternatives[0], charge_on_error=charge_on_error, is_joined=wish.is_joined)

    async def adraw(self, wish: Wish, *, charge_on_error: bool) -> Drawing:
        """Let the call through, and count nothing."""
        return self.draw(wish, charge_on_error=charge_on_error)

    def probe(self, wish: Wish) -> None:
        """Allow it."""

    async def aprobe(self, wish: Wish) -> None:
        """Allow it."""

    def meter(
        self,
        entitlement: Entitlement,
        quantity: Quantity,  # noqa: ARG002 - as its parent
        subject: str | None,  # noqa: ARG002
        *,
        charge_on_error: bool,
    ) -> Drawing:
        """Count nothing."""
        return uncounted((entitlement,), charge_on_error=charge_on_error)

    @property
    def shares_leases(self) -> bool:
        """False: it has none."""
        return False

    @property
    def ledger(self) -> LedgerReport:
        """Empty books."""
        from . import assembly
        from .ledger import LedgerReport

        return LedgerReport(assembly.ledger("memory://"))

    def __repr__(self) -> str:
        return "<OpenGuard: lets everything through>"


class _NoEngine:
    def release(self, _entry: Entry, *, probing: bool = False) -> None:
        """Nothing is held."""

    def discard(self, _entry: Entry) -> None:
        """Nothing is held."""


_NOTHING = _NoEngine()
