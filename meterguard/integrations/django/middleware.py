"""The middleware: it answers for refusals, and guards every view of a site that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ...errors import ConfigurationError, MeterGuardError
from ...gating.admission import Entered
from ...gating.barrier import Barrier
from ..declaration import is_failed
from ..django_project import installed
from ..django_response import aresponse, response
from .decorators import is_exempt

__all__ = ("EntitlementMiddleware",)

_HELD = "_meterguard_held"


class EntitlementMiddleware:
    """Answers instead of views that a guard has refused, and guards all views of a site that says so.

    ::

        MIDDLEWARE = [..., "meterguard.integrations.django.middleware.EntitlementMiddleware"]

    With ``ENTITLEMENT`` in ``settings.METERGUARD`` every view needs that entitlement, except those marked with
    :func:`~meterguard.integrations.django.entitlement_not_required`, the paths in ``EXEMPT`` and ``OPTIONS``. With
    ``hold="call"`` in ``ENTITLEMENT_OPTIONS`` a seat is held from before the view to the last byte of the response.
    Callables among the options get the arguments of the view. ``ENTITLEMENT`` may also be a draw or a meter: it is
    charged unless the answer is an error (400 and above).

    It goes below the middleware that logs people in, and serves synchronous and asynchronous sites alike.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            # Django runs what is no coroutine function in a thread, at each request
            self.process_view = self._aprocess_view  # type: ignore[method-assign]

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response, and let the seat of the request go with it."""
        if self._is_async:
            return self._acall(request)
        try:
            made = self.get_response(request)
        except BaseException:
            for entered in _taken_from(request):
                entered.fail()
            raise
        for entered in _taken_from(request):
            if is_failed(entered, made.status_code):
                entered.fail()
            else:
                made = entered.hand_over(made)
        return made

    async def _acall(self, request: HttpRequest) -> Any:
        try:
            made = await self.get_response(request)
        except GeneratorExit:  # the coroutine is thrown away, and must not await
            for entered in _taken_from(request):
                entered.drop()
            raise
        except BaseException:
            for entered in _taken_from(request):
                await entered.afail()
            raise
        for entered in _taken_from(request):
            if is_failed(entered, made.status_code):
                await entered.afail()
            else:
                made = await entered.ahand_over(made)
        return made

    # -- the whole site --------------------------------------------------------------------------

    def process_view(
        self, request: HttpRequest, view: object, args: Sequence[object], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        """Let the request go on to its view, or answer it."""
        gate = _gate_before(request, view)
        if gate is None:
            return None
        try:
            admission = gate.enter(request, *args, **kwargs)
        except MeterGuardError as error:
            if _is_for_the_debug_page(error):
                raise
            return response(request, error)
        if admission.hold == "call":
            _give_to(request, admission)
        else:
            admission.release()
        return None

    async def _aprocess_view(
        self, request: HttpRequest, view: object, args: Sequence[object], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        gate = _gate_before(request, view)
        if gate is None:
            return None
        try:
            admission = await gate.aenter(request, *args, **kwargs)
        except MeterGuardError as error:
            if _is_for_the_debug_page(error):
                raise
            return await aresponse(request, error)
        if admission.hold == "call":
            _give_to(request, admission)
        else:
            await admission.arelease()
        return None

    # -- one view --------------------------------------------------------------------------------

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view that was refused, or ran into a refusal.

        Another middleware, nearer to the view, may have an answer of its own.
        """
        # No coroutine function, for Django awaits none here: under ASGI it calls this in a thread of the request's own,
        # which may wait for the service (are all units in use?) while the loop goes on. Errors are not caught further
        # out, in the chain that is awaited, since Django has turned them into responses there; and a response that
        # were exchanged there would be without what other middleware has done to it since, such as CORS headers.
        if not isinstance(exception, MeterGuardError) or _is_for_the_debug_page(exception):
            return None
        return response(request, exception)


def _gate_before(request: HttpRequest, view: Any) -> Barrier[Any] | None:
    """Return the gate that this request has to pass, if any."""
    project = installed()
    if project.site is None:
        return None
    guard = project.guard
    if project.site.is_open(guard) or request.method == "OPTIONS":
        return None
    if project.options.is_exempt(request.path_info) or is_exempt(view):
        return None
    return project.site.gate(guard)


def _give_to(request: HttpRequest, admission: Entered[Any]) -> None:
    """Give a request its seat, which is back when the request is thrown away if its end is not heard of."""
    setattr(request, _HELD, admission)


def _taken_from(request: HttpRequest) -> list[Entered[Any]]:
    admission = vars(request).pop(_HELD, None)
    return [] if admission is None else [admission]


def _is_for_the_debug_page(error: MeterGuardError) -> bool:
    """Return True when a developer learns more from Django's own page."""
    return bool(settings.DEBUG) and isinstance(error, ConfigurationError)
