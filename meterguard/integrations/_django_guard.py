"""The guard of a Django project: it follows the settings, and its denials are Django's ``PermissionDenied`` too."""

from __future__ import annotations

import copy
from typing import Any, Never

from ..errors import AuthorizationRefused, ConfigurationError, EntitlementDenied, UntrustedLease
from ..extras import needed
from ..guard import MeterGuard

with needed("django", "django", by="meterguard.integrations.django"):
    from django.core.exceptions import PermissionDenied

FOR_CLIENTS = "The licence does not include what you asked for."


class _Told(PermissionDenied):  # type: ignore[misc,unused-ignore] # Django has no types
    """The REST framework tells clients what is in ``args``, and can do with no more than two of them."""

    @property
    def args(self) -> tuple[Any, ...]:  # type: ignore[override,unused-ignore]
        """For others. Pickle and copy do not look here."""
        return (FOR_CLIENTS,)

    def __str__(self) -> str:
        return str(super().args[0])


class EntitlementPermissionDenied(_Told, EntitlementDenied):  # type: ignore[override,unused-ignore]
    """A denial that Django answers with 403 where no middleware of ours answers better."""


class AuthorizationPermissionDenied(_Told, AuthorizationRefused):  # type: ignore[override,unused-ignore]
    """The same, when IAM or the credentials do not let this process ask."""


class UntrustedPermissionDenied(_Told, UntrustedLease):  # type: ignore[override,unused-ignore]
    """The same, when an answer cannot be believed."""


_BOTH: dict[type[EntitlementDenied], type[EntitlementDenied]] = {
    AuthorizationRefused: AuthorizationPermissionDenied,
    UntrustedLease: UntrustedPermissionDenied,
    EntitlementDenied: EntitlementPermissionDenied,
}


def permission_denied(denied: EntitlementDenied) -> EntitlementDenied:
    """The same denial, which is a ``PermissionDenied`` as well."""
    if type(denied) in _BOTH.values():
        return denied
    kind = next(both for kind, both in _BOTH.items() if isinstance(denied, kind))
    return kind(*denied.args)


class PermissionGuard(MeterGuard):
    """Denies as Django does, which needs no middleware to be a 403."""

    def admit(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().admit(*args, **kwargs)
        except EntitlementDenied as error:
            denied = error
        raise permission_denied(denied)  # outside the except block, so that it is not chained to the first

    async def aadmit(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().aadmit(*args, **kwargs)
        except EntitlementDenied as error:
            denied = error
        raise permission_denied(denied)


class ProjectGuard(PermissionGuard):
    """Follows the settings, which tests change: one guard for the life of the process.

    Tests also put other guards in its place, and put it back later; so a change of the settings must not replace it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._instead: MeterGuard | None = None

    def follow(self, told: MeterGuard, instead: MeterGuard | None = None) -> None:
        """Become a guard with the arguments of ``told``, or one that leaves everything to ``instead``."""
        is_same = told._arguments == self._arguments and instead is self._instead is None
        if is_same and not self.is_closed:
            return
        self.close()
        with self._lock:
            self._arguments, self._instead = told._arguments, instead
        self.reopen()

    def admit(self, *args: Any, **kwargs: Any) -> Any:
        return super().admit(*args, **kwargs) if self._instead is None else self._instead.admit(*args, **kwargs)

    async def aadmit(self, *args: Any, **kwargs: Any) -> Any:
        instead = self._instead
        return await (super().aadmit(*args, **kwargs) if instead is None else instead.aadmit(*args, **kwargs))

    @property
    def engine(self) -> Any:
        """That of the guard in charge."""
        return super().engine if self._instead is None else self._instead.engine


class Misconfigured(MeterGuard):
    """The guard of a project whose settings are wrong: it says so to everybody, and lets nobody through."""

    def __init__(self, mistake: ConfigurationError) -> None:
        super().__init__()
        self._mistake = mistake

    @property
    def engine(self) -> Never:
        """There is none."""
        raise copy.copy(self._mistake)
