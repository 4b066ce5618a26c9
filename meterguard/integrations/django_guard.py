"""The guard of a Django project: it follows the settings, and its denials are Django's ``PermissionDenied`` too."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Never

from ..errors import AuthorizationRefused, ConfigurationError, EntitlementDenied, UntrustedLease
from ..extras import needed
from ..gating.admission import Admission
from ..guard import MeterGuard

if TYPE_CHECKING:
    from ..gating.charge import Quantity
    from ..gating.drawing import Drawing
    from ..model import Entitlement

with needed("django", "django", by="meterguard.integrations.django"):
    from django.core.exceptions import PermissionDenied


class _Told(PermissionDenied):  # type: ignore[misc,unused-ignore] # Django has no types
    """A denial with a text for clients: the REST framework tells them ``args``, and can do with two of them at most."""

    for_clients = "The licence does not include what you asked for."

    @property
    def args(self) -> tuple[Any, ...]:  # type: ignore[override,unused-ignore]
        """A text for clients. Pickle and copy do not look here."""
        return (self.for_clients,)

    def __str__(self) -> str:
        return str(super().args[0])


class EntitlementPermissionDenied(_Told, EntitlementDenied):  # type: ignore[override,unused-ignore]
    """A denial that Django answers with 403 where no middleware of ours answers better."""


class AuthorizationPermissionDenied(_Told, AuthorizationRefused):  # type: ignore[override,unused-ignore]
    """The same, when IAM or the credentials do not let this process ask."""

    for_clients = "This application is not allowed to ask for its licence."


class UntrustedPermissionDenied(_Told, UntrustedLease):  # type: ignore[override,unused-ignore]
    """The same, when an answer cannot be believed."""

    for_clients = "The answer about the licence could not be verified."


_BOTH: dict[type[EntitlementDenied], type[EntitlementDenied]] = {
    AuthorizationRefused: AuthorizationPermissionDenied,
    UntrustedLease: UntrustedPermissionDenied,
    EntitlementDenied: EntitlementPermissionDenied,
}


def permission_denied(denied: EntitlementDenied) -> EntitlementDenied:
    """Return the same denial, as one that is a ``PermissionDenied`` as well."""
    if type(denied) in _BOTH.values():
        return denied
    kind = next(both for kind, both in _BOTH.items() if isinstance(denied, kind))
    return kind(*denied.args)


class PermissionGuard(MeterGuard):
    """A guard that denies as Django does, so that a denial is a 403 without any middleware."""

    def admit(self, question: Any, window: Any = None, *, probing: bool = False) -> Admission:
        """Let a call through, or raise why not."""
        try:
            return super().admit(question, window, probing=probing)
        except EntitlementDenied as error:
            denied = error
        raise permission_denied(denied)  # outside the except block, so that it is not chained to the first

    async def aadmit(self, question: Any, window: Any = None, *, probing: bool = False) -> Admission:
        """:meth:`admit` without blocking the loop."""
        try:
            return await super().aadmit(question, window, probing=probing)
        except EntitlementDenied as error:
            denied = error
        raise permission_denied(denied)

    def draw(self, wish: Any, *, charge_on_error: bool) -> Drawing:
        """Reserve units for a call, or raise why there are none."""
        try:
            return super().draw(wish, charge_on_error=charge_on_error)
        except EntitlementDenied as error:
            denied = error
        raise permission_denied(denied)

    async def adraw(self, wish: Any, *, charge_on_error: bool) -> Drawing:
        """:meth:`draw` without blocking the loop."""
        try:
            return await super().adraw(wish, charge_on_error=charge_on_error)
        except EntitlementDenied as error:
            denied = error
        raise permission_denied(denied)


class ProjectGuard(PermissionGuard):
    """A guard that follows the settings, which tests change: one for the life of the process.

    Tests also put other guards in its place, and put it back later; so a change of the settings must not replace it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._instead: MeterGuard | None = None

    def follow(self, told: MeterGuard, instead: MeterGuard | None = None) -> None:
        """Become a guard with the arguments of ``told``, or one that leaves everything to ``instead``."""
        if instead is not self._instead:
            self.close()
        self._instead = instead
        self.resume(told)

    def admit(self, question: Any, window: Any = None, *, probing: bool = False) -> Admission:
        """Let a call through, or raise why not."""
        if self._instead is None:
            return super().admit(question, window, probing=probing)
        return self._instead.admit(question, window, probing=probing)

    async def aadmit(self, question: Any, window: Any = None, *, probing: bool = False) -> Admission:
        """:meth:`admit` without blocking the loop."""
        if self._instead is None:
            return await super().aadmit(question, window, probing=probing)
        return await self._instead.aadmit(question, window, probing=probing)

    def draw(self, wish: Any, *, charge_on_error: bool) -> Drawing:
        """Reserve units for a call, or raise why there are none."""
        if self._instead is None:
            return super().draw(wish, charge_on_error=charge_on_error)
        return self._instead.draw(wish, charge_on_error=charge_on_error)

    async def adraw(self, wish: Any, *, charge_on_error: bool) -> Drawing:
        """:meth:`draw` without blocking the loop."""
        if self._instead is None:
            return await super().adraw(wish, charge_on_error=charge_on_error)
        return await self._instead.adraw(wish, charge_on_error=charge_on_error)

    def probe(self, wish: Any) -> None:
        """Raise the error that a draw would raise, as far as it is known."""
        if self._instead is None:
            super().probe(wish)
        else:
            self._instead.probe(wish)

    async def aprobe(self, wish: Any) -> None:
        """:meth:`probe` without blocking the loop."""
        if self._instead is None:
            await super().aprobe(wish)
        else:
            await self._instead.aprobe(wish)

    def meter(
        self, entitlement: Entitlement, quantity: Quantity, subject: str | None, *, charge_on_error: bool
    ) -> Drawing:
        """Begin a call whose usage is written down."""
        if self._instead is None:
            return super().meter(entitlement, quantity, subject, charge_on_error=charge_on_error)
        return self._instead.meter(entitlement, quantity, subject, charge_on_error=charge_on_error)

    @property
    def engine(self) -> Any:
        """The engine of the guard in charge."""
        return super().engine if self._instead is None else self._instead.engine

    @property
    def settings(self) -> Any:
        """The settings of the guard in charge."""
        return super().settings if self._instead is None else self._instead.settings

    @property
    def till(self) -> Any:
        """The till of the guard in charge."""
        return super().till if self._instead is None else self._instead.till

    @property
    def ledger(self) -> Any:
        """The ledger of the guard in charge."""
        return super().ledger if self._instead is None else self._instead.ledger


class Misconfigured(MeterGuard):
    """The guard of a project whose settings are wrong: it says so to everybody, and lets nobody through."""

    def __init__(self, mistake: ConfigurationError) -> None:
        super().__init__()
        self._mistake = mistake

    @property
    def engine(self) -> Never:
        """There is none.

        :raises ConfigurationError: always, and it says what is wrong.
        """
        raise copy.copy(self._mistake)

    @property
    def settings(self) -> Never:
        """There are none.

        :raises ConfigurationError: always, and it says what is wrong.
        """
        raise copy.copy(self._mistake)
