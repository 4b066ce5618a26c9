"""One view with more to say than the plain decorator: which methods, for whom not, and what else to answer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import current_app, redirect, request

from ...errors import EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..declaration import Declaration
from ..http import prefers_html
from ..settings import check
from .application import installed

V = TypeVar("V", bound=Callable[..., object])

_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


@dataclass(frozen=True)
class Requirement:
    """A requirement of views. Each of ``methods``, ``exempt_when``, ``on_denied`` and ``redirect_to`` may be None.

    :raises ConfigurationError: an argument is wrong.
    """

    declaration: Declaration
    methods: Collection[str] | None
    exempt_when: Callable[[], bool] | None
    on_denied: Callable[[MeterGuardError], object] | None
    redirect_to: str | None

    def __post_init__(self) -> None:
        is_list = isinstance(self.methods, Collection) and not isinstance(self.methods, str)
        are_methods = self.methods is None or (is_list and all(isinstance(one, str) for one in self.methods))
        check("methods", self.methods, are_methods, "a list of HTTP methods, such as ['POST']")
        for option in ("exempt_when", "on_denied"):
            function = getattr(self, option)
            check(option, function, function is None or callable(function), "a function")
        is_address = self.redirect_to is None or isinstance(self.redirect_to, str)
        check("redirect_to", self.redirect_to, is_address, "an address")

    def decorate(self, view: V) -> V:
        """Return the view behind this requirement."""
        check("view", view, callable(view), "a view: a function")
        # the guard in charge hardly ever changes
        guarded_by = functools.lru_cache(maxsize=1)(lambda gate: gate(view))
        methods = None if self.methods is None else {method.upper() for method in self.methods}

        @functools.wraps(view)
        def licensed(*args: Any, **kwargs: Any) -> Any:
            if not _is_guarded(methods) or (self.exempt_when is not None and self.exempt_when()):
                return current_app.ensure_sync(view)(*args, **kwargs)
            guarded = guarded_by(self.declaration.gate(installed().guard))
            try:
                return current_app.ensure_sync(guarded)(*args, **kwargs)
            except _ANSWERS as error:
                if self.on_denied is None and not self._redirects():
                    raise
                return redirect(self.redirect_to or "") if self.on_denied is None else self.on_denied(error)

        return licensed  # type: ignore[return-value]

    def _redirects(self) -> bool:
        return self.redirect_to is not None and prefers_html(request.headers.get("Accept"))


def _is_guarded(methods: set[str] | None) -> bool:
    method = "GET" if request.method == "HEAD" else request.method
    return method != "OPTIONS" if methods is None else method in methods
