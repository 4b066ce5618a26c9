"""Guards around the views of Django and its REST framework, also those that ``method_decorator`` puts there."""

from __future__ import annotations

from collections.abc import Iterator

from ..gating import registration
from ..gating.barrier import Barrier


def is_guarded(view: object) -> bool:
    """Tell whether a guard stands around a view, a handler or the ``dispatch`` of a view's class.

    ``method_decorator`` decorates anew at each call, so until then only its wrapper knows of the guard.
    """
    dispatch = getattr(getattr(view, "view_class", None), "dispatch", None)
    return any(
        registration.is_guarded(one) or any(isinstance(decorator, Barrier) for decorator in _decorators(one))
        for one in (view, dispatch)
    )


def _decorators(function: object) -> Iterator[object]:
    """Yield the decorators that wrappers of ``method_decorator`` keep."""
    while function is not None:
        closure = getattr(function, "__closure__", None) or ()
        names = getattr(getattr(function, "__code__", None), "co_freevars", ())
        for name, cell in zip(names, closure, strict=False):  # a guarded function shows code of another
            if name == "decorators":
                kept = cell.cell_contents
                yield from kept if hasattr(kept, "__iter__") else [kept]
        function = getattr(function, "__wrapped__", None)
