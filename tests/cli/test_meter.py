"""``meterguard meter``: what a ledger has charged goes to AWS Marketplace."""

from __future__ import annotations

import json

import pytest

from meterguard import MeterGuard
from meterguard.runtime import clock as clocks
from tests.cli.conftest import told

CODE = "ProductCode1"
URL = "sqlite:///ledger.db"
AMI = ("--product-code", CODE, "--dimension", "Pages=pages", "--ledger", URL)
NONE = {"records": 0, "quantity": 0}
HOUR = 3600


@pytest.fixture
def use(tmp_path, lm, clock):
    """``use(quantity)``: usage of the hour before this one."""

    def use(quantity, hours=1, sku="ACME-1"):
        clocks.move(-hours * HOUR)
        try:
            with (
                MeterGuard(
                    sku, "aws:111122223333:me:issuer-fingerprint", ledger=f"sqlite:///{tmp_path}/ledger.db"
                ) as one,
                one.meters_usage("Pages", quantity),
            ):
                pass
        finally:
            clocks.move(hours * HOUR)

    return use


@pytest.fixture
def meter(run, lm):
    """``meter(*arguments)``: the ended process, with the emulator for AWS."""
    return lambda *arguments, **more: run("meter", *arguments, AWS_ENDPOINT_URL_MARKETPLACE_METERING=lm.url, **more)


def test_what_is_due_is_sent_once(lm, use, meter):
    use(3)
    waiting = meter("--status", *AMI, "--json")
    assert (waiting.returncode, waiting.stderr) == (0, "")
    assert json.loads(waiting.stdout)["pending"] == {"records": 1, "quantity": 3}
    for _ in range(2):
        done = meter("--once", *AMI, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        expected = {"pending": NONE, "delivered": {"records": 1, "quantity": 3}, "given_up": NONE, "rejected": NONE}
        assert json.loads(done.stdout) == expected
    assert lm.bill() == {"pages": 3}


def test_the_table_is_for_people(use, meter):
    from decimal import Decimal

    use(Decimal("12.5"))
    assert meter("--once", *AMI).stdout.splitlines() == [
        "           records  quantity",
        "pending          0         0",
        "delivered        1      12.5",
        "given up         0         0",
        "rejected         0         0",
    ]


def test_an_outage_is_told_with_code_4(lm, use, meter):
    use(3)
    lm.faults.add("MeterUsage", error="ThrottlingException")
    done = meter("--once", *AMI)
    assert done.returncode == 4
    assert done.stderr == "pending: 1 record: MeterUsage was answered with ThrottlingException, HTTP 400\n"


def test_what_is_refused_or_too_old_is_told_with_code_1(lm, use, meter):
    lm.add_product(CODE, ["storage"])
    use(3)
    use(4, hours=9)
    done = meter("--once", *AMI)
    assert done.returncode == 1
    old, refused = done.stderr.splitlines()
    assert old.startswith("given up: 4 pages of ")
    assert refused.startswith("rejected: 3 pages of ")
    assert refused.endswith("the product has no such dimension (InvalidUsageDimensionException)")


def test_a_sink_of_a_program_is_reported(tmp_path, lm, use, meter):
    use(3)
    (tmp_path / "shop.py").write_text(
        "from meterguard import MeterGuard\nfrom meterguard.marketplace import Sink\n"
        "guard = MeterGuard('ACME-1', 'aws:111122223333:me:issuer-fingerprint', ledger='sqlite:///ledger.db')\n"
        f"sink = Sink(guard, {{'Pages': 'pages'}}, product_code={CODE!r})\n"
    )
    assert json.loads(meter("--once", "shop:sink", "--json").stdout)["delivered"] == {"records": 1, "quantity": 3}
    assert lm.bill() == {"pages": 3}


def test_of_several_licences_the_one_of_the_environment_counts(lm, use, meter):
    use(3)
    use(5, sku="ACME-2")
    assert "has the usage of several licences: set METERGUARD_PRODUCT_SKU" in told(meter("--once", *AMI), code=1)
    product = {
        "METERGUARD_PRODUCT_SKU": "ACME-2",
        "METERGUARD_KEY_FINGERPRINT": "aws:111122223333:me:issuer-fingerprint",
    }
    assert json.loads(meter("--once", *AMI, "--json", **product).stdout)["delivered"] == {"records": 1, "quantity": 5}


def test_a_ledger_that_is_not_there_is_told(meter):
    assert "there is no ledger at ledger.db" in told(meter("--once", *AMI), code=1)


def test_a_ledger_that_nobody_has_used_has_nothing(use, meter, tmp_path):
    use(3)
    done = meter("--once", "--product-code", CODE, "--dimension", "Other=other", "--ledger", URL, "--json")
    assert json.loads(done.stdout)["delivered"] == NONE
