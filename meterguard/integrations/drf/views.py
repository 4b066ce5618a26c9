"""Views that hold a seat while they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ...errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ...gating.admission import Entered
from ..declaration import Declaration, declared
from ..django_project import check_order, installed
from .answers import as_api_exception


class EntitledViewMixin:
    """A view or view set that runs under a licence.

    ::

        class Report(EntitledViewMixin, APIView):
            entitlement_required = ("Seats", 1, "Count")

        class Reports(EntitledViewMixin, ModelViewSet):
            entitlement_required = {"create": ("Seats", 1, "Count"), "export": "Export"}

    It goes to the left of the view. The licence is asked for after permissions and throttles, and before the handler.
    With ``hold="call"`` a seat is held until the handler is done, or a streamed response is sent to its last byte.
    """

    entitlement_required: ClassVar[Any] = None
    """The entitlement: a name, or name, value and unit as for :func:`~meterguard.requires_entitlement`; or a draw or
    a meter, which is charged when the handler returns, and not when it raises, whatever the framework answers then. Or
    a mapping of them by action, or by method. In it None stands for all that are not in it; without None those need
    nothing."""
    entitlement_options: ClassVar[Mapping[str, Any]] = {}
    """``hold``, ``per``, ``wait``, ``on_unknown``, ``guard``. Callables get the request and the view's arguments."""

    _entitlements: ClassVar[Mapping[str | None, Declaration | None]]
    _held: Entered[Any] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_order(cls, EntitledViewMixin, APIView)
        if cls.entitlement_required is not None:
            cls._entitlements = _by_action(cls, cls.__qualname__)

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Run the framework's own checks before the handler, and the licence's check last."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        declaration = self.needed_entitlement(request.method)
        if declaration is None:
            return
        try:
            admission = declaration.gate(installed().guard).enter(request, *args, **kwargs)
        except (EntitlementDenied, EntitlementUnavailable) as error:
            refused = error
        else:
            self._held = admission
            return
        raise as_api_exception(refused)  # outside the except block, so that it is not chained to the first

    def finalize_response(self, request: Request, response: HttpResponse, *args: object, **kwargs: object) -> Response:
        """Let the seat go with a response that is still to be sent."""
        made = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        admission, self._held = self._held, None
        if admission is not None and getattr(made, "exception", False):  # made of what the handler raised
            admission.fail()
            return made
        return made if admission is None else admission.hand_over(made)

    def dispatch(self, *args: object, **kwargs: object) -> Response:
        """Dispatch a request as the framework does; whatever becomes of it, no seat is left."""
        try:
            return super().dispatch(*args, **kwargs)  # type: ignore[misc]
        finally:
            if self._held is not None:
                self._held.fail()

    def needed_entitlement(self, method: str) -> Declaration | None:
        """Return the requirement of a handler; None: nothing is asked for.

        :raises ConfigurationError: ``entitlement_required`` is missing or wrong.
        """
        if self.entitlement_required is None:
            raise ConfigurationError(f"{type(self).__name__} is an EntitledViewMixin, and has no entitlement_required")
        if method == "OPTIONS":
            return None
        is_its_own = vars(self).keys() & {"entitlement_required", "entitlement_options"}  # of as_view(...)
        needs = _by_action(self, type(self).__qualname__) if is_its_own else self._entitlements
        action = getattr(self, "action", None) or ("get" if method == "HEAD" else method.lower())
        return needs[action] if action in needs else needs.get(None)


def _by_action(view: Any, name: str) -> dict[str | None, Declaration | None]:
    needs = view.entitlement_required
    by_action = needs if isinstance(needs, Mapping) else {None: needs}
    # one that is misspelt would be open
    unknown = sorted(repr(one) for one in by_action if one is not None and not callable(getattr(view, str(one), None)))
    if unknown:
        raise ConfigurationError(
            f"{name}.entitlement_required has {', '.join(unknown)}, which is no action and no method of it"
        )
    where, options = f"{name}.entitlement_required", view.entitlement_options
    return {
        action: None if action is not None and needed is None else declared(needed, options, where)
        for action, needed in by_action.items()
    }
