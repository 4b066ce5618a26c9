"""A context processor, for ``OPTIONS["context_processors"]`` of a template engine."""

from __future__ import annotations

from typing import Never

from django.http import HttpRequest

from ...gating.declaration import Number
from ...units import Unit
from ..django_project import installed


class Entitled:
    """Answers in templates, and takes nothing: ``{% if entitled.Export %}``; in Jinja also ``entitled("Seats", 1)``."""

    do_not_call_in_templates = True

    def __getitem__(self, name: str) -> bool:
        return installed().guard.has_entitlement(name)

    def __call__(self, name: str, value: Number = None, unit: Unit | str | None = None) -> bool:
        return installed().guard.has_entitlement(name, value, unit)

    def __iter__(self) -> Never:
        raise TypeError("entitled answers for a name, and has no list of them")


_entitled = Entitled()


def entitled(_request: HttpRequest) -> dict[str, Entitled]:
    """Add ``entitled``, which asks when it is looked at and not before."""
    return {"entitled": _entitled}
