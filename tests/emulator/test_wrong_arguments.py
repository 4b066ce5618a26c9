"""Every entry point refuses what makes no sense, with a ConfigurationError that names the argument."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

import meterguard
from meterguard.emulator import Behavior, Clock, Emulator, Entitlement, Fault, PolicyError, Seed, load_seed, serve

SEATS = [("Seats", 3, "Count")]
DEEP = 5000
NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture
def quiet():
    """An emulator that does not serve."""
    return Emulator()


def refused(call, name):
    """Assert that this is refused by name, in one short line."""
    with pytest.raises(meterguard.ConfigurationError) as error:
        call()
    text = str(error.value)
    assert name in text
    assert "\n" not in text
    assert len(text) < 700


# -- an emulator -------------------------------------------------------------------------------------

OPTIONS = {
    "port": ["4020", -1, 65536, 1.5, True, None],
    "seed": [1.5, 7, b"seed.json", [], {}],
    "account_id": [111122223333, "", b"1", []],
    "region": [1, "", ["us-east-1"]],
    "accounts": [["AKIA"], "AKIA", {"AKIA": 1}, {1: "111122223333"}],
    "organizations": [["arn"], {"arn": "111122223333"}, {"arn": [1]}, {1: ["1"]}],
    "clock": [0, "2026-01-01", Clock],
    "behavior": [{}, Behavior, "safe"],
    "random_seed": [1.5, "1", True],
    "state": [5, "", b"state.db", ["state.db"]],
    "verify_signatures": [None, "yes", 1, {"AKIA": 1}, ["AKIA"]],
    "policy": [5, True, ["Statement"], "", {"AKIA": 5}, {5: {"Statement": []}}, {"Statement": 5}],
    "most_requests": ["5", 0, -1, 1.5, True],
    "on_request": [5, "print"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OPTIONS.items() for value in values])
def test_options_of_an_emulator(name, value):
    refused(lambda: Emulator(**{name: value}), name)


def test_all_options_are_in_the_table():
    import inspect

    assert OPTIONS.keys() == inspect.signature(Emulator).parameters.keys()


TERMS = {
    "ttl": ["60", 0, -1, NAN, INFINITE, True, [], timedelta(seconds=60)],
    "entitlements": [None, "Seats", 5, {"Seats": 3}, ["Seats"], [5], [["Seats", 3, "Count", "more"]], [[["Seats"]]]],
    "entitlements ": [[["Seats", 3, ["Count"]]], [["Seats", 3, 5]], [{"name": []}], [{"name": "A", "overage": 1}]],
    "entitlement ": [[Entitlement("A", "Pieces")], [Entitlement("A", "Count", "3")], [{"name": "A", "colour": 1}]],
    "issuer_account": [5, "", []],
    "issuer_name": [5, "", None],
    "beneficiary": [5, "", []],
    "recipients": ["111122223333", 5, [5]],
    "begin": ["tomorrow", -1, True, [], 1e300],
    "end": ["tomorrow", -1, True, [], "1980-01-01"],
    "allow_check_in": [None, "yes", 1],
    "overage": [None, "yes", 1],
    "name": [5, "", None],
    "product_name": [5, ""],
    "home_region": [5, "", None],
    "status": [5, "FINE", [], None],
    "renew_type": [5, "Yearly", [], None],
    "borrow_ttl": ["60", 0, NAN],
    "borrow_early_check_in": [None, 1],
    "metadata": [5, [], {"a": 1}, {1: "a"}],
    "sign_key": [5, ""],
    "colour": ["red"],
}
EACH_TERM = [(name.strip(), value) for name, values in TERMS.items() for value in values]


@pytest.mark.parametrize(("name", "value"), EACH_TERM)
def test_terms_of_a_licence(quiet, name, value):
    refused(lambda: quiet.add_license(**{"product_sku": "A", "entitlements": SEATS, name: value}), name)
    assert quiet.licenses() == []


@pytest.mark.parametrize("value", [None, "", 5, ["A"]])
def test_the_product_of_a_licence(quiet, value):
    refused(lambda: quiet.add_license(value, SEATS), "product_sku")


@pytest.mark.parametrize(
    ("name", "value"), [pair for pair in EACH_TERM if pair[0] not in ("recipients", "allow_check_in", "overage")]
)
def test_changes_of_a_licence(quiet, name, value):
    licence = quiet.add_license("A", SEATS)
    refused(lambda: quiet.update_license(licence, **{name: value}), name)
    assert quiet.license("A") == licence


PRODUCT = {
    "code": [None, "", 5, "a b", "x" * 256, ["A"]],
    "dimensions": [None, "pages", 5, [5], {"pages": 1}],
    "customers": ["111122223333", 5, {"account_id": "111122223333"}],
    "account_id": [[None], [5], ["Jo"], [""], [{}], [{"account_id": "Jo"}], ["111122223333\n"]],
    "license_arn": [[{"account_id": "1", "license_arn": "x"}]],
    "begin": [[{"account_id": "1", "begin": "soon"}]],
    "end": [[{"account_id": "1", "end": []}]],
    "entitlements": [[{"account_id": "1", "entitlements": ["pages"]}]],
    "dimension": [[{"account_id": "1", "entitlements": {"words": 1}}], [{"account_id": "1", "entitlements": {"": 1}}]],
    "value": [[{"account_id": "1", "entitlements": {"pages": one}}] for one in (None, [], 2**31, NAN, INFINITE, b"1")],
    "colour": [[{"account_id": "1", "colour": "red"}]],
    "seller_account": [5, "", []],
    "agentcore": [None, 1, "yes"],
    "customer_identifiers": [None, 1],
    "public_key_version": [0, "1", 1.5, True, 2**31, None],
}
OF_CUSTOMERS = {"account_id", "license_arn", "begin", "end", "entitlements", "dimension", "value", "colour"}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in PRODUCT.items() for value in values])
def test_terms_of_a_product(quiet, name, value):
    argument = "customers" if name in OF_CUSTOMERS else name
    refused(lambda: quiet.add_product(**{"code": "A", "dimensions": ["pages"], argument: value}), name)
    assert quiet.products() == []


def test_a_product_and_a_licence_are_sold_once(quiet):
    licence = quiet.add_license("A", SEATS)
    refused(lambda: quiet.add_product("A", ["pages"], [licence, licence]), "customers")
    product = quiet.add_product("A", ["pages"], [licence])
    refused(lambda: quiet.add_product("A", ["pages"]), "code")
    refused(lambda: quiet.add_product("B", ["pages"], [licence]), "customers")
    refused(lambda: product.add_customer(licence), "customers")
    assert (len(quiet.products()), len(product.customers)) == (1, 1)


CALLS = {
    "product code": lambda lm: lm.product(5),
    "product code none": lambda lm: lm.product("NONE"),
    "bill product": lambda lm: lm.bill(5),
    "bill product empty": lambda lm: lm.bill(""),
    "bill customer": lambda lm: lm.bill(customer=5),
    "entitle dimension": lambda lm: lm.add_product("A", ["pages"]).customers[0].entitle("words", 1),
    "entitle value": lambda lm: lm.add_product("A", ["pages"]).customers[0].entitle("pages", None),
    "entitle end": lambda lm: lm.add_product("A", ["pages"]).customers[0].entitle("pages", 1, end="soon"),
    "Seed products": lambda _: Seed(products=5),
    "receive account": lambda lm: lm.receive("A", account=5),
    "receive status": lambda lm: lm.receive("A", status=[]),
    "receive status word": lambda lm: lm.receive("A", status="GONE"),
    "receive operations": lambda lm: lm.receive("A", operations="CheckoutLicense"),
    "receive operations number": lambda lm: lm.receive("A", operations=5),
    "receive operations word": lambda lm: lm.receive("A", operations=["DoAsYouLike"]),
    "receive licence": lambda lm: lm.receive("NONE"),
    "license licence": lambda lm: lm.license(5),
    "update_license licence": lambda lm: lm.update_license(None, ttl=5),
    "usage licence": lambda lm: lm.usage(["A"]),
    "usage licence none": lambda lm: lm.usage("NONE"),
    "checkouts licence": lambda lm: lm.checkouts(5),
    "calls operation": lambda lm: lm.calls(5),
    "wait_for_calls operation": lambda lm: lm.wait_for_calls(5),
    "wait_for_calls count": lambda lm: lm.wait_for_calls("CheckoutLicense", "1"),
    "wait_for_calls timeout": lambda lm: lm.wait_for_calls("CheckoutLicense", 1, "5"),
    "wait_for_calls done": lambda lm: lm.wait_for_calls("CheckoutLicense", 1, 0, done="yes"),
    "down status": lambda lm: lm.down(status="503"),
    "down stat": lambda lm: lm.down(stat=503),
    "attach to": lambda lm: lm.attach(5),
    "attach to nothing": lambda lm: lm.attach(None),
    "add operation": lambda lm: lm.faults.add(5),
    "add operation none": lambda lm: lm.faults.add(None),
    "add operation list": lambda lm: lm.faults.add(["CheckoutLicense"]),
    "active tims": lambda lm: lm.faults.active("*", tims=1).__enter__(),
    "remove fault": lambda lm: lm.faults.remove(5),
    "advance duration": lambda lm: lm.clock.advance("60"),
    "advance duration none": lambda lm: lm.clock.advance(None),
    "advance duration flag": lambda lm: lm.clock.advance(True),
    "advance duration nan": lambda lm: lm.clock.advance(NAN),
    "advance duration long": lambda lm: lm.clock.advance(timedelta.max),
    "advance duration far": lambda lm: lm.clock.advance(-3e9),
    "set moment": lambda lm: lm.clock.set("tomorrow"),
    "set moment none": lambda lm: lm.clock.set(None),
    "freeze moment": lambda lm: lm.clock.freeze([]),
    "Clock start": lambda _: Clock("now"),
    "serve ready": lambda _: serve(0, ready=5),
    "serve port": lambda _: serve("0"),
    "load_seed path": lambda _: load_seed(5),
    "Behavior replay_window": lambda _: Behavior(replay_window="60"),
    "Behavior extend_from": lambda _: Behavior(extend_from=["now"]),
    "Fault times": lambda _: Fault(operation="*", times=0),
    "Seed licenses": lambda _: Seed(licenses=5),
    "Seed faults": lambda _: Seed(faults=[5]),
    "Seed accounts": lambda _: Seed(accounts={"a": 1}),
    "Seed organizations": lambda _: Seed(organizations={"a": "b"}),
    "Seed behavior": lambda _: Seed(behavior={}),
    "Seed region": lambda _: Seed(region=5),
    "Seed account_id": lambda _: Seed(account_id=5),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls(quiet, case):
    quiet.add_license("A", SEATS)
    refused(lambda: CALLS[case](quiet), case.split()[1])


FAULT = {
    "error": [5, "", "two\nlines"],
    "message": [5],
    "status": ["503", 99, 600, True],
    "location": [5, "a\nb"],
    "headers": [5, ["a"], {"a b": "c"}, {"a": 5}, {5: "a"}, {"a": "\n"}],
    "latency": ["1", -1, NAN, None],
    "hold": [1, None],
    "drop": ["during", True, []],
    "body": ["long", 5, []],
    "partial": [5, {"Seats": -1}, {5: 1}, [5]],
    "strip": [5, [5], {"a": 1}, None],
    "skew": ["1", NAN, None],
    "lifetime": [[], NAN, True],
    "tamper": ["forge", 5, [], True],
    "claims": [5, "nodeId", None, {5: "a"}, {"a": NAN}, {"a": {1}}],
    "applied": [1],
    "times": [0, "1", 1.5, True],
    "skip": [-1, "1", None],
    "probability": [0, 1.1, "1", NAN],
    "seed": ["1", 1.5],
    "after": ["1", -1, None, timedelta(seconds=-1)],
    "until": ["1", -1, 0],
    "when": [5, "x"],
    "latancy": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FAULT.items() for value in values])
def test_options_of_a_fault(quiet, name, value):
    refused(lambda: quiet.faults.add("*", **{name: value}), name)
    assert len(quiet.faults) == 0


# -- files -------------------------------------------------------------------------------------------


def nested(start, end):
    return start * DEEP + end * DEEP


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("seed.json", "DEEP"),
        ("seed.json", '{"licenses": DEEP}'),
        ("seed.json", '{"licenses": [{"product_sku": DEEP}]}'),
        ("seed.json", '{"faults": [{"operation": "*", "headers": DEEP}]}'),
        ("seed.json", '{"faults": [{"operation": "*", "claims": {"a": DEEP}}]}'),
        ("seed.json", '{"a":' * DEEP + "1" + "}" * DEEP),
        ("seed.toml", "licenses = DEEP"),
        ("seed.toml", "a" + ".a" * DEEP + " = 1"),
        ("seed.json", '{"region": "\\ud800'),
        ("seed.json", '{"licenses": [{}]}'),
        ("seed.json", '{"faults": [{}]}'),
        ("seed.json", '{"behavior": []}'),
        ("seed.json", '{"licenses": [{"product_sku": "A", "entitlements": [[LONG]]}]}'),
    ],
)
def test_seed_files(tmp_path, file, text):
    path = tmp_path / file
    path.write_text(text.replace("DEEP", nested("[", "]")).replace("LONG", "9" * 4000))
    with pytest.raises(meterguard.ConfigurationError, match=rf"^{file}: .|^(licenses|faults)\[0\]: .") as error:
        Emulator(seed=path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["DEEP", '{"Statement": DEEP}', "5", '{"Statement": [5]}'])
def test_policy_files(tmp_path, text):
    file = tmp_path / "policy.json"
    file.write_text(text.replace("DEEP", nested("[", "]")))
    refused(lambda: Emulator(policy=file), "policy.json")
    with pytest.raises(PolicyError):
        Emulator(policy=str(file))


def documents(value, path=()):
    """Every member of a document, and a wrong value to put there."""
    if isinstance(value, dict) and value:
        yield from ((path, {}), (path, []), (path, {**value, "colour": 1}))
        for name, member in value.items():
            yield from documents(member, (*path, name))
    elif isinstance(value, list):
        yield from ((path, {}), (path, 5), (path, "text"))
        for index, member in enumerate(value):
            yield from documents(member, (*path, index))
    else:
        yield from ((path, wrong) for wrong in ({"a": 1}, [[1]], [] if value is None else None))


def put(value, path, member):
    if not path:
        return member
    changed = value.copy()
    changed[path[0]] = put(value[path[0]], path[1:], member)
    return changed


NONE_IS_RIGHT = {"value", "max_count", "overage", "allow_check_in", "count", "node_id", "beneficiary", "region"}
NONE_IS_RIGHT |= {"end", "ttl", "borrow_ttl", "renew_type", "sign_key", "begin_text", "end_text", "reason", "options"}
NONE_IS_RIGHT |= {"kind", "frozen"}
ANYTHING = {"asked", "answer", "options"}


def is_right(path, wrong):
    """Members that may be None, and those in which the file keeps what a client sent."""
    if not path:
        return False
    *above, name = path
    is_none = wrong is None and (name in NONE_IS_RIGHT or "metadata" in above)
    return is_none or any(one in ANYTHING for one in above) or (name in ANYTHING and isinstance(wrong, dict))


def test_every_member_of_a_state_file(tmp_path, connect):
    file, bad = tmp_path / "state.db", tmp_path / "bad.db"
    with Emulator(state=file) as lm:
        licence = lm.add_license(
            "A", [*SEATS, ("Export", "on", "None")], metadata={"a": "b"}, end=lm.clock.now() + 9000
        )
        client = connect(url=lm.url)
        asked = {"ProductSKU": "A", "KeyFingerprint": licence.key_fingerprint, "CheckoutType": "PROVISIONAL"}
        seats = [{"Name": "Seats", "Value": "1", "Unit": "Count"}, {"Name": "Export", "Unit": "None"}]
        client.checkout_license(**asked, Entitlements=seats, ClientToken="one")
        client.checkout_license(**asked | {"CheckoutType": "PERPETUAL"}, Entitlements=seats, ClientToken="two")
        lm.clock.advance(1)
    content = file.read_bytes()
    with closing(sqlite3.connect(file)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [(name, *row) for name in tables for row in database.execute(f"SELECT key, document FROM {name}")]
    tried = 0
    for table, key, document in rows:
        told = json.loads(document)
        for path, wrong in [*documents(told), ((), "\x00deep")]:
            if is_right(path, wrong):
                continue
            text = nested("[", "]") if wrong == "\x00deep" else json.dumps(put(told, path, wrong))
            if json.loads(text if wrong != "\x00deep" else "0") == told:
                continue
            bad.write_bytes(content)
            with closing(sqlite3.connect(bad, isolation_level=None)) as database:
                database.execute(f"UPDATE {table} SET document = ? WHERE key = ?", (text, key))
            with pytest.raises(meterguard.ConfigurationError, match=rf"bad\.db is damaged: .* of {table} ") as error:
                pytest.fail(f"{table} {path} {wrong} was taken: {Emulator(state=bad)}")
            assert "\n" not in str(error.value)
            tried += 1
    assert tried > 200


@pytest.mark.parametrize("key", ["5", "[]", "nonsense", "{}", nested("[", "]")])
def test_a_key_of_a_state_file(tmp_path, key):
    file = tmp_path / "state.db"
    with Emulator(state=file) as lm:
        lm.add_license("A", SEATS)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE licenses SET key = ?", (key,))
    refused(lambda: Emulator(state=file), "licenses")


def test_a_signing_key_of_a_state_file(tmp_path):
    pytest.importorskip("jwt")
    file = tmp_path / "state.db"
    with Emulator(state=file) as lm:
        assert lm.public_key_pem
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE settings SET document = '\"no key\"' WHERE key = '\"signing_key\"'")
    with Emulator(state=file) as lm:
        refused(lambda: lm.public_key_pem, "signing_key")
