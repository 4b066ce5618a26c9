"""FastAPI: a dependency, and its refusals in OpenAPI; answers and life cycle are those of Starlette."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Self, Unpack

from ..default import CURRENT
from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ..extras import needed
from ..gating.admission import Entered
from ..gating.consumption import DrawOptions, Units, declare_draw
from ..gating.declaration import Value
from ..gating.draw import Draw
from ..gating.streams import is_cancellation, is_departure
from ..guard import MeterGuard
from ..units import Unit
from .connection import guard_of
from .declaration import COUNTED, Counted, Declaration, Options
from .openapi import entitlement_responses
from .settings import check_guard

with needed("fastapi", "fastapi", by="meterguard.integrations.fastapi"):
    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute
    from starlette.requests import HTTPConnection

from .starlette_application import install, logged_in_user, meterguard_lifespan

__all__ = (
    "Consumed",
    "Entitled",
    "EntitlementRoute",
    "entitlement_responses",
    "install",
    "logged_in_user",
    "meterguard_lifespan",
)

_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


class Drawn(DrawOptions, total=False):
    """The options of :class:`Consumed`."""

    fallback: Callable[..., object]
    default: object
    guard: MeterGuard | None


class _Dependency:
    """A dependency of FastAPI that enters what is declared."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Dependency) and self._declaration.key == other._declaration.key

    def __hash__(self) -> int:
        return hash(self._declaration.key)

    async def _admit(self, connection: HTTPConnection) -> Entered[Any] | None:
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


class Entitled(_Dependency):
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
        super().__init__(Declaration(name, value, unit, **options))
        if self._declaration.counts:
            raise ConfigurationError(f"Entitled gates, and {name!r} counts: Depends(Consumed(...)) takes it")

    async def __call__(self, connection: HTTPConnection) -> object:
        """Return the lease, or what the declaration gives in its place."""
        admission = await self._admit(connection)
        if admission is None:
            return await self._instead(connection)
        lease: object = admission.passed
        await admission.arelease()
        return lease

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
            yield admission.passed
        finally:
            await admission.arelease()


class Consumed(_Dependency):
    """A dependency that draws units for a request, and gives the :class:`~meterguard.Charge`.

    ::

        @app.post("/render", dependencies=[Depends(Consumed("Pages", 1))])
        async def render(): ...

        Tokens = Annotated[Charge, Depends(Consumed("Tokens", 2_000))]

    Also on a router or an application. It draws from the guard that :func:`install` was given, else from the default
    one. The units are charged once the response is sent and its background tasks are done, also where the client left
    before its end; nothing is charged when the endpoint raises, an ``HTTPException`` included. A response that it
    returns is a success, whatever its status.

    :param name: the entitlement's name; or a draw or a meter, with nothing beside it.
    :param value: as for :func:`~meterguard.consumes_entitlement`. Callables get the request or WebSocket.
    :param options: those of :func:`~meterguard.consumes_entitlement`, but ``pass_charge`` and ``per_item``. With
        ``fallback`` or ``default`` the dependency gives that on denied or unknown.
    :raises ConfigurationError: the declaration is wrong.
    """

    def __init__(
        self, name: str | Counted, value: Units | None = None, unit: Unit | str = "Count", **options: Unpack[Drawn]
    ) -> None:
        if isinstance(name, COUNTED):
            declaration = Declaration(name, value, **options)  # type: ignore[misc] # it refuses any
        else:
            declaration = Declaration(_draw(name, value, unit, options))
        if not declaration.is_plain:
            raise ConfigurationError("pass_charge= and per_item= are for decorated functions; this gives the charge")
        super().__init__(declaration)

    async def __call__(self, connection: HTTPConnection) -> AsyncIterator[object]:
        """Give the charge, or what the declaration gives in its place."""
        entered = await self._admit(connection)
        if entered is None:
            yield await self._instead(connection)
            return
        try:
            yield entered.passed
        except GeneratorExit:  # it is thrown away, and must not await
            entered.drop()
            raise
        except BaseException as raised:
            # servers that cancel a request whose client left cancel one that is still at work as well
            has_left = is_departure(raised) and not is_cancellation(raised)
            await (entered.arelease() if has_left else entered.afail())
            raise
        await entered.arelease()

    def __repr__(self) -> str:
        return f"<Consumed {self._declaration!r}>"


def _draw(name: str, value: Units | None, unit: Unit | str, options: Mapping[str, Any]) -> Draw:
    guard = options.get("guard")
    check_guard(guard)
    amount = {} if value is None else {"value": value}
    others = {option: given for option, given in options.items() if option != "guard"}
    return declare_draw(CURRENT if guard is None else guard, name, **amount, unit=unit, **others)


# -- OpenAPI -----------------------------------------------------------------------------------------


class EntitlementRoute(APIRoute):
    """A route class that documents the answers of a licence.

    On routes that depend on :class:`Entitled` or :class:`Consumed`::

        router = APIRouter(route_class=EntitlementRoute)
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if any(isinstance(call, _Dependency) for call in _calls(self.dependant)):
            self.responses = entitlement_responses() | self.responses


def _calls(dependant: Dependant) -> Iterable[Callable[..., Any] | None]:
    for one in dependant.dependencies:
        yield one.call
        yield from _calls(one)
