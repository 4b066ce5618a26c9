"""What tests share: credentials that open nothing, an emulator of the service, guards that get closed."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import settings

from meterguard.runtime import check_ins, registry
from tests import extras

# Started in the background by some shells, a process is deaf to Ctrl-C, and so would be those that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that does something else as well is no failure.
settings.register_profile("meterguard", settings(), deadline=None)
settings.load_profile("meterguard")


def pytest_ignore_collect(collection_path):
    if collection_path.name.startswith("test_") and extras.missing_for(collection_path):
        return True
    return None  # others may have a say


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if extras.missing_for_item(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def forget_default_guard():
    """As before ``configure()`` or the first ``get_guard()``."""
    module = sys.modules.get("meterguard.default")
    if module is not None and module._default is not None:
        module._default.close()
        module._default = None


@pytest.fixture(scope="session", autouse=True)
def _models_read_once():
    """Let boto3's sessions share what they read of its models, or every guard of every test reads it twice."""
    import botocore.session

    plain, read = botocore.session.create_loader, {}

    def create_loader(paths=None):
        loader = plain(paths)
        vars(loader)["_cache"] = read.setdefault(paths, {})
        return loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", create_loader)
        yield


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Fake credentials, none of the settings in the developer's own environment, no default guard yet."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "METERGUARD_"))]:
        if name != "METERGUARD_LOOPBACK_ONLY":  # which our own plugin sets
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield
    forget_default_guard()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A caller waits two seconds for its seat to be given back, then goes on; a busy machine may take longer."""
    monkeypatch.setattr(check_ins, "CHECK_IN_WAIT", 30)
    monkeypatch.setattr(registry, "CHECK_IN_WAIT", 30)


@pytest.fixture
def a_server():
    """For tests that start an emulator elsewhere: without what it takes to serve, they are left out."""


@pytest.fixture
def lm(environment):
    """A License Manager of the test's own."""
    from meterguard.emulator import Emulator

    with Emulator() as emulator:
        yield emulator
        forget_default_guard()


@pytest.fixture
def clock(lm):
    """The clock of emulator and guards together, moved by hand."""
    from meterguard.testing import Clock

    clock = Clock(lm)
    yield clock
    clock.restore()


@pytest.fixture
def make_guard(environment):
    """``make_guard(lm, licence, **options)``: a guard for that licence, closed when the test ends."""
    import meterguard

    guards = []

    def make(lm, licence, **options):
        defaults = {
            "product_sku": licence.product_sku,
            "key_fingerprint": licence.key_fingerprint,
            "endpoint_url": lm.url,
            "region_name": lm.region,
            "timeout": 15,  # a machine that does something else as well is no failure
        }
        guards.append(meterguard.MeterGuard(**defaults | options))
        return guards[-1]

    yield make
    for guard in guards:
        guard.close()
