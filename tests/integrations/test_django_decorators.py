"""Guards are seen wherever Django's decorators put them."""

from __future__ import annotations

import pytest
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from meterguard import requires_entitlement
from meterguard.integrations.django_decorators import is_guarded
from tests.integrations.django_project import set_up

set_up()

gate = requires_entitlement("Export")


def handle(self, request):
    return request


def dispatch(self, request):
    return handle(self, request)


def view_of(dispatch):
    return type("Report", (View,), {"get": handle, "dispatch": dispatch}).as_view()


SEEN = {
    "function": gate(lambda request: None),
    "below": never_cache(gate(lambda request: None)),
    "handler": method_decorator(gate)(handle),
    "dispatch": view_of(gate(dispatch)),
    "method_decorator": view_of(method_decorator(gate)(View.dispatch)),
    "several": view_of(method_decorator([never_cache, gate])(View.dispatch)),
    "stacked": view_of(method_decorator(never_cache)(method_decorator(gate)(View.dispatch))),
}
FREE = {
    "function": never_cache(lambda request: None),
    "class": type("Report", (View,), {"get": handle}).as_view(),
    "method_decorator": view_of(method_decorator(never_cache)(View.dispatch)),
    "nothing": None,
}


@pytest.mark.parametrize("way", SEEN)
def test_a_guard_is_seen(way):
    assert is_guarded(SEEN[way])


@pytest.mark.parametrize("way", FREE)
def test_what_has_no_guard_has_none(way):
    assert not is_guarded(FREE[way])
