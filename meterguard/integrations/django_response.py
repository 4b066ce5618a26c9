"""Responses of Django and its REST framework to what a guard refuses."""

from __future__ import annotations

from ..errors import ConfigurationError, MeterGuardError
from ..extras import needed
from .django_project import installed

with needed("django", "django", by="meterguard.integrations.django"):
    from asgiref.sync import sync_to_async
    from django.http import HttpRequest, HttpResponse
    from django.utils.log import log_response


def response(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    """Return the response to a request that ran into this error."""
    told = _told(request, error)
    if isinstance(error, ConfigurationError):
        _log_mistake(request, told, error)
    return told


async def aresponse(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    """:func:`response` without blocking the loop."""
    told = _told(request, error)
    if isinstance(error, ConfigurationError):
        await sync_to_async(_log_mistake, thread_sensitive=False)(request, told, error)  # it may send mail
    return told


def _log_mistake(request: HttpRequest, told: HttpResponse, error: ConfigurationError) -> None:
    """Log a mistake as Django logs its own answers of 500: to the admins, with the exception."""
    log_response("%s: %s", told.reason_phrase, request.path, response=told, request=request, exception=error)


def _told(request: HttpRequest, error: MeterGuardError) -> HttpResponse:
    here = installed()
    answer = here.options.answer(here.refusal(error), accept=request.META.get("HTTP_ACCEPT"), instance=request.path)
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
