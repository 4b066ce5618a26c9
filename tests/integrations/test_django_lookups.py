"""What Django looks for on a guarded view at each request costs little, and finds what is there."""

from __future__ import annotations

import inspect

import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse
from django.test import Client
from django.views.decorators.csrf import csrf_exempt

from meterguard.gating.proxies import GuardedFunction
from tests.integrations.django_project import MIDDLEWARE, project, set_up

set_up()

CSRF = "django.middleware.csrf.CsrfViewMiddleware"


@pytest.fixture
def guarded(guard):
    return guard.requires_entitlement("Export")(lambda request: HttpResponse("yes"))


def test_a_request_looks_in_vain_for_nothing_but_one_attribute(guarded):
    """Each look in vain would cost half a microsecond. For this one there is no value that means the same as none."""
    missed = []

    class Counting(GuardedFunction):
        def __getattr__(self, name):
            missed.append(name)
            return super().__getattr__(name)

    view = Counting(guarded.__wrapped__, guarded._self_wrapper, guarded._self_enabled)
    with project({"page": view}, {}, MIDDLEWARE=[CSRF, MIDDLEWARE]):
        client = Client(enforce_csrf_checks=True)
        assert client.get("/page").content == b"yes"
        missed.clear()
        assert client.get("/page").content == b"yes"
    assert set(missed) == {"view_class"}


WAYS = {
    "checked": lambda gate, view: gate(view),
    "exempt below": lambda gate, view: gate(csrf_exempt(view)),
    "exempt above": lambda gate, view: csrf_exempt(gate(view)),
}


@pytest.mark.parametrize("way", WAYS)
def test_csrf_is_checked_unless_the_view_is_exempt(guard, way):
    view = WAYS[way](guard.requires_entitlement("Export"), lambda request: HttpResponse("yes"))
    with project({"page": view}, {}, MIDDLEWARE=[CSRF, MIDDLEWARE]):
        status = Client(enforce_csrf_checks=True).post("/page").status_code
    assert status == (403 if way == "checked" else 200)


def test_marks_that_are_put_on_a_guarded_view_are_found(guarded):
    assert non_atomic_requests(guarded)._non_atomic_requests == {"default"}
    assert non_atomic_requests(using="other")(guarded)._non_atomic_requests == {"default", "other"}
    assert guarded.__wrapped__._non_atomic_requests == {"default", "other"}
    assert not iscoroutinefunction(guarded)
    assert iscoroutinefunction(markcoroutinefunction(guarded))
    assert not inspect.isgeneratorfunction(guarded)
