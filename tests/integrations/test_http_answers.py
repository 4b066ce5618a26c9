"""The one place that turns an answer into an HTTP response."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    Entitlement,
    EntitlementDenied,
    EntitlementUnavailable,
    UntrustedLease,
)
from meterguard.integrations.http import HTML, PROBLEM_JSON, HttpOptions, prefers_html

SEATS = Entitlement("Seats", 2, "Count")
ARN = "arn:aws:license-manager::123456789012:license:l-1"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/problem+json, text/html", False),
        ("text/html;q=0.5, application/json;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
        ("image/png", False),
        ("text/html", True),
        ("TEXT/HTML ; charset=utf-8 ; q=1.0", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json;q=0.1, text/html;q=0.2", True),
    ],
)
def test_who_prefers_a_page(accept, html):
    assert prefers_html(accept) is html


@given(st.text())
def test_any_accept_header_has_an_answer(accept):
    assert prefers_html(accept) in (True, False)


@given(st.lists(st.tuples(st.sampled_from(["text/html", "application/json", "*/*"]), st.integers(0, 1000)), min_size=1))
def test_the_higher_quality_wins(ranges):
    accept = ", ".join(f"{kind};q={quality / 1000}" for kind, quality in ranges)
    best = {kind: max((q for k, q in ranges if k == kind), default=0) for kind, _ in ranges}
    assert prefers_html(accept) is (best.get("text/html", 0) > max(best.get("application/json", 0), best.get("*/*", 0)))


CASES = [
    (EntitlementDenied("of the operator", (SEATS,), (SEATS,)), False, 403, "not-entitled", "not_entitled", None),
    (EntitlementDenied("", (SEATS,), (SEATS,)), True, 429, "entitlement-exhausted", "exhausted", 30),
    (AuthorizationRefused("", (SEATS,)), False, 403, "not-entitled", "refused", None),
    (UntrustedLease("", (SEATS,)), False, 403, "not-entitled", "untrusted", None),
    (EntitlementUnavailable("", (SEATS,)), False, 503, "entitlement-unavailable", "unavailable", 30),
    (EntitlementUnavailable("", (SEATS,), retry_after=0.2), False, 503, "entitlement-unavailable", "unavailable", 1),
    (EntitlementUnavailable("", (SEATS,), retry_after=1e9), False, 503, "entitlement-unavailable", "unavailable", 3600),
]


@pytest.mark.parametrize(("error", "exhausted", "status", "slug", "reason", "retry_after"), CASES)
def test_what_each_error_becomes(error, exhausted, status, slug, reason, retry_after):
    options, error = HttpOptions(), copy.copy(error)
    if exhausted:
        error.is_exhausted = True
    refusal = options.refusal(error)
    answer = options.answer(refusal, accept=None, instance="/x")
    assert (answer.status, answer.headers["Content-Type"]) == (status, PROBLEM_JSON)
    assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    document = json.loads(answer.body)
    assert document == {
        "type": f"tag:meterguard,2026:problem/{slug}",
        "title": refusal.title,
        "status": status,
        "detail": refusal.detail,
        "instance": "/x",
        "entitlement": "Seats",
        "requested": 2,
        "unit": "Count",
        "reason": reason,
    } | ({} if retry_after is None else {"retry_after": retry_after})


IAM_TEXT = "User: arn:aws:iam::1:role/app is not authorized to perform: license-manager:CheckoutLicense"


@pytest.mark.parametrize("accept", ["text/html", None], ids=["page", "document"])
@pytest.mark.parametrize(
    ("kind", "title", "says"),
    [
        (AuthorizationRefused, "Not allowed to ask for the licence", "is not allowed to ask for its licence"),
        (UntrustedLease, "The licence could not be verified", "could not be verified"),
    ],
)
def test_a_no_that_is_not_of_the_licence_says_so(kind, title, says, accept):
    options = HttpOptions()
    refusal = options.refusal(kind(IAM_TEXT, (SEATS,), code="AccessDeniedException"))
    assert (refusal.status, refusal.type, refusal.title) == (403, "tag:meterguard,2026:problem/not-entitled", title)
    body = options.answer(refusal, accept=accept, instance="/x").body.decode()
    assert says in body
    assert "Tell the people who run this application." in body
    for secret in ("does not include", "Not included", "IAM", "arn:", "AccessDenied", "role", "CheckoutLicense"):
        assert secret not in body


def test_several_entitlements_are_all_told():
    both = (SEATS, Entitlement("Export"))
    document = HttpOptions().refusal(EntitlementDenied("", both)).problem("/")
    assert [one["entitlement"] for one in document["entitlements"]] == ["Seats", "Export"]


@pytest.mark.parametrize(
    "error", [EntitlementDenied(ARN, (SEATS,)), EntitlementUnavailable(ARN), ConfigurationError(ARN)]
)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_what_an_exception_says_is_never_shown(error, accept):
    options = HttpOptions()
    answer = options.answer(options.refusal(error), accept=accept, instance="/")
    assert ARN not in f"{answer.headers}{answer.body}"


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text.append(data)


@given(name=st.text(min_size=1).filter(str.strip), path=st.text())
def test_nothing_in_a_page_comes_alive(name, path):
    options = HttpOptions()
    refusal = options.refusal(EntitlementUnavailable("", (Entitlement(name, 1),)))
    answer = options.answer(refusal, accept="text/html", instance=path)
    assert answer.headers["Content-Type"] == HTML
    page = Reader(answer.body.decode("utf-8", "replace"))
    assert page.tags == Reader(options.answer(refusal, accept="text/html", instance="/").body.decode()).tags
    assert page.links == [""], "the page itself, whatever its path"


@given(st.text(min_size=1).filter(str.strip))
def test_any_name_has_a_document(name):
    options = HttpOptions()
    answer = options.answer(options.refusal(EntitlementDenied("", (Entitlement(name),))), accept=None, instance="/")
    assert json.loads(answer.body)["status"] == 403


def test_the_application_has_the_last_word():
    options = HttpOptions(
        denied_status=402,
        problem_type="https://example.com/problems/",
        customize=lambda refusal: replace(refusal, title="Nein"),
        html=lambda refusal: "<h1>Nein</h1>" if refusal.status == 402 else None,
    )
    refusal = options.refusal(EntitlementDenied("", (SEATS,)))
    assert (refusal.status, refusal.title, refusal.type) == (402, "Nein", "https://example.com/problems/not-entitled")
    assert options.answer(refusal, accept="text/html", instance="/").body == b"<h1>Nein</h1>"
    later = options.answer(options.refusal(EntitlementUnavailable("")), accept="text/html", instance="/")
    assert b"<title>Nein</title>" in later.body


@pytest.mark.parametrize(
    ("path", "exempt"),
    [("/health", True), ("/healthz", True), ("/static/a.css", True), ("/healthcare", False), ("/live", False)],
)
def test_what_is_spared_by_default(path, exempt):
    assert HttpOptions().is_exempt(path) is exempt
