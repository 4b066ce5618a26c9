"""Seed files in TOML and JSON."""

from __future__ import annotations

import json

import pytest

from meterguard.emulator import Emulator, SeedError, load_seed

TOML = """
account_id = "222222222222"
region = "eu-west-1"

[accounts]
AKIAOTHER = "333333333333"

[behavior]
partial_results = false

[[licenses]]
product_sku = "ACME-1"
ttl = 120
recipients = ["222222222222", "333333333333"]
end = 2099-01-01T00:00:00Z
entitlements = [["Seats", 3, "Count"], { name = "Export", unit = "None", value = "Enabled" }]

[[faults]]
operation = "CheckoutLicense"
error = "RateLimitExceededException"
times = 2
"""

JSON = {
    "account_id": "222222222222",
    "region": "eu-west-1",
    "accounts": {"AKIAOTHER": "333333333333"},
    "behavior": {"partial_results": False},
    "licenses": [
        {
            "product_sku": "ACME-1",
            "ttl": 120,
            "recipients": ["222222222222", "333333333333"],
            "end": "2099-01-01T00:00:00Z",
            "entitlements": [["Seats", 3, "Count"], ["Export", "Enabled", "None"]],
        }
    ],
    "faults": [{"operation": "CheckoutLicense", "error": "RateLimitExceededException", "times": 2}],
}


@pytest.mark.parametrize(("name", "text"), [("s.toml", TOML), ("s.json", json.dumps(JSON))], ids=["toml", "json"])
def test_an_emulator_holds_what_its_seed_says(tmp_path, connect, take, code, name, text):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with Emulator(seed=file) as lm:
        assert (lm.account_id, lm.region) == ("222222222222", "eu-west-1")
        licence = lm.license("ACME-1")
        assert licence.lifetime == 120
        assert [(one.name, one.max_count, one.value) for one in licence.entitlements] == [
            ("Seats", 3, None),
            ("Export", None, "Enabled"),
        ]
        using = connect(url=lm.url, access_key="AKIAOTHER")
        for _ in range(2):
            with code("RateLimitExceededException"):
                take(Seats=1, of=licence, using=using)
        with code("NoEntitlementsAllowedException"):
            take(Seats=4, Export=None, of=licence, using=using)
        take(Seats=3, of=licence, using=using)
        assert lm.requests[-1].account == "333333333333"


def test_arguments_beat_the_seed(tmp_path):
    file = tmp_path / "seed.toml"
    file.write_text(TOML, encoding="utf-8")
    lm = Emulator(seed=load_seed(file), region="us-west-2", accounts={"AKIAOTHER": "444444444444"})
    assert (lm.account_id, lm.region) == ("222222222222", "us-west-2")
    assert lm.accounts == {"AKIAOTHER": "444444444444"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("seed.yaml", "", "seed.yaml: the name of a seed file must end in .toml or .json"),
        ("seed.toml", "a = ", r"seed.toml: "),
        ("seed.json", "{", r"seed.json: "),
        ("seed.json", "[]", r"seed.json: a seed must be a table of names and values; got \[\]"),
        ("seed.toml", "licences = []", r"seed.toml: a seed has no licences; it may have account_id, .*licenses"),
        ("seed.toml", "account_id = 1", r"seed.toml: account_id must be a text; got 1"),
        ("seed.toml", "accounts = 1", r"seed.toml: accounts must be a table of access keys and their accounts; got 1"),
        ("seed.toml", "licenses = 1", r"seed.toml: licenses must be a list of tables; got 1"),
        ("seed.toml", "[behavior]\nkind = true", r"seed.toml: behavior has no switch kind"),
        ("seed.toml", "[[licenses]]\nsku = 'x'", r"licenses\[0\]: .*sku"),
        ("seed.toml", "[[licenses]]\nproduct_sku = 'x'\nentitlements = [['S', -1, 'Count']]", r"licenses\[0\]: .*-1"),
        (
            "seed.toml",
            "[[faults]]\noperation = '*'\nsatus = 500",
            r"faults\[0\]: a fault has no option satus; it may have ",
        ),
        ("seed.toml", "[[faults]]\noperation = 'Do'", r"faults\[0\]: operation: 'Do'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, name, text, told):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SeedError, match=told):
        Emulator(seed=file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SeedError, match=r"none\.toml: No such file"):
        load_seed(tmp_path / "none.toml")
