"""Answers over HTTP: the options of an application, and a refusal as status, headers and body."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from fnmatch import translate
from functools import cached_property

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..model import shortened
from .page import page
from .refusal import LONGEST_RETRY, Refusal, Slug, reason_of, texts_of

PROBLEM_JSON = "application/problem+json"
HTML = "text/html; charset=utf-8"
HEALTH_ROUTES = ("/health", "/health/*", "/healthz", "/livez", "/readyz", "/metrics", "/static/*", "/favicon.ico")

_log = logging.getLogger("meterguard.integrations")


@dataclass(frozen=True)
class Answer:
    """A response, before it is one of a framework's."""

    status: int
    headers: dict[str, str]
    body: bytes


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
    :param problem_type: the beginning of the ``type`` of a problem document.
    :raises ConfigurationError: an option is of a wrong type.
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
            self._check(name, _is_status, "an HTTP status from 400 to 599")
        self._check("retry_after", _is_duration, "a positive number of seconds")
        self._check("exempt", _are_patterns, "a list of patterns of paths, such as ['/health*']")
        self._check("problem_type", lambda text: isinstance(text, str), "text")
        self._check("prove_exhaustion", lambda flag: isinstance(flag, bool), "True or False")
        for name in ("customize", "html"):
            self._check(name, lambda it: it is None or callable(it), "a callable that takes a Refusal")

    def _check(self, name: str, is_right: Callable[[object], bool], wanted: str) -> None:
        value = getattr(self, name)
        if not is_right(value):
            raise ConfigurationError(f"{name} must be {wanted}; got {shortened(value)}")

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of all options."""
        return frozenset(one.name for one in fields(cls))

    def is_exempt(self, path: str) -> bool:
        """Tell whether guards of whole groups leave this path alone."""
        return self._exempts.match(path) is not None

    @cached_property
    def _exempts(self) -> re.Pattern[str]:
        # every request to a guarded group asks, and fnmatch would take each pattern in turn
        return re.compile("|".join(map(translate, self.exempt)) or "(?!)")

    def refusal(self, error: MeterGuardError) -> Refusal:
        """Return what to tell a client that ran into this error. Log it where it is a mistake in the set-up."""
        if not isinstance(error, EntitlementUnavailable | EntitlementDenied):
            _log.error("a gate is set up wrongly: %s", error, exc_info=error)
        return self.told(error)

    def told(self, error: MeterGuardError) -> Refusal:
        """Return what to tell a client that ran into this error. Log nothing."""
        if isinstance(error, EntitlementUnavailable):
            refusal = self._refusal(error, "entitlement-unavailable", self.unavailable_status, retry=True)
        elif not isinstance(error, EntitlementDenied):
            refusal = self._refusal(error, "internal-error", 500)
        elif error.is_exhausted and self.prove_exhaustion:
            refusal = self._refusal(error, "entitlement-exhausted", self.exhausted_status, retry=True)
        else:
            refusal = self._refusal(error, "not-entitled", self.denied_status)
        return refusal if self.customize is None else self.customize(refusal)

    def _refusal(self, error: MeterGuardError, slug: Slug, status: int, *, retry: bool = False) -> Refusal:
        title, detail = texts_of(error, slug)
        retry_after = math.ceil(getattr(error, "retry_after", None) or self.retry_after) if retry else None
        return Refusal(
            status=status,
            slug=slug,
            title=title,
            detail=detail,
            type="about:blank" if slug == "internal-error" else f"{self.problem_type}{slug}",
            retry_after=None if retry_after is None else min(max(1, retry_after), LONGEST_RETRY),
            entitlements=getattr(error, "entitlements", ()),
            reason=reason_of(error, slug),
            ahead=getattr(error, "ahead", None) if slug == "entitlement-exhausted" else None,
            error=error,
        )

    def answer(self, refusal: Refusal, *, accept: str | None, instance: str) -> Answer:
        """Return the response: a page for people who prefer one, a problem document for everybody else.

        :param accept: the request's ``Accept``.
        :param instance: the request's path.
        """
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if refusal.retry_after is not None:
            headers["Retry-After"] = str(refusal.retry_after)
        if prefers_html(accept):
            made = None if self.html is None else self.html(refusal)
            text = page(refusal) if made is None else made
            return Answer(refusal.status, headers | {"Content-Type": HTML}, text.encode("utf-8", "replace"))
        body = json.dumps(refusal.problem(instance), ensure_ascii=False, default=str).encode("utf-8", "replace")
        return Answer(refusal.status, headers | {"Content-Type": PROBLEM_JSON}, body)


def options_among(settings: Mapping[str, object]) -> tuple[dict[str, object], HttpOptions]:
    """Return the settings that are no options of answers, and the options made of the rest."""
    names = HttpOptions.names()
    ours = {name: value for name, value in settings.items() if name in names}
    return {name: value for name, value in settings.items() if name not in names}, HttpOptions(**ours)  # type: ignore[arg-type] # checked there


# -- what the client prefers -------------------------------------------------------------------------


def prefers_html(accept: str | None) -> bool:
    """Tell whether a client prefers a page to a problem document. ``*/*`` and nothing at all mean the document."""
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


# -- checks ------------------------------------------------------------------------------------------


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _are_patterns(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Collection):
        return False
    return all(isinstance(one, str) and one.startswith(("/", "*")) for one in value)
