"""Permissions and throttles, for ``permission_classes`` and ``throttle_classes``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from rest_framework.permissions import AND, OperationHolderMixin
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from ...errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ...reasons import Reason
from ..declaration import COUNTED, Counted, Declaration
from ..django_project import installed
from .answers import as_api_exception

Refused = EntitlementDenied | EntitlementUnavailable

# What the licence says. All else (no answer, IAM, an answer that cannot be believed) is in the hands of whoever wants
# in, and must not become a yes by being negated.
_OF_THE_LICENCE = {Reason.NOT_ENTITLED, Reason.COVERS_LESS, Reason.USED_UP, Reason.NO_LICENSE}
_ASKED = "_meterguard_asked"


class _Question:
    """A permission that holds when a licence covers it. It asks once for each request, and takes nothing."""

    def __init__(self, name: str | Counted, value: Any = None, unit: Any = None, **options: Any) -> None:
        if isinstance(name, COUNTED):
            raise ConfigurationError(
                f"{type(self).__name__} asks and takes nothing, so it counts nothing: put {name!r} on the handler, or "
                "give it to an EntitledViewMixin"
            )
        unknown = sorted(options.keys() - {"on_unknown", "guard"})
        if unknown:
            raise ConfigurationError(
                f"{type(self).__name__} has no {', '.join(unknown)}=: it asks and holds nothing; there are guard= and "
                "on_unknown=. EntitledViewMixin and the decorator hold a seat."
            )
        if callable(value):
            raise ConfigurationError(f"{type(self).__name__} takes a value, and no callable: it has no call to look at")
        self._declaration = Declaration(name, value, unit, **options)

    def _refused(self, request: Request) -> Refused | None:
        """Return one answer for all of a request: a framework that renders forms asks many times."""
        asked = vars(getattr(request, "_request", request)).setdefault(_ASKED, {})
        if self._declaration.key not in asked:
            asked[self._declaration.key] = self._ask()
        refused: Refused | None = asked[self._declaration.key]
        return refused

    def _ask(self) -> Refused | None:
        gate = self._declaration.gate(installed().guard)
        try:
            gate.check()
        except (EntitlementDenied, EntitlementUnavailable) as error:
            return error.with_traceback(None)
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._declaration!r}>"


class HasEntitlement(_Question, OperationHolderMixin):  # type: ignore[misc,unused-ignore] # the framework has no types
    """A permission: a licence covers it.

    ::

        class Report(APIView):
            permission_classes = [IsAuthenticated, HasEntitlement("Seats", 1, "Count")]

    It takes no unit, however often it is asked, and goes together with others by ``&``, ``|`` and ``~``. A no of the
    licence is False there; that the service could not be asked, or that IAM refuses, is an error in any combination,
    so put what needs no licence first: ``IsAdminUser | HasEntitlement("Export")``.

    :param options: ``guard`` and ``on_unknown``, as for :func:`~meterguard.requires_entitlement`.
    :raises ConfigurationError: the declaration is wrong.
    """

    def __call__(self) -> Self:
        """Return itself: the framework makes an instance of what stands in ``permission_classes``, and this is one."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True when the licence covers it, as the framework asks."""
        refused = self._refused(request)
        if refused is None:
            return True
        is_answer = isinstance(refused, EntitlementDenied) and refused.reason in _OF_THE_LICENCE
        if is_answer and not self._is_needed(getattr(view, "permission_classes", ())):
            return False
        raise as_api_exception(refused)

    def _is_needed(self, permissions: Iterable[Any]) -> bool:
        """Return True when nothing else can let the request in, so that the refusal can be raised at once."""
        return any(
            one is self
            or (getattr(one, "operator_class", None) is AND and self._is_needed((one.op1_class, one.op2_class)))
            for one in permissions
        )

    def has_object_permission(self, request: Request, view: APIView, _object: object) -> bool:
        """Answer the same for all objects; a permission that negates this one asks here too."""
        return self.has_permission(request, view)


class EntitlementThrottle(_Question):
    """A throttle: all units of a licence are in use, which passes.

    ::

        throttle_classes = [EntitlementThrottle("Seats", 1, "Count")]

    Proven exhaustion is answered as the framework answers for its throttles, with 429 and ``Retry-After``; what a
    permission would refuse it refuses too. It takes no unit.

    :param options: ``guard`` and ``on_unknown``, as for :func:`~meterguard.requires_entitlement`.
    :raises ConfigurationError: the declaration is wrong.
    """

    def __call__(self) -> BaseThrottle:
        """Return a throttle for one request, as the framework wants it."""
        return _Throttle(self)


class _Throttle(BaseThrottle):  # type: ignore[misc,unused-ignore] # the framework has no types
    def __init__(self, question: EntitlementThrottle) -> None:
        self._question = question
        self._wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - as the framework calls it
        refused = self._question._refused(request)
        if refused is None:
            return True
        error = as_api_exception(refused)
        if error.refusal.slug != "entitlement-exhausted":
            raise error
        self._wait = error.wait
        return False

    def wait(self) -> Any:
        return self._wait
