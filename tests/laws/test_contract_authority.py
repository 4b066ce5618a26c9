"""A SaaS contract as the authority: AWS tells what a customer bought, and the guard's own store counts seats."""

from __future__ import annotations

import asyncio
import copy
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    Entitlement,
    EntitlementDenied,
    EntitlementUnavailable,
    Reason,
    assembly,
    orphans,
    requires_entitlement,
)
from meterguard.diagnostics import examine
from meterguard.events import LeaseRenewed
from meterguard.ports import FaultKind, ServiceFault
from meterguard.rows import StoreFault
from meterguard.stores.memory_rows import MemoryRows
from tests.laws.servers import wait_for

CUSTOMER, OTHER = "222222222222", "333333333333"
WORKER = Path(__file__).with_name("contract_worker.py")


@pytest.fixture
def product(lm):
    product = lm.add_product("saas-1", ["Seats", "Desks", "Export", "Tier", "Beta", "Space"], [CUSTOMER, OTHER])
    for dimension, value in {"Seats": 3, "Desks": 1, "Export": True, "Tier": "Gold", "Beta": False}.items():
        product.customers[0].entitle(dimension, value)
    return product


@pytest.fixture
def make(lm, product, make_guard):
    """``make(**options)``: a guard for the first customer's contract."""
    named = SimpleNamespace(product_sku=product.code, key_fingerprint=None)
    contract = {"authority": "marketplace-entitlement", "customer": CUSTOMER, "denial_ttl": 0}
    return lambda **options: make_guard(lm, named, **contract | options)


def held(guard):
    """The units that are held, by dimension, as the service tells them to whoever asks."""
    service = assembly.license_service(guard.settings._replace(store=store_of(guard)))
    return {one.name: one.consumed for one in service.usage(None)}


def warm(guard):
    """A guard whose client is made already: its time-out is shorter than that takes on a busy machine."""
    guard.engine.registry.exchange.service.connect()
    return guard


def store_of(guard):
    return guard.engine.registry.exchange.service._store


def refused(gate):
    with pytest.raises(EntitlementDenied) as caught, gate:
        pass
    return caught.value


# -- yes and no ----------------------------------------------------------------------------------


def test_calls_ride_on_one_lease(lm, make):
    guard = make()
    gate = guard.requires_entitlement("Seats", 2)

    @gate
    def work():
        return held(guard)["Seats"]

    assert (work(), work()) == (2, 2)
    with gate as lease:
        assert 890 < lease.expires_in <= 900
    asked = [one for one in lm.requests if one.operation == "GetEntitlements"]
    assert sum("DIMENSION" in one.parameters["Filter"] for one in asked) == 1
    guard.close()
    assert held(make())["Seats"] == 0


@pytest.mark.parametrize("entitlement", [("Export",), ("Tier",), ("Tier", "Gold", "None"), ("Seats", 3)], ids=str)
def test_what_was_bought_opens(make, entitlement):
    guard = make()
    assert guard.has_entitlement(*entitlement)
    with guard.requires_entitlement(*entitlement):
        pass


def test_a_feature_carries_its_text(make):
    with make().requires_entitlement("Tier") as lease:
        assert lease.texts == {"Tier": "Gold"}


@pytest.mark.parametrize(
    ("entitlement", "why"),
    [
        (("Nope",), "the customer's contract has no such dimension, or no longer."),
        (("Space", 1), "the customer's contract has no such dimension, or no longer."),
        (("Seats", 4), "the customer's contract has 3 of it."),
        (("Export", 1), "the customer's contract does not count this dimension."),
        (("Beta",), "the customer's contract says no to it."),
        (("Tier", "Silver", "None"), "the customer's contract has another value."),
    ],
    ids=str,
)
def test_what_was_not_bought_does_not(make, entitlement, why):
    guard = make()
    denied = refused(guard.requires_entitlement(*entitlement))
    assert str(denied).startswith("AWS Marketplace does not allow ")
    assert str(denied).endswith(why)
    assert (denied.reason, denied.is_exhausted or False) == (Reason.NOT_ENTITLED, False)
    assert guard.decide(*entitlement).reason is Reason.NOT_ENTITLED
    assert sum(held(guard).values()) == 0


def test_it_is_the_contract_of_one_customer(make):
    assert not make(customer=OTHER).has_entitlement("Export")
    guard, other = make(), make(customer=OTHER, store="memory://")
    assert guard.scope != other.scope


def test_one_of_several_agreements(make, product):
    second = product.add_customer(CUSTOMER)
    second.entitle("Seats", 5)
    alone, both = make(customer=(CUSTOMER, second.license_arn)), make()
    assert [alone.has_entitlement("Seats", units) for units in (5, 6)] == [True, False]
    assert [both.has_entitlement("Seats", units) for units in (8, 9)] == [True, False]
    assert not alone.has_entitlement("Export")


def test_a_contract_that_has_ended_is_a_no(lm, make, product, clock):
    product.customers[0].entitle("Desks", 1, end=datetime.now(UTC) + timedelta(seconds=60))
    guard = make()
    gate = guard.requires_entitlement("Desks", 1)
    with gate as lease:
        assert 50 < lease.expires_in <= 60, "no lease outlasts the contract"
    clock.shift(61)
    assert "the customer's contract has no such dimension, or no longer." in str(refused(gate))


def test_many_dimensions_come_on_many_pages(lm, make_guard):
    names = [f"D{number:02}" for number in range(60)]
    (customer,) = lm.add_product("wide", names, [CUSTOMER]).customers
    for name in names:
        customer.entitle(name, 2)
    named = SimpleNamespace(product_sku="wide", key_fingerprint=None)
    guard = make_guard(lm, named, authority="marketplace-entitlement", customer=CUSTOMER)
    with guard.requires_entitlement("D59", 2):
        assert held(guard) == dict.fromkeys(names, 0) | {"D59": 2}


def test_no_unit_but_count_is_known(make):
    with (
        pytest.raises(ConfigurationError, match="a contract names no units, so leave out 'Bytes'"),
        make().requires_entitlement("Seats", 1, "Bytes"),
    ):
        pass


def test_a_draw_is_refused_and_a_meter_is_not(make):
    guard = make()
    with pytest.raises(ConfigurationError, match="Use meters_usage"), guard.consumes_entitlement("Seats", 1):
        pass
    with guard.meters_usage("Seats", 2):
        pass
    assert guard.ledger.summary()["Seats"].pending == 0, "no order is left in the books"
    assert [record.quantity for record in guard.ledger.records()] == [2]


def test_a_loop_is_not_blocked(make):
    async def main():
        guard = make()
        async with guard.requires_entitlement("Seats", 1) as lease:
            assert lease.is_live
        assert await guard.ahas_entitlement("Export")
        await guard.aclose()

    asyncio.run(main())


# -- units ---------------------------------------------------------------------------------------


def test_seats_of_calls_are_counted_and_come_back(make):
    guard = make()
    seat = guard.requires_entitlement("Seats", 1, hold="call")
    with seat, seat, seat:
        assert held(guard)["Seats"] == 3
        denied = refused(seat)
        assert denied.is_exhausted
        assert "others use so much that too few units are free" in str(denied)
    with seat:
        assert held(guard)["Seats"] == 1
    assert held(guard)["Seats"] == 0


def test_what_is_asked_for_together_is_taken_together(make):
    guard = make()
    both = guard.requires_entitlement("Seats", 1, hold="call") & guard.requires_entitlement("Desks", 1, hold="call")
    with both:
        assert held(guard) == {"Seats": 1, "Desks": 1}
        refused(both)
        assert held(guard) == {"Seats": 1, "Desks": 1}


def test_a_question_leaves_no_unit_taken(make):
    guard = make()
    assert guard.has_entitlement("Seats", 3)
    assert guard.decide("Seats", 1).allowed
    assert held(guard)["Seats"] == 0


def test_who_waits_gets_the_seat_that_comes_back(lm, make):
    guard = make()
    seat, patient = (guard.requires_entitlement("Seats", 3, hold="call", wait=wait) for wait in (0, 30))
    with ThreadPoolExecutor(1) as pool:
        with seat:
            waiting = pool.submit(patient(lambda: held(guard)["Seats"]))
            lm.wait_for_calls("GetEntitlements", 2, done=True)
            assert not waiting.done()
            wait_for(lambda: sum("DIMENSION" in one.parameters["Filter"] for one in lm.requests) > 1)
            assert not waiting.done()
        assert waiting.result() == 3
    assert held(guard)["Seats"] == 0


def test_one_client_token_is_one_seat(make):
    service = make().engine.registry.exchange.service
    one, again = (service.check_out((Entitlement("Seats", 2),), "token") for _ in range(2))
    assert one.token == again.token
    assert {usage.name: usage.consumed for usage in service.usage(None)}["Seats"] == 2
    service.extend(one.token)
    service.check_in(one.token)
    service.check_in(one.token)
    assert {usage.name: usage.consumed for usage in service.usage(None)}["Seats"] == 0
    with pytest.raises(ServiceFault) as gone:
        service.extend(one.token)
    assert gone.value.kind is FaultKind.NOT_FOUND
    for token in ("", "another", "a b c", "a b [1]"):
        with pytest.raises(ServiceFault) as unknown:
            service.check_in(token)
        assert unknown.value.kind is FaultKind.NOT_FOUND


def test_a_write_whose_reply_was_lost_takes_no_second_seat(make):
    class Lossy(MemoryRows):
        is_lossy = True

        def replace(self, key, expected, row, keep):
            written = super().replace(key, expected, row, keep)
            if self.is_lossy and key.endswith("/held"):
                self.is_lossy = False
                raise StoreFault("the store does not answer")
            return written

    guard = make(store=Lossy())
    with guard.requires_entitlement("Seats", 1, hold="call"):
        assert held(guard)["Seats"] == 1
    assert not store_of(guard).is_lossy


def test_a_store_that_is_away_is_an_unknown(make):
    class Away(MemoryRows):
        def read(self, key):
            if key.endswith("/held"):
                raise StoreFault("the store is away")
            return super().read(key)

    guard = warm(make(store=Away(), timeout=0.5))
    with pytest.raises(EntitlementUnavailable) as caught, guard.requires_entitlement("Seats", 1):
        pass
    assert "its units are counted in a store, and the store is away" in str(caught.value)
    assert guard.has_entitlement("Export"), "a feature needs no store of its own"


def test_a_book_that_cannot_be_read_is_a_mistake(make):
    rows = MemoryRows()
    guard = make(store=rows)
    with guard.requires_entitlement("Seats", 1, hold="call"):
        ((place, row),) = [(place, row) for place, row in rows.rows("") if place.endswith("/held")]
        rows.replace(place, row.version, row._replace(version="damaged", body="{}"), 60)
        with pytest.raises(ConfigurationError, match="cannot be read"), guard.requires_entitlement("Seats", 1):
            pass
        rows.replace(place, "damaged", row, 60)


# -- time ----------------------------------------------------------------------------------------


def test_a_lease_in_use_looks_at_the_contract_anew(lm, make, clock):
    guard, renewed = make(), []
    guard.subscribe(lambda event: renewed.append(event) if isinstance(event, LeaseRenewed) else None)
    gate = guard.requires_entitlement("Seats", 2)
    with gate as lease:
        clock.shift(890)
        with gate:
            wait_for(lambda: renewed)
        assert lease.expires_in > 800
        assert held(guard)["Seats"] == 2
        clock.shift(800)
        assert lease.is_live
        assert held(guard)["Seats"] == 2, "units are held on with the lease"


def test_a_contract_that_shrinks_ends_what_it_no_longer_covers(make, product, clock):
    guard = make()
    gate = guard.requires_entitlement("Seats", 2)
    with gate:
        product.customers[0].entitle("Seats", 1)
        clock.shift(910)
        assert "has 1 of it" in str(refused(gate))
        assert guard.has_entitlement("Seats", 1)


def test_a_renewal_that_the_contract_no_longer_covers_ends_the_lease(make, product, clock):
    guard = make()
    gate = guard.requires_entitlement("Seats", 2)
    with gate:
        clock.shift(890)
        product.customers[0].entitle("Seats", 1)
        with gate:
            wait_for(lambda: held(guard)["Seats"] == 0)
        assert "has 1 of it" in str(refused(gate))


def test_an_outage_is_an_unknown_and_then_grace(lm, make, clock):
    guard = warm(make(timeout=0.5))
    gate = guard.requires_entitlement("Export")
    with gate:
        pass
    with lm.faults.active("GetEntitlements", error="InternalServiceErrorException"):
        clock.shift(901)
        with gate as lease:
            assert not lease.is_live
        strict = warm(make(on_unknown="deny", timeout=0.5))
        with pytest.raises(EntitlementUnavailable) as caught, strict.requires_entitlement("Export"):
            pass
        assert str(caught.value).startswith("AWS Marketplace could not be asked about Export: GetEntitlements was ")
        clock.shift(1801)
        with pytest.raises(EntitlementUnavailable), gate:
            pass
    with gate as lease:
        assert lease.is_live


def test_throttling_is_an_unknown_that_is_asked_again(lm, make):
    lm.faults.add("GetEntitlements", error="ThrottlingException", times=2)
    with make().requires_entitlement("Export"):
        assert lm.calls("GetEntitlements") == 3


def test_iam_is_a_no_that_names_the_action(lm, make):
    guard = make(on_unknown="allow")
    with (
        lm.faults.active("GetEntitlements", error="AccessDeniedException"),
        pytest.raises(AuthorizationRefused, match="it needs the IAM action aws-marketplace:GetEntitlements"),
        guard.requires_entitlement("Export"),
    ):
        pass


def test_a_product_code_that_does_not_exist_is_a_mistake(lm, make):
    with (
        pytest.raises(
            ConfigurationError, match="AWS Marketplace calls the request for Export wrong: check product_sku"
        ),
        make(product_sku="saas-2").requires_entitlement("Export"),
    ):
        pass


# -- processes -----------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/seats.db"


@pytest.fixture
def start(lm, product, store):
    """``start(calls)``: a process whose calls all want a seat at one moment, and how many of them got one."""
    running = []

    def start(calls):
        command = [sys.executable, str(WORKER), lm.url, lm.region, CUSTOMER, store, str(calls)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, **pipes))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_seats_are_exact_over_threads_and_processes(start, make, store):
    crowd = [start(4), start(4)]
    assert sum(int(process.stdout.readline()) for process in crowd) == 3
    guard = make(store=store)
    assert held(guard)["Seats"] == 3
    assert refused(guard.requires_entitlement("Seats", 1, hold="call")).is_exhausted
    for process in crowd:
        process.communicate()
        assert process.returncode == 0
    assert held(guard)["Seats"] == 0, "they were given back at exit"


def test_the_seats_of_a_killed_process_lapse(lm, start, make, store):
    guard = make()
    settings = guard.settings._replace(store=store)
    service = assembly.license_service(settings)  # without an engine, which would give them back
    killed = start(2)
    assert killed.stdout.readline() == "2\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert {one.name: one.consumed for one in service.usage(None)}["Seats"] == 2
    lm.clock.advance(910)
    assert {one.name: one.consumed for one in service.usage(None)}["Seats"] == 0


def test_the_next_process_gives_back_what_a_killed_one_left(start, make, store):
    killed = start(3)
    assert killed.stdout.readline() == "3\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    guard = make(store=store)
    guard.prewarm()
    wait_for(lambda: held(guard)["Seats"] == 0)
    with guard.requires_entitlement("Seats", 3):
        pass


def test_an_operator_gives_back_what_a_killed_process_left(lm, start, make, store):
    with make(store=store).requires_entitlement("Seats", 1):
        killed = start(2)
        assert killed.stdout.readline() == "2\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        released = orphans.release(store)  # which is told neither product nor customer
        assert (released.released, released.kept, released.failed) == (2, 1, 0)
        assert held(make(store=store))["Seats"] == 1
    assert lm.calls("CheckInLicense") == 0


def test_a_license_manager_is_asked_beside_it(lm, make, make_guard, store):
    licence = lm.add_license("AMI-1", [("Seats", 1, "Count")], ttl=3600)
    with make_guard(lm, licence, store=store).requires_entitlement("Seats", 1):
        with make(store=store).requires_entitlement("Seats", 3):
            assert lm.usage(licence)["Seats"] == 1
        assert orphans.release(store).kept == 2


# -- the doctor ----------------------------------------------------------------------------------


def test_the_doctor_looks_at_the_contract(lm, make):
    found = {one.check: one for one in examine(make(), usage=True)}
    assert {one.check for one in found.values() if one.result == "failed"} == set()
    assert found["settings"].detail == "the product and its customer are named"
    assert found["licence"].detail == "AWS Marketplace has 5 dimensions in the customer's contract"
    assert set(found["usage"].detail.split("; ")) == {"Seats: 0 of 3 Count in use", "Desks: 0 of 1 Count in use"}
    assert "each process counts a contract's seats for itself" in found["store"].detail
    assert "trusted_keys" not in f"{found['trust']}"
    assert lm.calls("CheckoutLicense") == lm.calls("ListReceivedLicenses") == 0


def test_the_doctor_finds_a_customer_without_a_contract(make):
    (found,) = (one for one in examine(make(customer=OTHER)) if one.result == "failed")
    assert found.detail.startswith("AWS Marketplace has no contract of this customer")
    assert "check customer, and product_sku (which comes from an argument)" in found.fix


# -- connections ---------------------------------------------------------------------------------


def test_the_environment_names_the_endpoint_for_boto3(lm, make, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", lm.url)
    assert make(endpoint_url=None).has_entitlement("Export")


def test_an_environment_that_is_not_trusted_names_nothing(lm, make, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", "http://127.0.0.1:1")
    assert make(trust_env=False).has_entitlement("Export")


def test_tests_reach_no_other_machine(make):
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE at an emulator"):
        make(endpoint_url=None).has_entitlement("Export")


@pytest.mark.parametrize(
    ("options", "around", "region"),
    [
        ({"region_name": None}, "eu-west-1", "us-east-1"),
        ({"region_name": None}, None, "us-east-1"),
        ({"region_name": None}, "cn-north-1", "cn-northwest-1"),
        ({"region_name": "eu-west-1"}, "us-east-1", "eu-west-1"),
    ],
)
def test_the_service_is_asked_where_it_is(make, monkeypatch, options, around, region):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if around is None:
        monkeypatch.delenv("AWS_REGION")
    else:
        monkeypatch.setenv("AWS_REGION", around)
    guard = make(**options)
    assert guard.has_entitlement("Export")
    origins = guard.engine.registry.exchange.service.origins()
    assert next(one.value for one in origins if one.fact == "region") == region


def test_a_client_of_the_program_is_used(lm, make, connect_to_contracts):
    assert make(client=connect_to_contracts("marketplace-entitlement")).has_entitlement("Export")
    wrong = make(client=connect_to_contracts("license-manager"))
    with pytest.raises(ConfigurationError, match=r"'marketplace-entitlement'.*: it has no get_entitlements"):
        wrong.has_entitlement("Export")


@pytest.fixture
def connect_to_contracts(lm):
    import boto3

    return lambda service: boto3.client(service, endpoint_url=lm.url, region_name=lm.region)


def test_a_framework_names_the_authority(lm, product):
    flask = pytest.importorskip("flask")
    from meterguard.integrations.flask import FlaskMeterGuard

    app = flask.Flask(__name__)
    settings = {"PRODUCT_SKU": product.code, "AUTHORITY": "marketplace-entitlement", "CUSTOMER": CUSTOMER}
    settings |= {"ENDPOINT_URL": lm.url, "REGION_NAME": lm.region}
    app.config.update({f"METERGUARD_{name}": value for name, value in settings.items()})
    FlaskMeterGuard(app)

    @app.get("/<int:units>")
    @requires_entitlement("Seats", lambda units: units)
    def view(units):
        return f"{units}"

    assert [app.test_client().get(f"/{units}").status_code for units in (3, 4)] == [200, 403]


# -- secrets and set-up --------------------------------------------------------------------------


def test_nothing_secret_is_shown(lm, make, product, caplog):
    caplog.set_level("DEBUG", "meterguard")
    arn = product.customers[0].license_arn
    guard = warm(make(customer=(CUSTOMER, arn), timeout=0.5))
    shown = [repr(guard), repr(guard.settings), repr(guard.engine.registry.exchange.service)]
    with guard.requires_entitlement("Seats", 3) as lease:
        token = lease.token
        shown += [repr(lease), repr(list(store_of(guard).rows("")))]
        shown += [row.body for _, row in store_of(guard).rows("")]
        denied = refused(guard.requires_entitlement("Seats", 1, hold="call"))
        for one in (denied, pickle.loads(pickle.dumps(denied)), copy.copy(denied)):
            shown += [str(one), repr(one), str(vars(one))]
    for error in ("InternalServiceErrorException", "AccessDeniedException", "InvalidParameterException"):
        with lm.faults.active("GetEntitlements", error=error, message=f"{arn} of {CUSTOMER}"):
            with pytest.raises(Exception) as caught, guard.requires_entitlement("Export", per=error):  # noqa: PT011
                pass
            shown += [str(caught.value), repr(caught.value)]
    with pytest.raises(ConfigurationError) as wrong:
        make(customer=(CUSTOMER, "no arn"))
    text = "\n".join([*shown, str(wrong.value), caplog.text])
    for secret in (CUSTOMER, arn, "arn:", token, token.split(" ")[0]):
        assert secret not in text, secret


WRONG = [
    ({"customer": None}, "needs customer=: the CustomerAWSAccountId of the buyer"),
    ({"customer": "12"}, "customer must be a CustomerAWSAccountId of 12 digits"),
    ({"customer": 222222222222}, "customer must be a CustomerAWSAccountId of 12 digits"),
    ({"customer": (CUSTOMER, "licence")}, "customer must be a CustomerAWSAccountId of 12 digits"),
    ({"customer": (CUSTOMER, "arn:a", "arn:b")}, "customer must be a CustomerAWSAccountId of 12 digits"),
    ({"authority": "aws"}, "authority must be 'license-manager' or 'marketplace-entitlement'"),
    ({"authority": None}, "customer= goes with authority='marketplace-entitlement'"),
    ({"key_fingerprint": "issuer"}, "key_fingerprint= goes with authority='license-manager'"),
    ({"beneficiary": "somebody"}, "beneficiary= goes with authority='license-manager'"),
    ({"trusted_keys": "-----BEGIN"}, "trusted_keys= goes with authority='license-manager'"),
    ({"borrowed": True, "trusted_keys": "-----BEGIN"}, "goes with authority='license-manager'"),
    ({"refresh_token": "token"}, "refresh_token= goes with authority='license-manager'"),
    ({"node_id": "node"}, "node_id= goes with authority='license-manager'"),
]


@pytest.mark.parametrize(("options", "told"), WRONG, ids=str)
def test_a_wrong_set_up_is_told_at_once(make, options, told):
    with pytest.raises(ConfigurationError) as caught:
        make(**options)
    assert told in str(caught.value)


def test_variables_for_licences_are_not_followed(make, monkeypatch):
    for name in ("KEY_FINGERPRINT", "BENEFICIARY", "NODE_ID", "REFRESH_TOKEN_FILE"):
        monkeypatch.setenv(f"METERGUARD_{name}", "something")
    guard = make()
    assert guard.has_entitlement("Export")
    assert (guard.settings.beneficiary, guard.settings.node_id, guard.settings.key_fingerprint) == (None, None, "")
