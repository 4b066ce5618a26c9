"""Marks on views."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..settings import check

V = TypeVar("V", bound=Callable[..., object])

_EXEMPT = "__meterguard_exempt__"


def entitlement_not_required(view: V) -> V:
    """Mark a view (function or class) that the entitlement of the whole site leaves alone."""
    check("view", view, callable(view), "a view: a function or a class")
    setattr(view, _EXEMPT, True)
    return view


def is_exempt(view: object) -> bool:
    """Return True when a view, as the URLconf has it, is marked, or its class is."""
    return getattr(view, _EXEMPT, False) or getattr(getattr(view, "view_class", None), _EXEMPT, False)
