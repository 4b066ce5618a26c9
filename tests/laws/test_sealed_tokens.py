"""Secrets in a shared store: sealed where METERGUARD_STORE_KEY is set, and told of once where it is not."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from meterguard import ConfigurationError
from meterguard.stores.memory_rows import MemoryRows

KEY, OTHER = "k" * 32, "o" * 32


class Fleet(MemoryRows):
    is_fleet = True


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 2, "Count")], ttl=3600)


def seat(guard, **options):
    return guard.requires_entitlement("Seats", 1, "Count", **options)


def test_no_token_stands_in_the_store(lm, licence, make_guard, monkeypatch):
    monkeypatch.setenv("METERGUARD_STORE_KEY", KEY)
    store = Fleet()
    with seat(make_guard(lm, licence, store=store)) as lease, seat(make_guard(lm, licence, store=store)) as same:
        assert same.token == lease.token
        text = "".join(row.body for _, row in store.rows(""))
        assert lease.token not in text
        assert (lease.signed_token or lease.token) not in text
        assert text.count("sealed:1:") >= 1
    assert lm.calls("CheckoutLicense") == 1


def test_another_key_opens_nothing_and_says_so(lm, licence, make_guard, monkeypatch):
    monkeypatch.setenv("METERGUARD_STORE_KEY", KEY)
    store = Fleet()
    with seat(make_guard(lm, licence, store=store)):
        for key in (OTHER, ""):
            monkeypatch.setenv("METERGUARD_STORE_KEY", key)
            with pytest.raises(ConfigurationError, match="METERGUARD_STORE_KEY is another one") as caught:
                seat(make_guard(lm, licence, store=store)).__enter__()
            assert "sealed" not in str(caught.value)
    assert lm.calls("CheckoutLicense") == 1


def test_a_key_may_be_set_while_leases_are_held(lm, licence, make_guard, monkeypatch):
    store = Fleet()
    with seat(make_guard(lm, licence, store=store)) as lease:
        monkeypatch.setenv("METERGUARD_STORE_KEY", KEY)
        with seat(make_guard(lm, licence, store=store)) as same:
            assert same.token == lease.token


def test_a_short_key_is_refused(lm, licence, make_guard, monkeypatch):
    monkeypatch.setenv("METERGUARD_STORE_KEY", "secret")
    with pytest.raises(ConfigurationError, match="at least 32 characters") as caught:
        seat(make_guard(lm, licence, store=Fleet())).__enter__()
    assert "secret'" not in str(caught.value)


WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "cryptography":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
from meterguard import MissingExtra
try:
    import meterguard.stores.seals
except MissingExtra as missing:
    print(missing)
"""


def test_without_the_package_the_extra_is_named():
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert told == "METERGUARD_STORE_KEY needs a package that is not installed: pip install 'meterguard[seal]'\n"


@pytest.mark.parametrize(("store", "times"), [(Fleet, 1), (MemoryRows, 0)])
def test_a_fleet_without_a_key_is_warned_once(lm, licence, make_guard, caplog, store, times):
    with caplog.at_level(logging.WARNING, "meterguard"):
        guard = make_guard(lm, licence, store=store())
        for _ in range(3):
            with seat(guard, hold="call"):
                pass
    assert caplog.text.count("METERGUARD_STORE_KEY") == times
