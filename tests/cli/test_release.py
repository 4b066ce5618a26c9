"""``meterguard release --orphans``: what dead processes left goes back, and nothing else."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest

from meterguard.aws.service import LicenseManager
from meterguard.core.scopes import scope_of
from meterguard.runtime import owners
from meterguard.stores.sqlite_rows import SqliteRows
from tests.leases_by_hand import SEATS, written

URL = "sqlite:///leases.db"


@pytest.fixture
def aws(lm):
    """The variables of AWS alone: no product is named."""
    return {"AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url}


@pytest.fixture
def release(run, aws):
    """``release(code=0)``: the three counts, and what it said of them."""

    def give_back(code=0, store=URL, **variables):
        done = run("release", "--orphans", "--json", "--store", store, **aws | variables)
        assert done.returncode == code, done.stderr
        document = json.loads(done.stdout)
        assert list(document) == ["released", "kept", "failed"]
        return tuple(document.values()), done.stderr

    return give_back


@pytest.fixture
def store(tmp_path):
    with closing(SqliteRows(str(tmp_path / "leases.db"))) as opened:
        yield opened


@pytest.fixture
def token(lm, licence):
    """The token of a seat that somebody has checked out."""
    product = {"product_sku": licence.product_sku, "key_fingerprint": licence.key_fingerprint}
    service = LicenseManager(**product, timeout=15, region_name=lm.region, endpoint_url=lm.url)
    return service.check_out(SEATS, "by-hand").token


def test_what_a_killed_process_left(release, hold, lm, licence):
    with hold("Seats:2:", "Export::ada") as dead, hold("Seats:1:") as living:
        dead.kill()
        assert len(lm.checkouts()) == 3
        assert release() == ((2, 1, 0), "")
        assert (len(lm.checkouts()), lm.usage(licence)["Seats"]) == (1, 1)
        assert release() == ((0, 1, 0), "")
        living.leave()
    assert lm.checkouts() == []
    assert release() == ((0, 0, 0), "")


def test_people_get_a_line(run, aws, hold):
    with hold() as holder:
        holder.kill()
    done = run("release", "--orphans", METERGUARD_STORE=URL, **aws)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Leases given back: 1. Kept for living processes: 0. Failed: 0.\n"


def test_nobody_who_lives_is_asked_for_a_seat(release, hold, lm):
    with hold() as one, hold() as other:
        before = len(lm.requests)
        one.kill()
        assert release() == ((0, 1, 0), "")
        assert len(lm.requests) == before
        other.kill()
        assert release() == ((1, 0, 0), "")
    assert lm.checkouts() == []


def test_in_redis_too(release, hold, lm, serve_redis):
    url = serve_redis()
    with hold(store=url) as dead, hold("Export::", store=url):
        dead.kill()
        assert release(store=url) == ((1, 1, 0), "")
        assert [item.name for one in lm.checkouts() for item in one.items] == ["Export"]


def name_of(pid, *, boot=None, space=None, started="-"):
    machine = owners.machine()
    return "/".join((boot or machine[0], space or machine[1], str(pid), f"{started}-0123456789ab"))


def test_a_pid_that_another_process_has_by_now(release, store, token, lm):
    written(store, "acme", [name_of(os.getpid(), started="1")], token=token)
    assert release() == ((1, 0, 0), "")
    assert lm.checkouts() == []


def test_a_process_in_another_container(release, store, token, lm):
    written(store, "acme", [name_of(2**22 + 1, space="1")], token=token)
    assert release() == ((0, 1, 0), "")
    assert len(lm.checkouts()) == 1


def test_a_file_from_before_the_last_start_of_its_host(release, store, token, lm):
    written(store, "acme", [name_of(os.getpid(), boot="another", space="1")], token=token)
    assert release() == ((1, 0, 0), "")
    assert lm.checkouts() == []


def test_of_a_fleet_nobody_elsewhere_is_dead(release, token, lm, serve_redis):
    from meterguard.stores.redis_rows import RedisRows

    url = serve_redis()
    with closing(RedisRows(url)) as store:
        written(store, "acme", [name_of(os.getpid(), boot="another", space="1")], token=token)
        assert release(store=url) == ((0, 1, 0), "")
    assert len(lm.checkouts()) == 1


def test_what_has_ended_is_none_of_them(release, store):
    written(store, "acme", [name_of(2**22 + 1)], token="gone", age=7200)
    assert release() == ((0, 0, 0), "")
    assert list(store.rows("")) == []


def test_a_lease_that_aws_does_not_take_back(release, hold, lm, licence):
    with hold() as holder:
        holder.kill()
    token = lm.checkouts()[0].token
    with lm.faults.active("CheckInLicense", error="AccessDeniedException"):
        counts, said = release(code=1)
    assert counts == (0, 0, 1)
    assert "license-manager:CheckInLicense" in said
    assert [secret for secret in (token, licence.arn, licence.key_fingerprint) if secret in said] == []
    assert release() == ((1, 0, 0), "")
    assert lm.checkouts() == []


def test_without_a_region(release, hold, run, lm):
    with hold() as holder:
        holder.kill()
    counts, said = release(code=1, AWS_REGION="", AWS_DEFAULT_REGION="")
    assert counts == (0, 0, 1)
    assert said.startswith("failed: no AWS Region is set")
    assert len(lm.checkouts()) == 1


def test_a_checkout_without_an_answer(release, store, token, lm, product):
    scope = owned_by(product)
    written(store, scope, [name_of(2**22 + 1)], sent="by-hand")
    counts, said = release(code=1)
    assert counts == (0, 0, 1)
    assert "METERGUARD_PRODUCT_SKU" in said
    assert (len(lm.checkouts()), lm.calls("CheckInLicense")) == (1, 0)
    assert release(**product) == ((1, 0, 0), "")
    assert lm.checkouts() == []


def test_of_another_licence_what_is_due_goes_back_all_the_same(release, store, token, lm, product):
    written(store, "acme", [name_of(2**22 + 1)], sent="another", due=token)
    counts, said = release(code=1, **product)
    assert (counts, said.count("\n")) == ((0, 0, 1), 1)
    assert lm.checkouts() == []
    assert lm.calls("CheckoutLicense") == 1


def owned_by(product):
    return scope_of(product["METERGUARD_PRODUCT_SKU"], product["METERGUARD_KEY_FINGERPRINT"], None)
