"""Arguments and environment: an argument beats its variable, which beats the default."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from meterguard import ConfigurationError, MeterGuard, config
from meterguard.reasons import OnUnknown
from meterguard.stores.memory_rows import MemoryRows

GIVEN = {"product_sku": "ACME-1", "key_fingerprint": "fingerprint"}


def settled(environ=None, **options):
    return config.settle(config.check(GIVEN | options), environ or {})


# -- where from ----------------------------------------------------------------------------------


def test_without_anything_the_defaults_count():
    settings = settled()
    policy = settings.policy
    assert (settings.product_sku, settings.key_fingerprint, settings.store) == ("ACME-1", "fingerprint", "memory://")
    assert (settings.beneficiary, settings.node_id, settings.region_name, settings.endpoint_url) == (None,) * 4
    assert (policy.on_unknown, policy.grace, policy.denial_ttl, policy.linger) == (OnUnknown.GRACE, 1800.0, 5.0, None)
    assert (policy.refresh_ahead, policy.timeout, policy.max_leases) == (0.2, 10.0, 10_000)
    assert (policy.check_in_on_exit, policy.inline) == (True, False)


VARIABLES = {
    "product_sku": "SKU-2",
    "key_fingerprint": "other",
    "beneficiary": "customer",
    "node_id": "node-7",
    "store": "memory://",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_stands_in_for_an_argument(name):
    environ = {f"METERGUARD_{name.upper()}": f" {VARIABLES[name]} "}
    assert getattr(settled(environ, **{name: None}), name) == VARIABLES[name]
    assert getattr(settled(environ, **{name: "memory://"}), name) == "memory://", "the argument beats it"


def test_a_store_is_named_by_a_url_or_is_an_object():
    store = MemoryRows()
    assert settled({"METERGUARD_STORE": "sqlite:///leases.db"}, store=store).store is store
    for url in ("sqlite:///leases.db", "redis://:hunter2@host:6379/0", "rediss://host"):
        assert settled(store=url).store == settled({"METERGUARD_STORE": url}).store == url
        assert "hunter2" not in repr(settled(store=url))


STRICT = {"METERGUARD_ON_UNKNOWN": "deny", "METERGUARD_GRACE": "90.5"}
LAX = {"METERGUARD_ON_UNKNOWN": "allow", "METERGUARD_GRACE": "3e9"}


@pytest.mark.parametrize("given", [{}, {"on_unknown": "grace", "grace": 100}, {"on_unknown": "allow", "grace": 1e9}])
def test_a_variable_of_the_buyers_machine_makes_it_stricter(given, caplog):
    policy = settled(STRICT, **given).policy
    assert (policy.on_unknown, policy.grace) == (OnUnknown.DENY, 90.5)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({}, (OnUnknown.GRACE, 1800.0)),
        ({"on_unknown": "grace", "grace": 100}, (OnUnknown.GRACE, 100.0)),
        ({"on_unknown": "deny", "grace": 0}, (OnUnknown.DENY, 0.0)),
    ],
)
def test_a_laxer_one_is_ignored_with_one_warning(given, counts, caplog):
    policy = settled(LAX, **given).policy
    assert (policy.on_unknown, policy.grace) == counts
    assert [(one.levelname, one.name) for one in caplog.records] == [("WARNING", "meterguard")] * 2
    assert [one.getMessage().split()[0] for one in caplog.records] == list(LAX)


def test_one_that_says_what_the_program_says_is_no_matter(caplog):
    settled({"METERGUARD_ON_UNKNOWN": "grace", "METERGUARD_GRACE": "1800"})
    settled({"METERGUARD_ON_UNKNOWN": "allow"}, on_unknown="allow")
    assert caplog.records == []


def test_the_program_may_be_laxer_than_the_default(caplog):
    policy = settled({}, on_unknown="allow", grace=timedelta(days=7)).policy
    assert (policy.on_unknown, policy.grace) == (OnUnknown.ALLOW, 604_800.0)
    assert caplog.records == []


def test_an_empty_variable_is_none():
    assert settled({"METERGUARD_NODE_ID": "  ", "METERGUARD_GRACE": ""}).policy.grace == 1800.0


def test_aws_settings_stay_awss():
    settings = settled({"AWS_REGION": "eu-west-1", "METERGUARD_REGION_NAME": "x", "METERGUARD_TIMEOUT": "3"})
    assert (settings.region_name, settings.policy.timeout) == (None, 10.0)


def test_in_lambda_there_are_no_threads_of_our_own():
    assert settled({"AWS_LAMBDA_FUNCTION_NAME": "f"}).policy.inline


@pytest.mark.parametrize("name", ["product_sku", "key_fingerprint"])
def test_what_is_missing_is_named(name):
    with pytest.raises(ConfigurationError) as caught:
        settled(**{name: None})
    variable = f"METERGUARD_{name.upper()}"
    assert str(caught.value) == f"{name} is missing: pass {name}= to MeterGuard or configure(), or set {variable}"


PLACES = (
    "must be 'memory://', 'sqlite:///relative.db', 'sqlite:////absolute.db', 'redis://host:port/db' or 'rediss://...'"
)
SHARED_PLACES = (
    PLACES.replace(" or ", ", ") + ", 'postgresql://user:password@host/db', 'postgres://...', 'django://alias' or "
    "'dynamodb://table'"
)
WRONG_VARIABLES = {
    ("METERGUARD_GRACE", "soon"): "METERGUARD_GRACE must be a number of seconds; got 'soon'",
    ("METERGUARD_GRACE", "-1"): "METERGUARD_GRACE: grace must be seconds or a timedelta, from zero to a hundred years; "
    "got -1.0",
    (
        "METERGUARD_GRACE",
        "nan",
    ): "METERGUARD_GRACE: grace must be seconds or a timedelta, from zero to a hundred years; got nan",
    (
        "METERGUARD_ON_UNKNOWN",
        "DENY",
    ): "METERGUARD_ON_UNKNOWN: on_unknown must be 'grace', 'deny' or 'allow'; got 'DENY'",
    ("METERGUARD_STORE", "tape://:hunter2@host"): f"METERGUARD_STORE: store {SHARED_PLACES}; got tape://...",
}


@pytest.mark.parametrize(("variable", "text"), WRONG_VARIABLES, ids=" ".join)
def test_a_wrong_variable_is_named(variable, text):
    with pytest.raises(ConfigurationError) as caught:
        settled({variable: text})
    assert str(caught.value) == WRONG_VARIABLES[variable, text]


# -- what a guard takes --------------------------------------------------------------------------

DURATION = "must be seconds or a timedelta, from zero to a hundred years; got "
DURATIONS = ["grace", "denial_ttl", "linger", "timeout"]
NO_DURATION = [-1, -0.001, float("nan"), float("inf"), 10**400, True, "5", timedelta(seconds=-1), timedelta.max, [5]]
TEXTS = ["product_sku", "key_fingerprint", "beneficiary", "node_id", "region_name", "endpoint_url"]


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize(
    ("value", "seconds"),
    [(5, 5.0), (0.5, 0.5), (timedelta(minutes=1), 60.0), (100 * 365 * 86_400, 3_153_600_000.0)],
    ids=str,
)
def test_a_duration_is_seconds_or_a_timedelta(name, value, seconds):
    assert getattr(settled(**{name: value}).policy, name) == seconds


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", NO_DURATION, ids=lambda value: repr(value)[:30])
def test_nothing_else_is_a_duration(name, value):
    with pytest.raises(ConfigurationError) as caught:
        MeterGuard(**{name: value})
    assert str(caught.value).startswith(f"{name} {DURATION}")


def test_no_time_at_all_is_no_time_out():
    assert settled(grace=0, denial_ttl=0, linger=0).policy.grace == 0.0
    with pytest.raises(ConfigurationError, match=r"^timeout must be more than zero seconds; got 0$"):
        MeterGuard(timeout=0)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["", "  ", 7, b"x", ["x"]], ids=repr)
def test_a_text_is_a_non_empty_string_and_is_not_repeated(name, value):
    with pytest.raises(ConfigurationError) as caught:
        MeterGuard(**{name: value})
    assert str(caught.value) == f"{name} must be a non-empty string; got {type(value).__name__}"


STORES = "must be a URL, or an object with the methods of meterguard.rows.SharedStore"
MISTAKES = [
    ("refresh_ahead", 0, "refresh_ahead must lie between 0 and 1, both excluded; got 0"),
    ("refresh_ahead", 1, "refresh_ahead must lie between 0 and 1, both excluded; got 1"),
    ("refresh_ahead", float("nan"), "refresh_ahead must lie between 0 and 1, both excluded; got nan"),
    ("refresh_ahead", True, "refresh_ahead must lie between 0 and 1, both excluded; got True"),
    ("refresh_ahead", "0.2", "refresh_ahead must lie between 0 and 1, both excluded; got '0.2'"),
    ("max_leases", 0, "max_leases must be a whole number from 1; got 0"),
    ("max_leases", 1.5, "max_leases must be a whole number from 1; got 1.5"),
    ("max_leases", True, "max_leases must be a whole number from 1; got True"),
    ("check_in_on_exit", "no", "check_in_on_exit must be True or False; got 'no'"),
    ("check_in_on_exit", 0, "check_in_on_exit must be True or False; got 0"),
    ("on_unknown", "open", "on_unknown must be 'grace', 'deny' or 'allow'; got 'open'"),
    ("on_unknown", False, "on_unknown must be 'grace', 'deny' or 'allow'; got False"),
    ("store", "tape://", f"store {SHARED_PLACES}; got tape://..."),
    ("store", "memory", f"store {SHARED_PLACES}; got no URL"),
    ("store", " ", "store must be a non-empty string; got str"),
    ("store", 7, f"store {STORES}; got int without read()"),
    ("store", MemoryRows, f"store {STORES}; got the class MemoryRows"),
    ("store", frozenset(), f"store {STORES}; got frozenset without read()"),
    ("ledger", "tape://", f"ledger {PLACES}; got tape://..."),
    ("ledger", "", "ledger must be a non-empty string; got str"),
]


@pytest.mark.parametrize(("name", "value", "said"), MISTAKES, ids=[f"{name}={value!r}" for name, value, _ in MISTAKES])
def test_a_mistake_is_told_when_it_is_made(name, value, said):
    with pytest.raises(ConfigurationError) as caught:
        MeterGuard(**{name: value})
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["grace", "denial_ttl", "linger", "refresh_ahead", "timeout", "max_leases"])
def test_none_leaves_the_default_of_a_number(name):
    assert getattr(settled(**{name: None}).policy, name) == config.OPTIONS[name].default
    assert "None means the same, and leaves the default in place" in " ".join(MeterGuard.__doc__.split())


def test_none_is_not_given():
    """So that settings of a framework can be passed on as they are."""
    guard = MeterGuard(**dict.fromkeys(config.OPTIONS))
    assert repr(guard) == "<MeterGuard of the environment>"
    assert settled(**dict.fromkeys(config.OPTIONS.keys() - GIVEN)) == settled()


def test_the_table_is_what_a_guard_takes():
    shown = inspect.signature(MeterGuard).parameters
    assert {name: one.default for name, one in shown.items()} == {
        name: option.default for name, option in config.OPTIONS.items()
    }
    for name, option in config.OPTIONS.items():
        assert f":param {name}: {option.meaning}" in MeterGuard.__doc__
    with pytest.raises(TypeError, match=r"^MeterGuard\(\) got an unexpected keyword argument 'tiemout'$"):
        MeterGuard(tiemout=5)


# -- a refresh token -----------------------------------------------------------------------------

FILE = {"METERGUARD_REFRESH_TOKEN_FILE": " /run/token "}


def test_the_file_of_a_refresh_token_is_no_stand_in_for_the_argument():
    settings = settled(FILE)
    assert (settings.refresh_token, settings.refresh_token_file) == (None, Path("/run/token"))
    assert settled({"METERGUARD_REFRESH_TOKEN": "a.b.c"}).refresh_token is None
    assert settled({"METERGUARD_REFRESH_TOKEN_FILE": " "}).refresh_token_file is None


@pytest.mark.parametrize("given", [{"refresh_token": "a.b.c"}, {"trust_env": False}, {"session": boto3.Session()}])
def test_it_is_not_followed_where_arguments_say_which_credentials_count(given):
    assert settled(FILE, **given).refresh_token_file is None


def test_a_refresh_token_is_a_text_or_a_path_and_no_repr_shows_it():
    settings = settled(refresh_token=" head.payload.signature\n")
    assert settings.refresh_token == "head.payload.signature"
    assert "payload" not in repr(settings)
    assert settled(refresh_token=Path("token")).refresh_token == Path("token")
    for wrong in ("", " ", 5, b"a.b.c"):
        with pytest.raises(ConfigurationError, match=r"^refresh_token must be "):
            MeterGuard(refresh_token=wrong)


@pytest.mark.parametrize("other", ["client", "session"])
def test_a_refresh_token_goes_with_neither_client_nor_session(other):
    given = {"client": boto3.client("license-manager"), "session": boto3.Session()}[other]
    with pytest.raises(ConfigurationError) as caught:
        MeterGuard(refresh_token="a.b.c", **{other: given})
    assert str(caught.value) == f"give refresh_token= or {other}=, not both: {other}= has credentials of its own"


# -- without trust in the environment --------------------------------------------------------------


def test_no_variable_of_ours_is_followed():
    environ = {
        **{f"METERGUARD_{name.upper()}": text for name, text in VARIABLES.items()},
        **STRICT,
        "METERGUARD_STORE": "sqlite:///theirs.db",
        "METERGUARD_LEDGER": "sqlite:///theirs.db",
        "METERGUARD_STORE_KEY": "k" * 40,
        "METERGUARD_GRACE": "nonsense",
        "METERGUARD_TRUST_ENV": "true",
    }
    assert settled(environ, trust_env=False) == settled({}, trust_env=False)


def test_what_only_restricts_and_what_frozen_worlds_need_is_followed():
    environ = {"METERGUARD_LOOPBACK_ONLY": "1", "AWS_LAMBDA_FUNCTION_NAME": "f"}
    settings = settled(environ, trust_env=False)
    assert (settings.loopback_only, settings.policy.inline) == (True, True)


@pytest.mark.parametrize("name", ["product_sku", "key_fingerprint"])
def test_no_advice_is_given_that_would_not_help(name):
    with pytest.raises(ConfigurationError) as caught:
        settled({f"METERGUARD_{name.upper()}": "theirs"}, trust_env=False, **{name: None})
    assert str(caught.value) == (
        f"{name} is missing: pass {name}= to MeterGuard or configure(); trust_env=False follows no variable"
    )


def test_an_endpoint_for_tests_is_for_guards_that_could_not_be_pointed_elsewhere(monkeypatch):
    monkeypatch.setattr(config, "endpoint_in_tests", "http://127.0.0.1:4020")
    assert settled(trust_env=False).endpoint_url == "http://127.0.0.1:4020"
    assert settled(trust_env=False, endpoint_url="http://host").endpoint_url == "http://host"
    assert settled(trust_env=True).endpoint_url is None
