"""An issuer and its customers at random, with faults and leaps in time, beside an account of every unit by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.loaders import Loader
from botocore.session import Session
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meterguard.emulator import Emulator
from meterguard.emulator.protocol.signer import Signer

LOADER = Loader()
ISSUER, BUYERS, HOME = "111111111111", ["222222222222", "333333333333"], "us-east-1"
TTL, BORROW_TTL, WINDOW, WEEK = 3600, 24 * 3600, 600, 7 * 24 * 3600
USE = ["CheckoutLicense", "CheckInLicense", "ExtendConsumptionLicense", "CheckoutBorrowLicense"]
GONE, WRONG, NONE_LEFT = "ResourceNotFoundException", "InvalidParameterValueException", "NoEntitlementsAllowedException"

# How a first attempt goes wrong, and whether it takes effect; a second one follows it at once.
FAULTS = {
    "lost on the way": ({"drop": "before"}, False),
    "lost on the way back": ({"drop": "after"}, True),
    "too many": ({"error": "RateLimitExceededException"}, False),
    "failed": ({"error": "ServerInternalException"}, False),
    "done and failed": ({"error": "ServerInternalException", "applied": True}, True),
    "done and garbled": ({"status": 503, "applied": True}, True),
}
ACCOUNTS, NUMBERS = st.sampled_from([ISSUER, *BUYERS]), st.integers(0, 7)
FAULT = st.none() | st.sampled_from(sorted(FAULTS))


@cache
def client_of(account):
    """A client of an account, answered by whichever emulator is active."""
    session = Session()
    session.register_component("data_loader", LOADER)
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "secret", "region_name": HOME}
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    made = boto3.Session(botocore_session=session, **keys)
    return made.client("license-manager", endpoint_url="http://127.0.0.1:9", config=once)


@cache
def signer():
    """One key for all examples; to make one takes longer than all that an example does."""
    return Signer()


@dataclass
class Licence:
    """What the issuer knows of a licence."""

    arn: str
    terms: dict
    most: int
    overage: bool
    can_return: bool
    is_weekly: bool
    begin: float
    end: float | None
    status: str = "AVAILABLE"
    version: int = 1
    period: int = 0
    spent: int = 0

    @property
    def fingerprint(self):
        return f"aws:{ISSUER}:Acme:issuer-fingerprint"

    def is_usable(self, now):
        return self.status == "AVAILABLE" and (self.end is None or now < self.end)


@dataclass
class Grant:
    arn: str
    licence: Licence
    account: str
    status: str = "PENDING_ACCEPT"


@dataclass
class Taken:
    """What somebody holds or has drawn."""

    licence: Licence
    account: str
    kind: str
    count: int
    expires: float


class Market(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.lm = Emulator(random_seed=1)
        self.lm._signing_key._signer = signer()
        self.lm.clock.freeze("2030-01-01T00:00:00Z")
        self.active = self.lm.in_process()
        self.active.__enter__()
        self.licences, self.grants = [], []
        self.taken, self.seen, self.answered = {}, set(), {}
        self.asked = 0

    def teardown(self):
        self.active.__exit__(None, None, None)
        self.lm.__exit__(None, None, None)

    # Asking

    @property
    def now(self):
        return self.lm.clock.now()

    def ask(self, account, operation, **parameters):
        """An answer without its metadata, or the code of a refusal."""
        try:
            answer = getattr(client_of(account), operation)(**parameters)
        except ClientError as error:
            return error.response["Error"]["Code"]
        answer.pop("ResponseMetadata")
        return answer

    def ask_twice(self, fault, account, operation, **parameters):
        """Ask after a first attempt that went wrong; with it whether that took effect."""
        if fault is None:
            return self.ask(account, operation, **parameters), False
        options, is_applied = FAULTS[fault]
        self.lm.faults.add("*", **options)
        try:
            lost = self.ask(account, operation, **parameters)
        except ConnectionClosedError:
            lost = None
        assert lost in (None, options.get("error"), "503")
        assert not any(not one.is_spent for one in self.lm.faults)
        self.lm.faults.clear()
        return self.ask(account, operation, **parameters), is_applied

    def new_token(self):
        self.asked += 1
        return f"token-{self.asked}"

    def pick(self, found, number):
        return found[number % len(found)]

    # The issuer

    @initialize(most=st.integers(1, 5), overage=st.booleans(), days=st.none() | st.sampled_from([1, 30]))
    def open(self, most, overage, days):
        self.issue(most, overage, can_return=True, is_weekly=False, days=days, fault=None)
        self.issue(9, overage=False, can_return=True, is_weekly=True, days=None, fault=None)
        for which in range(2):
            for buyer in BUYERS:
                self.give(which, buyer, None)
                for step in ("accept", "activate"):
                    self.decide(len(self.grants) - 1, step, None)

    @precondition(lambda self: len(self.licences) < 4)
    @rule(
        most=st.integers(0, 5),
        overage=st.booleans(),
        can_return=st.booleans(),
        is_weekly=st.booleans(),
        days=st.none() | st.sampled_from([1, 30]),
        fault=FAULT,
    )
    def issue(self, most, overage, can_return, is_weekly, days, fault):
        end = None if days is None else self.now + days * 24 * 3600
        terms = {
            "LicenseName": "L",
            "ProductName": "P",
            "Issuer": {"Name": "Acme", "SignKey": f"arn:aws:kms:{HOME}:{ISSUER}:key/1"},
            "HomeRegion": HOME,
            "Validity": {"Begin": written(self.now), **({} if end is None else {"End": written(end)})},
            "ConsumptionConfiguration": {
                "RenewType": "Weekly" if is_weekly else "None",
                "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": TTL // 60},
                "BorrowConfiguration": {"AllowEarlyCheckIn": True, "MaxTimeToLiveInMinutes": BORROW_TTL // 60},
            },
        }
        entitlement = {"Name": "Seats", "Unit": "Count", "AllowCheckIn": can_return, "Overage": overage}
        made, _ = self.ask_twice(
            fault,
            ISSUER,
            "create_license",
            **terms,
            ProductSKU=f"SKU-{len(self.licences)}",
            Beneficiary="Jo",
            Entitlements=[{**entitlement, "MaxCount": most}],
            ClientToken=self.new_token(),
        )
        licence = Licence(made["LicenseArn"], terms, most, overage, can_return, is_weekly, self.now, end)
        licence.terms = {**terms, "Entitlements": [entitlement]}
        self.licences.append(licence)

    @rule(
        which=NUMBERS,
        more=st.integers(0, 2),
        status=st.sampled_from(["AVAILABLE", "AVAILABLE", "SUSPENDED"]),
        fault=FAULT,
    )
    def change(self, which, more, status, fault):
        licence = self.pick(self.licences, which)
        (entitlement,) = licence.terms["Entitlements"]
        terms = {**licence.terms, "Entitlements": [{**entitlement, "MaxCount": licence.most + more}], "Status": status}
        said, _ = self.ask_twice(
            fault, ISSUER, "create_license_version", **terms, LicenseArn=licence.arn, ClientToken=self.new_token()
        )
        if licence.status == "DELETED":
            assert said == "ConflictException"
            return
        licence.version += 1
        licence.most, licence.status = licence.most + more, status
        assert said["Version"] == str(licence.version)

    @precondition(lambda self: len(self.licences) > 2)
    @rule(which=NUMBERS, fault=FAULT)
    def delete(self, which, fault):
        licence = self.licences[2 + which % (len(self.licences) - 2)]
        if licence.status == "DELETED":
            return
        said, is_done = self.ask_twice(
            fault, ISSUER, "delete_license", LicenseArn=licence.arn, SourceVersion=str(licence.version)
        )
        assert said == "ConflictException" if is_done else said["Status"] == "DELETED"
        licence.status, licence.version = "DELETED", licence.version + 1

    @precondition(lambda self: len(self.grants) < 8)
    @rule(which=NUMBERS, account=st.sampled_from(BUYERS), fault=FAULT)
    def give(self, which, account, fault):
        licence = self.pick(self.licences, which)
        said, _ = self.ask_twice(
            fault,
            ISSUER,
            "create_grant",
            ClientToken=self.new_token(),
            GrantName="G",
            LicenseArn=licence.arn,
            Principals=[f"arn:aws:iam::{account}:root"],
            HomeRegion=HOME,
            AllowedOperations=USE,
        )
        if licence.status == "DELETED":
            assert said == WRONG
        else:
            self.grants.append(Grant(said["GrantArn"], licence, account))

    @precondition(lambda self: len(self.grants) > 5)
    @rule(which=NUMBERS, fault=FAULT)
    def take_back(self, which, fault):
        grant = self.pick(self.grants, which)
        version = self.ask(ISSUER, "get_grant", GrantArn=grant.arn)["Grant"]["Version"]
        said, is_done = self.ask_twice(fault, ISSUER, "delete_grant", GrantArn=grant.arn, Version=version)
        assert said == WRONG if is_done or grant.status == "DELETED" else said["Status"] == "DELETED"
        grant.status = "DELETED"

    @rule(which=NUMBERS, step=st.sampled_from(["accept", "reject", "activate", "disable"]), fault=FAULT)
    def decide(self, which, step, fault):
        grant = self.pick(self.grants, which)
        before = ("PENDING_ACCEPT",) if step in ("accept", "reject") else ("ACTIVE", "DISABLED")
        after = {"accept": "DISABLED", "reject": "REJECTED", "activate": "ACTIVE", "disable": "DISABLED"}[step]
        if step in ("accept", "reject"):
            said, is_done = self.ask_twice(fault, grant.account, f"{step}_grant", GrantArn=grant.arn)
        else:
            more = {"GrantArn": grant.arn, "Status": after, "ClientToken": self.new_token()}
            said, is_done = self.ask_twice(fault, grant.account, "create_grant_version", **more)[0], False
        if grant.status not in before:
            assert said == WRONG
            return
        assert said == WRONG if is_done else said["Status"] == after
        grant.status = after

    # Customers

    @rule(account=ACCOUNTS, which=NUMBERS, count=st.integers(1, 3), fault=FAULT)
    def check_out(self, account, which, count, fault):
        self.take(fault, account, self.pick(self.licences, which), "PROVISIONAL", count, self.new_token())

    @rule(account=ACCOUNTS, which=NUMBERS, count=st.integers(1, 3), fault=FAULT)
    def draw(self, account, which, count, fault):
        self.take(fault, account, self.pick(self.licences, which), "PERPETUAL", count, self.new_token())

    @rule(account=ACCOUNTS, which=NUMBERS, count=st.integers(1, 3), fault=FAULT)
    def borrow(self, account, which, count, fault):
        self.take(fault, account, self.pick(self.licences, which), "BORROW", count, self.new_token())

    @precondition(lambda self: self.answered)
    @rule(which=NUMBERS, fault=FAULT)
    def ask_again(self, which, fault):
        token = self.pick(list(self.answered), -1 - which)
        account, licence, kind, count, at, answer = self.answered[token]
        if self.now - at >= WINDOW:
            self.take(fault, account, licence, kind, count, token)
            return
        operation, asked = self.request_of(account, licence, kind, count, token)
        assert self.ask_twice(fault, account, operation, **asked)[0] == answer
        operation, other = self.request_of(account, licence, kind, count + 1, token)
        assert self.ask(account, operation, **other) == WRONG

    @precondition(lambda self: self.seen)
    @rule(which=NUMBERS, account=st.none() | ACCOUNTS, fault=FAULT)
    def extend(self, which, account, fault):
        token, one, account = self.somebodys(which, account)
        said, _ = self.ask_twice(fault, account, "extend_license_consumption", LicenseConsumptionToken=token)
        if one is None or one.account != account:
            assert said == GONE
        elif one.kind != "PROVISIONAL":
            assert said == WRONG
        elif not one.licence.is_usable(self.now) or not self.may(account, one.licence):
            assert said == GONE
        else:
            one.expires = self.end_of(one.licence, TTL)
            assert said == {"LicenseConsumptionToken": token, "Expiration": written(one.expires)}

    @precondition(lambda self: self.seen)
    @rule(which=NUMBERS, account=st.none() | ACCOUNTS, fault=FAULT)
    def check_in(self, which, account, fault):
        token, one, account = self.somebodys(which, account)
        said, is_done = self.ask_twice(fault, account, "check_in_license", LicenseConsumptionToken=token)
        if one is None or one.account != account:
            assert said == GONE
        elif one.kind == "PERPETUAL" or (one.kind == "PROVISIONAL" and not one.licence.can_return):
            assert said == WRONG
        else:
            assert said == (GONE if is_done else {})
            del self.taken[token]

    @rule(days=st.sampled_from([1, 8, 366]))
    def leap(self, days):
        self.wait(days * 24 * 3600)

    @rule(seconds=st.sampled_from([1, 300, WINDOW, TTL - 1, TTL]))
    def wait(self, seconds):
        now = self.lm.clock.advance(seconds)
        self.taken = {token: one for token, one in self.taken.items() if one.expires > now}
        for licence in self.licences:
            period = int((now - licence.begin) // WEEK) if licence.is_weekly else 0
            if period != licence.period:
                licence.period, licence.spent = period, 0

    @rule(which=NUMBERS)
    def look(self, which):
        licence = self.pick(self.licences, which)
        (usage,) = self.ask(ISSUER, "get_license_usage", LicenseArn=licence.arn)["LicenseUsage"]["EntitlementUsages"]
        assert (usage["ConsumedValue"], usage["MaxCount"]) == (str(self.used(licence)), str(licence.most))

    # What has to hold

    @invariant()
    def every_unit_is_accounted_for(self):
        for licence in self.licences:
            used = self.used(licence)
            assert self.lm.usage(licence.arn) == {"Seats": used}
            assert used <= licence.most or licence.overage

    @invariant()
    def who_holds_what_is_known(self):
        held = {token: (one.account, one.expires) for token, one in self.taken.items() if one.kind != "PERPETUAL"}
        assert {one.token: (one.account, one.expires) for one in self.lm.checkouts()} == held

    # The account by hand

    def used(self, licence):
        held = (one.count for one in self.taken.values() if one.licence is licence and one.kind != "PERPETUAL")
        return sum(held) + licence.spent

    def may(self, account, licence):
        return account == ISSUER or any(
            (one.licence, one.account, one.status) == (licence, account, "ACTIVE") for one in self.grants
        )

    def end_of(self, licence, ttl):
        return self.now + ttl if licence.end is None else min(self.now + ttl, licence.end)

    def somebodys(self, which, account):
        token = self.pick(sorted(self.seen), which)
        one = self.taken.get(token)
        return token, one, account or (one.account if one else ISSUER)

    def request_of(self, account, licence, kind, count, token):
        more = {"Entitlements": [{"Name": "Seats", "Unit": "Count", "Value": str(count)}], "ClientToken": token}
        if kind == "BORROW":
            return "checkout_borrow_license", {
                **more,
                "LicenseArn": licence.arn,
                "DigitalSignatureMethod": "JWT_PS384",
            }
        return "checkout_license", {
            **more,
            "ProductSKU": f"SKU-{self.licences.index(licence)}",
            "KeyFingerprint": licence.fingerprint,
            "CheckoutType": kind,
            **({"Beneficiary": "Jo"} if account == ISSUER else {}),
        }

    def refusal(self, account, licence, kind, count):
        """The code that a checkout is refused with, or None."""
        if not self.may(account, licence) or (licence.status == "DELETED" and kind != "BORROW"):
            return GONE
        fits = licence.overage or self.used(licence) + count <= licence.most
        return None if fits and licence.is_usable(self.now) else NONE_LEFT

    def take(self, fault, account, licence, kind, count, token):
        operation, asked = self.request_of(account, licence, kind, count, token)
        refusal = self.refusal(account, licence, kind, count)
        said, _ = self.ask_twice(fault, account, operation, **asked)
        if refusal is not None:
            assert said == refusal
            return
        one = Taken(licence, account, kind, count, self.end_of(licence, BORROW_TTL if kind == "BORROW" else TTL))
        consumption = said["LicenseConsumptionToken"]
        assert consumption not in self.seen
        assert said["EntitlementsAllowed"] == [{"Name": "Seats", "Value": str(count), "Unit": "Count"}]
        assert (said["IssuedAt"] + "Z", said["Expiration"] + "Z") == (written(self.now), written(one.expires))
        self.seen.add(consumption)
        self.taken[consumption] = one
        licence.spent += count if kind == "PERPETUAL" else 0
        self.answered[token] = (account, licence, kind, count, self.now, said)


def written(moment):
    """A moment as the service writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


TestMarket = Market.TestCase
# What fails is shown as it was found: to find something shorter takes minutes.
TestMarket.settings = settings(
    max_examples=35, stateful_step_count=50, phases=set(Phase) - {Phase.shrink, Phase.explain}
)
