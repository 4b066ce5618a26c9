"""Class-based views that need an entitlement."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from django.views import View

from ...errors import EntitlementDenied, EntitlementUnavailable
from ...gating.admission import Entered
from ...gating.barrier import Barrier
from ..declaration import Declaration, declared
from ..django_guard import permission_denied
from ..django_project import check_order, installed

__all__ = ("EntitlementRequiredMixin",)

Answer = EntitlementDenied | EntitlementUnavailable
_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


class EntitlementRequiredMixin:
    """A class-based view, synchronous or asynchronous, that runs under a licence.

    ::

        class Report(EntitlementRequiredMixin, View):
            entitlement_required = ("Seats", 1, "Count")

    It goes to the left of the view, whose ``dispatch`` it guards.
    """

    entitlement_required: ClassVar[Any] = None
    """The entitlement: a name, or a name, a value and a unit as for :func:`~meterguard.requires_entitlement`; or a draw
    or a meter, which is charged when the view returns, and not when it raises."""
    entitlement_options: ClassVar[Mapping[str, Any]] = {}
    """``hold``, ``per``, ``wait``, ``on_unknown``, ``guard``. Callables get the request and the view's arguments."""
    entitlement_error: Answer
    """The exception that was raised, for :meth:`handle_no_entitlement`."""

    _declaration: Declaration | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_order(cls, EntitlementRequiredMixin, View)

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the view for a URLconf.

        :raises ConfigurationError: what it needs is missing or wrong.
        """
        needs = initkwargs.get("entitlement_required", cls.entitlement_required)
        options = initkwargs.get("entitlement_options", cls.entitlement_options)
        declaration = declared(needs, options, f"{cls.__qualname__}.entitlement_required")
        return super().as_view(*args, **initkwargs, _declaration=declaration)  # type: ignore[misc]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Run the view, if the licence covers it."""
        declaration, guard = self._declared(), installed().guard
        if declaration.is_open(guard):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        gate = declaration.gate(guard)
        if getattr(self, "view_is_async", False):
            return self._adispatch(gate, request, *args, **kwargs)
        try:
            admission = gate.enter(request, *args, **kwargs)
        except _ANSWERS as error:
            self.entitlement_error = _as_django(error)
        else:
            return self._under(admission, request, *args, **kwargs)
        return self.handle_no_entitlement()  # outside the except block, so that it is not chained to the first

    def _under(self, admission: Entered[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            result = super().dispatch(*args, **kwargs)  # type: ignore[misc]
        except BaseException:
            admission.fail()
            raise
        return admission.hand_over(result)

    async def _adispatch(self, gate: Barrier[Any], request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            admission = await gate.aenter(request, *args, **kwargs)
        except _ANSWERS as error:
            self.entitlement_error = _as_django(error)
        else:
            return await self._aunder(admission, request, *args, **kwargs)
        result = self.handle_no_entitlement()
        return await result if inspect.isawaitable(result) else result

    async def _aunder(self, admission: Entered[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            result = super().dispatch(*args, **kwargs)  # type: ignore[misc]
            if inspect.isawaitable(result):
                result = await result
            return await admission.ahand_over(result)
        except GeneratorExit:  # the coroutine is thrown away, and must not await
            admission.drop()
            raise
        except BaseException:
            await admission.afail()
            raise

    def handle_no_entitlement(self) -> object:
        """Answer in place of the view; by default :attr:`entitlement_error` is raised, for the middleware to answer."""
        raise self.entitlement_error

    def _declared(self) -> Declaration:
        if self._declaration is None:  # as_view() was not called, as in tests of the class alone
            self._declaration = declared(self.entitlement_required, self.entitlement_options, "entitlement_required")
        return self._declaration


def _as_django(error: Answer) -> Answer:
    return permission_denied(error) if isinstance(error, EntitlementDenied) else error
