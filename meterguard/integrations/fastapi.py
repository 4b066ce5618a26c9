"""FastAPI: a dependency, and its refusals in OpenAPI; answers and life cycle are those of Starlette."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Self, Unpack

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ..extras import needed
from ..gating.admission import Admission
from ..gating.declaration import Value
from ..units import Unit
from .connection import guard_of
from .declaration import Declaration, Options
from .openapi import entitlement_responses

with needed("fastapi", "fastapi", by="meterguard.integrations.fastapi"):
    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute
    from starlette.requests import HTTPConnection

from .starlette_application import install, logged_in_user, meterguard_lifespan

__all__ = (
    "Entitled",
    "EntitlementRoute",
    "entitlement_responses",
    "install",
    "logged_in_user",
    "meterguard_lifespan",
)

_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


class Entitled:
    """A dependency that lets a request through while a licence covers it, and gives the :class:`~meterguard.Lease`.

    ::

        @app.get("/report", dependencies=[Depends(Entitled("Seats", 1, "Count"))])
        async def report(): ...

        Licensed = Annotated[Lease, Depends(Entitled("Export"))]

    Also on a router or an application. Two that are equal are one dependency, asked once a request. It uses the
    guard that :func:`install` was given, else the default one.

    With ``hold="call"`` a seat is held until the response is sent and its background tasks are done; with
    ``Depends(..., scope="function")`` until the endpoint returns.

    :param options: those of :func:`~meterguard.requires_entitlement`, but ``pass_lease``. Callables get the
        request or WebSocket. With ``fallback`` or ``default`` the dependency gives that on denied or unknown.
    :raises ConfigurationError: the declaration is wrong.
    """

    # the signature is what people are shown
    def __new__(
        cls,
        name: str,  # noqa: ARG004
        value: Value = None,  # noqa: ARG004
        unit: Unit | str | None = None,  # noqa: ARG004
        **options: Unpack[Options],
    ) -> Self:
        # FastAPI looks at what kind of function a dependency is, and a generator costs it four times as much
        kind: Any = _Seat if options.get("hold") == "call" and cls is Entitled else cls
        made: Self = object.__new__(kind)
        return made

    def __init__(
        self, name: str, value: Value = None, unit: Unit | str | None = None, **options: Unpack[Options]
    ) -> None:
        if "pass_lease" in options:
            raise ConfigurationError("pass_lease= is for decorated functions; the dependency itself gives the lease")
        self._declaration = Declaration(name, value, unit, **options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entitled) and self._declaration.key == other._declaration.key

    def __hash__(self) -> int:
        return hash(self._declaration.key)

    async def __call__(self, connection: HTTPConnection) -> object:
        """Return the lease, or what the declaration gives in its place."""
        admission = await self._admit(connection)
        if admission is None:
            return await self._instead(connection)
        lease = admission.lease
        await admission.arelease()
        return lease

    async def _admit(self, connection: HTTPConnection) -> Admission | None:
        gate = self._declaration.gate(guard_of(connection.scope))
        try:
            return await gate.aenter(connection)
        except _ANSWERS:
            if not gate.degrades:
                raise
        return None

    async def _instead(self, connection: HTTPConnection) -> object:
        instead = self._declaration.gate(guard_of(connection.scope)).degraded(connection)
        return await instead if inspect.isawaitable(instead) else instead

    def __repr__(self) -> str:
        return f"<Entitled {self._declaration!r}>"


class _Seat(Entitled):
    """A dependency with ``hold="call"``."""

    async def __call__(self, connection: HTTPConnection) -> AsyncIterator[object]:  # type: ignore[override]
        admission = await self._admit(connection)
        if admission is None:
            yield await self._instead(connection)
            return
        try:
            yield admission.lease
        finally:
            await admission.arelease()


# -- OpenAPI -----------------------------------------------------------------------------------------


class EntitlementRoute(APIRoute):
    """A route class that documents the answers of a licence on routes that depend on :class:`Entitled`.

    ::

        router = APIRouter(route_class=EntitlementRoute)
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if any(isinstance(call, Entitled) for call in _calls(self.dependant)):
            self.responses = entitlement_responses() | self.responses


def _calls(dependant: Dependant) -> Iterable[Callable[..., Any] | None]:
    for one in dependant.dependencies:
        yield one.call
        yield from _calls(one)
