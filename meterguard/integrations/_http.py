"""An answer of a guard as an answer over HTTP: status, headers and body, once for all frameworks.

Nothing here shows an ARN, a token, a fingerprint or what an exception says: those are for the operator.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from fnmatch import translate
from functools import cached_property
from typing import Any

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..model import Entitlement, shortened
from ._page import page

PROBLEM_JSON = "application/problem+json"
HTML = "text/html; charset=utf-8"

_log = logging.getLogger("meterguard.integrations")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What a client is told instead of what it asked for. Change it with ``HttpOptions.customize``."""

    status: int
    slug: str
    """``not-entitled``, ``entitlement-exhausted``, ``entitlement-unavailable`` or ``internal-error``."""
    title: str
    detail: str
    """For the person who reads it."""
    type: str
    retry_after: int | None = None
    """Seconds, for ``Retry-After``."""
    entitlements: tuple[Entitlement, ...] = ()
    """What was asked for; empty for a mistake in the set-up."""
    reason: str = ""
    error: MeterGuardError
    """What was raised. Not for clients: its text is the operator's."""

    def problem(self, instance: str) -> dict[str, Any]:
        """The members of a problem document (RFC 9457)."""
        members: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        for one in self.entitlements[:1]:
            members |= {"entitlement": one.name, "requested": one.value, "unit": one.unit.value}
        if len(self.entitlements) > 1:
            members["entitlements"] = [
                {"entitlement": one.name, "requested": one.value, "unit": one.unit.value} for one in self.entitlements
            ]
        if self.reason:
            members["reason"] = self.reason
        if self.retry_after is not None:
            members["retry_after"] = self.retry_after
        return members


@dataclass(frozen=True)
class Answer:
    """What goes over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


LONGEST_RETRY = 3600  # seconds
HEALTH_ROUTES = ("/health", "/health/*", "/healthz", "/livez", "/readyz", "/metrics", "/static/*", "/favicon.ico")


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """How a framework's integration answers. The names are those of its settings.

    :param denied_status: for a definite no. Give 402 only with a body that a payment scheme defines.
    :param exhausted_status: for a no when usage data proves that all units are in use.
    :param unavailable_status: when the service could not be asked.
    :param retry_after: seconds for ``Retry-After`` where neither the service nor meterguard knows better.
    :param prove_exhaustion: whether a no that usage proves to be exhaustion is answered as such.
    :param exempt: patterns of paths (``*`` matches anything) that guards of whole groups leave alone.
    :param customize: gets each :class:`Refusal` and returns the one to answer with, for texts, languages, statuses.
    :param html: gets a :class:`Refusal` and returns the page as text, or None for the page that comes with meterguard.
    :param problem_type: what the ``type`` of a problem document begins with.
    """

    denied_status: int = 403
    exhausted_status: int = 429
    unavailable_status: int = 503
    retry_after: float = 30
    prove_exhaustion: bool = True
    exempt: Collection[str] = HEALTH_ROUTES
    customize: Callable[[Refusal], Refusal] | None = None
    html: Callable[[Refusal], str | None] | None = None
    problem_type: str = "tag:meterguard,2026:problem/"

    def __post_init__(self) -> None:
        for name in ("denied_status", "exhausted_status", "unavailable_status"):
            _check(name, getattr(self, name), _is_status, "an HTTP status from 400 to 599")
        _check("retry_after", self.retry_after, _is_duration, "a positive number of seconds")
        _check("exempt", self.exempt, _are_patterns, "a list of patterns of paths, such as ['/health*']")
        _check("problem_type", self.problem_type, lambda text: isinstance(text, str), "text")
        _check("prove_exhaustion", self.prove_exhaustion, lambda flag: isinstance(flag, bool), "True or False")
        for name in ("customize", "html"):
            _check(name, getattr(self, name), lambda it: it is None or callable(it), "a callable that takes a Refusal")

    @classmethod
    def names(cls) -> frozenset[str]:
        """What can be set."""
        return frozenset(one.name for one in fields(cls))

    def is_exempt(self, path: str) -> bool:
        """Whether guards of whole groups leave this path alone."""
        return self._exempts.match(path) is not None

    @cached_property
    def _exempts(self) -> re.Pattern[str]:
        # every request to a guarded group asks, and fnmatch would take each pattern in turn
        return re.compile("|".join(map(translate, self.exempt)) or "(?!)")

    # -- from an error to an answer --------------------------------------------------------------

    def refusal(self, error: MeterGuardError) -> Refusal:
        """What to tell a client that ran into this error."""
        if isinstance(error, EntitlementUnavailable):
            refusal = self._refusal(error, "entitlement-unavailable", self.unavailable_status, retry=True)
        elif not isinstance(error, EntitlementDenied):
            _log.error("a gate is set up wrongly: %s", error, exc_info=error)
            refusal = self._refusal(error, "internal-error", 500)
        elif error.is_exhausted and self.prove_exhaustion:
            refusal = self._refusal(error, "entitlement-exhausted", self.exhausted_status, retry=True)
        else:
            refusal = self._refusal(error, "not-entitled", self.denied_status)
        return refusal if self.customize is None else self.customize(refusal)

    def _refusal(self, error: MeterGuardError, slug: str, status: int, *, retry: bool = False) -> Refusal:
        title, detail = _TEXTS[slug]
        retry_after = math.ceil(getattr(error, "retry_after", None) or self.retry_after) if retry else None
        return Refusal(
            status=status,
            slug=slug,
            title=title,
            detail=detail,
            type="about:blank" if slug == "internal-error" else f"{self.problem_type}{slug}",
            retry_after=None if retry_after is None else min(max(1, retry_after), LONGEST_RETRY),
            entitlements=getattr(error, "entitlements", ()),
            reason=_reason(error, slug),
            error=error,
        )

    def answer(self, refusal: Refusal, *, accept: str | None, instance: str) -> Answer:
        """The response: a page for people who prefer one, a problem document for everybody else."""
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if refusal.retry_after is not None:
            headers["Retry-After"] = str(refusal.retry_after)
        if prefers_html(accept):
            made = None if self.html is None else self.html(refusal)
            text = page(refusal) if made is None else made
            return Answer(refusal.status, headers | {"Content-Type": HTML}, text.encode("utf-8", "replace"))
        body = json.dumps(refusal.problem(instance), ensure_ascii=False, default=str).encode("utf-8", "replace")
        return Answer(refusal.status, headers | {"Content-Type": PROBLEM_JSON}, body)


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], HttpOptions]:
    """The arguments of a guard, and how to answer."""
    names = HttpOptions.names()
    ours = {name: value for name, value in options.items() if name in names}
    return {name: value for name, value in options.items() if name not in names}, HttpOptions(**ours)


# -- what the client prefers -------------------------------------------------------------------------


def prefers_html(accept: str | None) -> bool:
    """Whether a page is wanted more than a problem document. ``*/*`` and nothing at all want the document."""
    html = document = 0.0
    for media_range in (accept or "*/*").split(","):
        kind, _, parameters = media_range.partition(";")
        kind, quality = kind.strip().lower(), _quality(parameters)
        if kind in ("text/html", "application/xhtml+xml"):
            html = max(html, quality)
        elif kind in ("application/json", PROBLEM_JSON, "application/*", "*/*"):
            document = max(document, quality)
    return html > document


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


# -- texts and checks --------------------------------------------------------------------------------

_TEXTS = {
    "not-entitled": (
        "Not included in the licence",
        "The licence does not include what you asked for. If you need it, ask the people who run this application.",
    ),
    "entitlement-exhausted": (
        "All licensed units are in use",
        "The licence includes what you asked for, but others are using all of it. Try again when one of them is done.",
    ),
    "entitlement-unavailable": (
        "The licence cannot be checked",
        "The licence could not be checked just now. Nothing is wrong with your request: try again in a while.",
    ),
    "internal-error": ("Internal Server Error", "The server is not set up correctly."),
}


def _reason(error: MeterGuardError, slug: str) -> str:
    if slug == "entitlement-exhausted":
        return "exhausted"
    if slug == "entitlement-unavailable":
        return "unavailable"
    reason = getattr(error, "reason", None)
    return "" if reason is None else str(reason.value)


def _check(name: str, value: Any, is_right: Callable[[Any], bool], what: str) -> None:
    if not is_right(value):
        raise ConfigurationError(f"{name} must be {what}; got {shortened(value)}")


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _are_patterns(value: Any) -> bool:
    is_list = isinstance(value, Collection) and not isinstance(value, str)
    return is_list and all(isinstance(one, str) and one.startswith(("/", "*")) for one in value)
