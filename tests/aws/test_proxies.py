"""A proxy of the environment is for other machines: what is meant for this one never reaches it."""

from __future__ import annotations

import pytest

from meterguard.model import Entitlement
from meterguard.ports import ServiceFault

SEAT = (Entitlement("Seats", 1, "Count"),)


@pytest.fixture
def proxy(stranger, monkeypatch):
    """A proxy that answers whatever it is sent; it must see nothing."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, stranger.url)
    stranger.says(b"{}")
    return stranger


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_endpoint_argument_on_this_machine(lm, licence, make_service, proxy, host):
    url = lm.url.replace("127.0.0.1", host)
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=url)
    service.check_in(service.check_out(SEAT, "intent-1").token, parting=True)
    assert proxy.requests == []
    assert lm.calls() == 2


def test_an_endpoint_on_this_machine_from_a_variable(lm, licence, make_service, proxy, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    make_service(key_fingerprint=licence.key_fingerprint).check_out(SEAT, "intent-1")
    assert proxy.requests == []


def test_a_guard_whose_endpoint_is_this_machine(lm, licence, make_guard, proxy):
    assert make_guard(lm, licence).has_entitlement("Export")
    assert proxy.requests == []


def test_another_machine_is_still_reached_through_the_proxy(make_service, proxy):
    service = make_service(endpoint_url="http://license-manager.example")
    with pytest.raises(ServiceFault):
        service.check_out(SEAT, "intent-1")
    assert len(proxy.requests) == 1
