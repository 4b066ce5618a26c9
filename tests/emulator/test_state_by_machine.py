"""Random sequences of operations: what the file has is what the emulator has, after every one of them."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meterguard.emulator import Behavior, Emulator
from meterguard.emulator.state.documents import TABLES, write

ME, OTHER = "111122223333", "222222222222"
ORGANIZATION = f"arn:aws:organizations::{ME}:organization/o-1"
HOME = "us-east-1"
OPERATIONS = ["CheckoutLicense", "CheckInLicense", "ExtendConsumptionLicense", "CheckoutBorrowLicense", "CreateGrant"]
SWITCHES = Behavior(
    reset_ends_checkouts=True, granter_may_activate=True, grant_to_oneself=True, cut_at_end=False, replay_window=300
)
ACCOUNTS = st.sampled_from([ME, OTHER])
NUMBERS = st.integers(0, 3)


def everything(lm):
    """All that an emulator has, as values that can be compared."""
    state, replays = lm._state, lm._dispatcher._idempotency._replays
    tables = {
        "licenses": state._versions,
        "products": state._by_product,
        "checkouts": state._checkouts,
        "spent": state._spent,
        "periods": state._periods,
        "grants": state.grants._versions,
        "tokens": state.tokens._tokens,
        "sessions": state.sessions._sessions,
        "kms_keys": state.kms_keys._keys,
        "tags": state.tags._tags,
        "listings": state.listings._listings,
        "agreements": state.listings._agreements,
        "contracts": state.listings._contracts,
        "registrations": state.listings._registrations,
        "started": state.listings._started,
        "meterings": state.meterings._records,
        "replays": replays._answers,
        "settings": {name: value for name, value in lm._kept.settings.items() if name != "starts"},
    }
    assert tables.keys() == TABLES.keys()
    follows = {
        "clock": lm.clock.reading(),
        "held": {key: units for key, units in state._held.items() if units},
        "grantees": {key: arns for key, arns in state.grants._by_grantee.items() if arns},
        "hourly": state.meterings._hourly,
        "texts": state.tokens._by_text,
        "expiries": {entry for entry in state._expiries if is_current(state, *entry)},
        "window": {key for _, key in replays._order if key in replays._answers},
    }
    # Types and order count, lists for tuples do not where only the wire sees them.
    rows = {name: [(key, known(name, value)) for key, value in table.items()] for name, table in tables.items()}
    return rows | follows


def known(table, value):
    return json.loads(write(value)) if table in ("grants", "replays") else value


def is_current(state, expires, token):
    checkout = state._checkouts.get(token)
    return checkout is not None and checkout.expires == expires


class Kept(RuleBasedStateMachine):
    """One emulator with a file, and another that reads a copy of it, as after a kill."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.asked = 0
        self.lm = self.open(self.folder / "state.db")
        self.lm.clock.freeze("2030-01-01T00:00:00Z")
        self.lm.add_license("SKU", [("Seats", 9, "Count")], issuer_account=ME, beneficiary="Jo", borrow_ttl=600)

    def open(self, path):
        return Emulator(state=path, behavior=SWITCHES, organizations={ORGANIZATION: [OTHER, "333333333333"]})

    def teardown(self):
        self.lm.close()
        shutil.rmtree(self.folder)

    def ask(self, operation, account=ME, token=None, service="AWSLicenseManager", **parameters):
        """One request through the dispatcher; its answer, or None if it was refused."""
        if token is not False:
            self.asked += token is None
            parameters["ClientToken"] = str(self.asked) if token is None else token
        headers = [
            (b"x-amz-target", f"{service}.{operation}".encode()),
            (b"authorization", f"Credential={account}/20300101/{HOME}/license-manager/".encode()),
        ]
        request = self.lm._dispatcher.arrive(headers, json.dumps(parameters).encode())
        reply = self.lm._dispatcher.answer(request)
        assert reply.status in (200, 400), reply.body
        return json.loads(reply.body or b"{}") if reply.status == 200 else None

    def pick(self, number, found):
        found = list(found)
        return found[number % len(found)] if found else None

    def licence(self, number):
        return self.pick(number, self.lm._state.licenses())

    # Licences

    @rule(number=NUMBERS, renews=st.sampled_from(["None", "Weekly"]), tagged=st.booleans())
    def create(self, number, renews, tagged):
        self.ask("CreateLicense", ProductSKU="SKU", Beneficiary="Jo", **self.terms(number, renews, tagged=tagged))

    @rule(which=NUMBERS, number=NUMBERS, status=st.sampled_from(["AVAILABLE", "SUSPENDED"]), reset=st.booleans())
    def change(self, which, number, status, reset):
        terms = self.terms(number, "Weekly")
        self.ask("CreateLicenseVersion", LicenseArn=self.licence(which).arn, Status=status, ResetUsage=reset, **terms)

    @rule(which=NUMBERS)
    def delete(self, which):
        licence = self.licence(which)
        self.ask("DeleteLicense", token=False, LicenseArn=licence.arn, SourceVersion=str(licence.version))

    def terms(self, number, renews, *, tagged=False):
        tags = {"Tags": [{"Key": "k", "Value": "\ud800\N{SNOWMAN}\0"}]} if tagged else {}
        return tags | {
            "LicenseName": "L",
            "ProductName": "P",
            "Issuer": {"Name": f"Shop {number % 2}", "SignKey": "arn:aws:kms:us-east-1:111122223333:key/1"},
            "HomeRegion": HOME,
            "Validity": {"Begin": "2020-01-01T00:00:00Z", "End": "2040-01-01T00:00:00Z"},
            "Entitlements": [
                {"Name": "Seats", "Unit": "Count", "MaxCount": 5 + number, "AllowCheckIn": True, "Overage": False},
                {"Name": "Export", "Unit": "None", "Value": "Enabled"},
            ],
            "ConsumptionConfiguration": {
                "RenewType": renews,
                "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 5},
                "BorrowConfiguration": {"AllowEarlyCheckIn": True, "MaxTimeToLiveInMinutes": 10},
            },
            "LicenseMetadata": [{"Name": "a", "Value": "b"}, {"Name": "c"}],
        }

    # Consuming

    @rule(
        which=NUMBERS,
        account=ACCOUNTS,
        kind=st.sampled_from(["PROVISIONAL", "PERPETUAL"]),
        count=st.integers(1, 4),
        again=st.booleans(),
    )
    def check_out(self, which, account, kind, count, again):
        licence = self.licence(which)
        whose = {"Beneficiary": "Jo"} if account == ME else {}
        self.ask(
            "CheckoutLicense",
            account,
            token=str(max(self.asked - 1, 0)) if again else None,
            ProductSKU="SKU",
            KeyFingerprint=licence.key_fingerprint,
            CheckoutType=kind,
            NodeId="n",
            Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": str(count)}],
            **whose,
        )

    @rule(which=NUMBERS)
    def borrow(self, which):
        self.ask(
            "CheckoutBorrowLicense",
            LicenseArn=self.licence(which).arn,
            DigitalSignatureMethod="JWT_PS384",
            Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": "1"}],
            CheckoutMetadata=[{"Name": "a", "Value": "b"}],
        )

    @precondition(lambda self: self.lm._state._checkouts)
    @rule(which=NUMBERS, operation=st.sampled_from(["ExtendLicenseConsumption", "CheckInLicense"]))
    def go_on(self, which, operation):
        held = self.pick(which, self.lm._state._checkouts.values())
        self.ask(operation, held.account, token=False, LicenseConsumptionToken=held.token)

    @rule(which=NUMBERS)
    def look(self, which):
        self.ask("GetLicenseUsage", token=False, LicenseArn=self.licence(which).arn)

    # Grants

    @rule(which=NUMBERS, account=ACCOUNTS, all_of_them=st.booleans())
    def grant(self, which, account, all_of_them):
        self.ask(
            "CreateGrant",
            account,
            GrantName="G",
            LicenseArn=self.licence(which).arn,
            Principals=[ORGANIZATION if all_of_them else f"arn:aws:iam::{OTHER}:root"],
            HomeRegion=HOME,
            AllowedOperations=OPERATIONS,
            **({"Options": {"DesiredStatus": "ACTIVE"}} if all_of_them else {}),
        )

    @precondition(lambda self: any(self.lm._state.grants))
    @rule(which=NUMBERS, operation=st.sampled_from(["AcceptGrant", "RejectGrant", "DeleteGrant"]))
    def decide(self, which, operation):
        grant = self.pick(which, self.lm._state.grants)
        more = {"Version": str(grant.version)} if operation == "DeleteGrant" else {}
        self.ask(operation, grant.granter if more else OTHER, token=False, GrantArn=grant.arn, **more)

    @precondition(lambda self: any(self.lm._state.grants))
    @rule(which=NUMBERS, status=st.sampled_from(["ACTIVE", "DISABLED"]))
    def switch(self, which, status):
        grant = self.pick(which, self.lm._state.grants)
        self.ask("CreateGrantVersion", grant.granter, GrantArn=grant.arn, Status=status, StatusReason="so")

    # Tokens and tags

    @rule(which=NUMBERS)
    def make_token(self, which):
        arn = self.licence(which).arn
        self.ask("CreateToken", LicenseArn=arn, TokenProperties=["a"], RoleArns=["arn:aws:iam::111122223333:role/r"])

    @precondition(lambda self: any(self.lm._state.tokens))
    @rule(which=NUMBERS)
    def assume_role(self, which):
        token = self.pick(which, self.lm._state.tokens)
        access = self.ask("GetAccessToken", token=False, Token=token.text)
        asked = {"RoleArn": "arn:aws:iam::111122223333:role/r", "RoleSessionName": "jo"}
        form = urlencode(
            {
                "Action": "AssumeRoleWithWebIdentity",
                **asked,
                "WebIdentityToken": (access or {}).get("AccessToken", "none"),
            }
        )
        request = self.lm._dispatcher.arrive([(b"content-type", b"application/x-www-form-urlencoded")], form.encode())
        assert self.lm._dispatcher.answer(request).status == (400 if access is None else 200)

    @precondition(lambda self: any(self.lm._state.tokens))
    @rule(which=NUMBERS)
    def delete_token(self, which):
        self.ask("DeleteToken", token=False, TokenId=self.pick(which, self.lm._state.tokens).identifier)

    @rule(which=NUMBERS, keys=st.lists(st.sampled_from("abc"), min_size=1, unique=True), away=st.booleans())
    def tag(self, which, keys, away):
        tags = {"TagKeys": keys} if away else {"Tags": [{"Key": key, "Value": str(which)} for key in keys]}
        operation = "UntagResource" if away else "TagResource"
        self.ask(operation, token=False, ResourceArn=self.licence(which).arn, **tags)

    # AWS Marketplace

    @rule(which=NUMBERS, agentcore=st.booleans())
    def sell(self, which, agentcore):
        bought = {"account_id": OTHER, "entitlements": {"pages": 2.5, "tier": "Gold", "on": True}}
        code = f"prod-{which}"
        if code not in [one.code for one in self.lm.products()]:
            self.lm.add_product(code, ["pages", "tier", "on"], [ME, bought], agentcore=agentcore)

    @precondition(lambda self: self.lm.products())
    @rule(which=NUMBERS, account=ACCOUNTS, quantity=st.sampled_from(["1", "1.50", "0"]))
    def meter(self, which, account, quantity):
        asked = {"ProductCode": self.pick(which, self.lm.products()).code, "UsageDimension": "pages"}
        tags = [{"AllocatedUsageQuantityAsDecimal": quantity, "Tags": [{"Key": "k", "Value": "v"}]}]
        now = self.lm.clock.now()
        self.ask_to_meter(
            "MeterUsage", account, **asked, UsageQuantityAsDecimal=quantity, UsageAllocations=tags, Timestamp=now
        )

    @precondition(lambda self: self.lm.products())
    @rule(which=NUMBERS, number=NUMBERS, quantity=NUMBERS)
    def meter_a_customer(self, which, number, quantity):
        customer = self.pick(number, self.pick(which, self.lm.products()).customers)
        record = {"CustomerAWSAccountId": customer.account_id, "LicenseArn": customer.license_arn}
        record |= {"Dimension": "pages", "Timestamp": self.lm.clock.now(), "Quantity": quantity}
        self.ask_to_meter("BatchMeterUsage", token=False, UsageRecords=[record])

    @precondition(lambda self: self.lm.products())
    @rule(which=NUMBERS, number=NUMBERS, leaves=st.booleans())
    def change_a_customer(self, which, number, leaves):
        product = self.pick(which, self.lm.products())
        customer = self.pick(number, product.customers)
        self.ask_to_meter(
            "RegisterUsage", customer.account_id, token=False, ProductCode=product.code, PublicKeyVersion=1
        )
        if leaves:
            customer.unsubscribe()
        else:
            customer.register()
            customer.entitle("pages", number)

    def ask_to_meter(self, operation, account=ME, **parameters):
        self.ask(operation, account, service="AWSMPMeteringService", **parameters)

    # From Python

    @rule(seconds=st.sampled_from([1.5, 200, -100, 7 * 24 * 3600]))
    def move_the_clock(self, seconds):
        self.lm.clock.advance(seconds)

    @rule(which=NUMBERS, account=ACCOUNTS, status=st.sampled_from(["ACTIVE", "DISABLED", "DELETED"]))
    def receive(self, which, account, status):
        self.lm.receive(self.licence(which), account=account, status=status)

    @rule(which=NUMBERS, number=NUMBERS)
    def update(self, which, number):
        self.lm.update_license(self.licence(which), issuer_name=f"Shop {number % 2}", metadata={"a": str(number)})

    @rule()
    def restart(self):
        before = everything(self.lm)
        self.lm.close()
        self.lm = self.open(self.folder / "state.db")
        assert everything(self.lm) == before

    @invariant()
    def a_kill_loses_nothing(self):
        copy = self.folder / "copy"
        copy.mkdir()
        for file in self.folder.glob("state.db*"):
            shutil.copy(file, copy / file.name)
        again = self.open(copy / "state.db")
        try:
            assert everything(again) == everything(self.lm)
        finally:
            again.close()
            shutil.rmtree(copy)


TestKept = Kept.TestCase
TestKept.settings = settings(max_examples=25, stateful_step_count=30)
