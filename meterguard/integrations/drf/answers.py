"""Answers for the clients of an API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler as framework_handler
from rest_framework.views import set_rollback

from ...errors import ConfigurationError, MeterGuardError
from ..django_project import installed
from ..refusal import Refusal


class EntitlementAPIException(APIException):  # type: ignore[misc,unused-ignore] # the framework has no types
    """A refusal, as the framework has it: with a status, a detail and, as ``wait``, when to try again.

    Any handler of exceptions answers it. :func:`exception_handler` says more: it makes the answer of all integrations.
    """

    default_code = "not-entitled"

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.status_code = refusal.status
        self.wait = refusal.retry_after
        self.detail = ErrorDetail(refusal.detail, refusal.slug)

    def __str__(self) -> str:
        return str(self.detail)


def as_api_exception(error: MeterGuardError) -> EntitlementAPIException:
    """Return the exception to raise where a refusal comes before any handler."""
    return EntitlementAPIException(installed().refusal(error))


def exception_handler(error: Exception, context: Mapping[str, object]) -> HttpResponse | None:
    """Answers for what a guard says no to, and leaves all else to the framework's own handler.

    ::

        REST_FRAMEWORK = {"EXCEPTION_HANDLER": "meterguard.integrations.drf.exception_handler"}

    A handler of your own calls it, for the errors that it has no answer for.
    """
    if isinstance(error, ConfigurationError) and settings.DEBUG:
        return None  # a developer learns more from Django's own page
    if isinstance(error, EntitlementAPIException):
        refusal = error.refusal
    elif isinstance(error, MeterGuardError):
        refusal = installed().refusal(error)
    else:
        answered: HttpResponse | None = framework_handler(error, context)
        return answered
    set_rollback()
    return _answer(refusal, context["request"])


def _answer(refusal: Refusal, request: Any) -> HttpResponse:
    """Return a page, a problem document, or that document in the browsable API for those who browse it."""
    answer = installed().options.answer(refusal, accept=request.META.get("HTTP_ACCEPT"), instance=request.path)
    if not isinstance(getattr(request, "accepted_renderer", None), BrowsableAPIRenderer):
        return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    return Response(refusal.problem(request.path), status=answer.status, headers=headers)
