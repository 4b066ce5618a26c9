"""The pytest plugin: fixtures, markers, a check for leaks, and a bar against AWS by accident.

pytest imports this module wherever meterguard is installed, so it imports nothing but pytest. Nothing here is done
to a test that does not ask for it, but for one environment variable: a client of meterguard's own refuses to talk to
another machine while tests run.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .emulator import Emulator
    from .testing import Clock, Control

_LOOPBACK_ONLY = "METERGUARD_LOOPBACK_ONLY"
_MARK = "meterguard"
_IS_KEPT = pytest.StashKey[bool]()
_LEVELS = ("error", "warn", "off")
_MARKERS = (
    "meterguard(grant={...}, deny=[...], exhaust=[...], leaks=..., on_unused=..., **guard): the fixture's licence.",
    "meterguard_live: let meterguard talk to AWS in this test.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings of the plugin."""
    parser.addini(
        "meterguard_leaks",
        "What a seat or a charge that a test leaves open is: error, warn or off.",
        default="warn",
    )
    parser.addini("meterguard_allow_aws", "Let meterguard talk to AWS in all tests.", type="bool", default=False)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep meterguard from AWS, also in modules that ask while they are imported: developers have live profiles."""
    _keep_from_aws(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse a wrong setting."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    leaks = config.getini("meterguard_leaks")
    if leaks not in _LEVELS:
        raise pytest.UsageError(f"the ini option {_no_level('meterguard_leaks', leaks)}")
    _keep_from_aws(config)  # where a conftest names the plugin, it came too late for the hook above


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test with the marker the fixture, also where the test does not name it."""
    names = getattr(item, "fixturenames", None)
    if names is not None and _MARK not in names and item.get_closest_marker(_MARK) is not None:
        names.append(_MARK)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test with the marker ``meterguard_live`` ask AWS."""
    if item.get_closest_marker("meterguard_live") is None:
        return (yield)
    restore = _set_loopback_only(None)
    try:
        return (yield)
    finally:
        restore()


def _keep_from_aws(config: pytest.Config) -> None:
    if _IS_KEPT not in config.stash:
        config.stash[_IS_KEPT] = True
        is_allowed = config.getini("meterguard_allow_aws")
        config.add_cleanup(_set_loopback_only(None if is_allowed else "1"))


def _set_loopback_only(value: str | None) -> Callable[[], None]:
    """Set the variable or remove it, and return the function that puts it back."""
    before = os.environ.get(_LOOPBACK_ONLY)

    def put(value: str | None) -> None:
        if value is None:
            os.environ.pop(_LOOPBACK_ONLY, None)
        else:
            os.environ[_LOOPBACK_ONLY] = value

    put(value)
    return lambda: put(before)


# -- fixtures ----------------------------------------------------------------------------------------


@pytest.fixture
def meterguard(request: pytest.FixtureRequest) -> Iterator[Control]:
    """Give a test a licence of its own, and a default guard for it; see :class:`meterguard.testing.Control`."""
    from .default import exchange_guard
    from .testing import Control

    marked = _marked(request.node)
    leaks = _level("leaks", marked.pop("leaks", request.config.getini("meterguard_leaks")))
    on_unused = _level("on_unused", marked.pop("on_unused", "off"))
    deny, exhaust = _names("deny", marked.pop("deny", ())), _names("exhaust", marked.pop("exhaust", ()))
    control = Control(marked.pop("grant", {}), **marked)
    control.deny(*deny)
    control.exhaust(*exhaust)
    before = exchange_guard(control.guard)
    try:
        yield control
        leaked, unused = control.leaks(), control.unused()
    finally:
        exchange_guard(before)
        control.close()
    if leaked:
        _tell(leaks, SeatLeaked(f"{request.node.nodeid} did not give back {', '.join(leaked)}: {_HOW_TO_LEAK}"))
    if unused:
        _tell(
            on_unused, GrantUnused(f"{request.node.nodeid} never asked for {', '.join(unused)}, which it was granted")
        )


@pytest.fixture
def meterguard_emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve a License Manager on a port of this machine, and let the environment point every boto3 client at it.

    Clients of AWS Marketplace's metering and entitlements are pointed at it too.

    Sets the endpoint, a Region and credentials that open nothing. Guards with ``trust_env=False`` are pointed at it
    too. A default guard that the test made is closed at its end. In a test that has the `meterguard` fixture too it
    is the emulator of that.
    """
    if _MARK in request.fixturenames:
        control: Control = request.getfixturevalue(_MARK)
        with control.emulator as emulator:
            _point_at(emulator, monkeypatch)
            yield emulator
        return
    from .default import exchange_guard
    from .emulator import Emulator

    with Emulator() as emulator:
        _point_at(emulator, monkeypatch)
        before = exchange_guard(None)
        try:
            yield emulator
        finally:
            made = exchange_guard(before)
            if made is not None:
                made.close()


def _point_at(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from . import config
    from .emulator.serving.loopback import unproxied

    for name, value in {**_environment(emulator), **unproxied(os.environ)}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "endpoint_in_tests", emulator.url)  # for guards that trust no environment


def _environment(emulator: Emulator) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": emulator.url,
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": emulator.url,
        "AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE": emulator.url,
        "AWS_REGION": emulator.region,
        "AWS_DEFAULT_REGION": emulator.region,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def meterguard_clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    """Move time for the emulator and the guards of the test by ``shift(seconds)``, and for nothing else."""
    from .testing import Clock

    if _MARK in request.fixturenames:
        control: Control = request.getfixturevalue(_MARK)
        yield control.clock
        return
    emulators = [request.getfixturevalue(name) for name in ("meterguard_emulator",) if name in request.fixturenames]
    clock = Clock(*emulators)
    try:
        yield clock
    finally:
        clock.restore()


# -- marker, leaks -----------------------------------------------------------------------------------


def _marked(node: pytest.Item) -> dict[str, Any]:
    """Return the arguments of the markers; the closest marker has the last word."""
    said: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(_MARK))):
        if marker.args:
            raise _wrong_marker(f"@pytest.mark.meterguard takes keywords only: {_MARKERS[0]}")
        grant = marker.kwargs.get("grant", {})
        if not isinstance(grant, dict):
            raise _wrong_marker(
                f"grant= of @pytest.mark.meterguard must be a dict such as {{'Seats': 5}}; got {grant!r}"
            )
        said |= {**marker.kwargs, "grant": {**said.get("grant", {}), **grant}}
    return said


def _names(argument: str, names: object) -> tuple[str, ...]:
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise _wrong_marker(f"{argument}= of @pytest.mark.meterguard must be a list of names; got {names!r}")
    return tuple(names)


def _level(argument: str, level: object) -> str:
    if level not in _LEVELS:
        raise _wrong_marker(_no_level(argument, level))
    return str(level)


def _no_level(name: str, level: object) -> str:
    return f"{name} must be one of {', '.join(_LEVELS)}; got {level!r}"


def _wrong_marker(what: str) -> Exception:
    from .errors import ConfigurationError

    return ConfigurationError(what)


_HOW_TO_LEAK = (
    "a gate with hold='call', or a draw, was entered and not left, or a generator or response behind one was neither "
    "read to its end nor closed"
)


class SeatLeaked(UserWarning):
    """A test ended, and a seat of a single call was not given back, or units of a draw were left reserved."""


class GrantUnused(UserWarning):
    """A test ended, and never asked for what it was granted."""


def _tell(level: str, what: UserWarning) -> None:
    if level == "error":
        pytest.fail(str(what), pytrace=False)
    if level == "warn":
        warnings.warn(what, stacklevel=2)
