"""Runs of requests that are almost right, drawn at random from botocore's model, and somebody who asks them."""

from __future__ import annotations

import json
from functools import cache
from typing import Literal, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from meterguard.emulator import Behavior, Emulator
from meterguard.emulator.protocol.signer import Signer

from .requests_by_model import NAMES, shape_of

ME, OTHER, HOME = "111122223333", "222222222222", "us-east-1"
ORGANIZATION = f"arn:aws:organizations::{ME}:organization/o-1"
# Times at the ends of what can be written, and some that no calendar has.
TIMES = [
    *("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z", "2030-01-01T00:00:00.123456789+05:30"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2030-02-31T00:00:00Z", "-2030-01-01T00:00:00Z"),
    *("20301-01-01T00:00:00Z", "2030-01-01T00:00:00ZZ", "2030-01-01T00:00:00+2 0:00", "0000-01-01T00:00:00Z"),
]
# By the name of a member, what makes sense for it; ``$`` stands for what the emulator has.
SENSE = {
    "AllowedOperations": ["CheckoutLicense", "CreateGrant", "CreateToken", "ListReceivedLicenses"],
    "Begin": TIMES,
    "Beneficiary": ["Jo", "Ann"],
    "CheckoutType": ["PROVISIONAL", "PERPETUAL"],
    "ClientToken": ["a", "b", "c", "d", "e"],
    "End": TIMES,
    "ExpirationInDays": [1, 365, 0, -1, 2**31 - 1],
    "GrantArn": ["$grants"],
    "GrantArns": ["$grants"],
    "HomeRegion": [HOME, "eu-west-1", "\r\n"],
    "KeyFingerprint": ["$fingerprints"],
    "LicenseArn": ["$licenses"],
    "LicenseArns": ["$licenses"],
    "LicenseConsumptionToken": ["$checkouts"],
    "MaxCount": [0, 1, 5, -1, 2**63 - 1],
    "MaxResults": [1, 2, 100],
    "MaxTimeToLiveInMinutes": [1, 60, 0, -1, 2**31 - 1],
    "NextToken": ["$next", "", "W10=", "WzEsMl0=", "bnVsbA==", "\ud800", "!"],
    "NodeId": ["n", "m"],
    "Principals": [f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{ME}:root", ORGANIZATION, f"{ORGANIZATION}2"],
    "ProductSKU": ["SKU"],
    "ResourceArn": ["$licenses", "$grants"],
    "SignKey": ["arn:aws:kms:us-east-1:111122223333:key/1"],
    "SourceVersion": ["1", "2", "0", "01", "\u0661"],
    "Token": ["$tokens"],
    "TokenId": ["$token_ids"],
    "TokenIds": ["$token_ids"],
    "Unit": ["Count", "None", "Seconds"],
    "Version": ["1", "2", "x"],
}
# By the name of a shape, whole values that are right.
RIGHT = {
    "DatetimeRange": [{"Begin": TIMES[0], "End": TIMES[1]}, {"Begin": TIMES[0]}],
    "EntitlementList": [
        [{"Name": "Seats", "Unit": "Count", "MaxCount": 5, "AllowCheckIn": True, "Overage": over}]
        for over in (True, False)
    ],
    "EntitlementDataList": [
        [{"Name": "Seats", "Unit": "Count", "Value": "2"}],
        [{"Name": "Export", "Unit": "None"}],
        [{"Name": "Seats", "Unit": "Count", "Value": "1"}, {"Name": "Export", "Unit": "None", "Value": "0"}],
    ],
}
FILTERS = ["ProductSKU", "Status", "GrantStatus", "LicenseArn", "Beneficiary", "ParentArn", "LicenseArns"]
ODD = [None, "", "x", "\ud800", "\U0001f511", "\0", 0, -1, 2**63, 1.5, True, [], {}, ["x"], {"Name": "x"}]
TEXTS = {
    "Name": st.sampled_from(["Seats", "Export", *FILTERS]),
    "Value": st.sampled_from(["1", "2", "0", "-1", "1.5", "9" * 18, "9" * 19, "on", ""]),
    "Values": st.sampled_from(["SKU", "AVAILABLE", "ACTIVE", "Jo"]),
}


def member(name, shape):
    """Values of one member that make sense."""
    if name in SENSE and shape.type_name != "list":
        return st.sampled_from(SENSE[name])
    made = {
        "structure": lambda: structure(shape),
        "list": lambda: st.lists(member(name, shape.member), min_size=1, max_size=2),
        "string": lambda: st.sampled_from(list(shape.enum)) if shape.enum else TEXTS.get(name, st.just("x")),
        "boolean": st.booleans,
    }[shape.type_name]()
    return st.sampled_from(RIGHT[shape.name]) | made if shape.name in RIGHT else made


@cache
def structure(shape):
    """Structures with all that is required, and some of the rest."""
    members = {name: member(name, one) for name, one in shape.members.items()}
    needed = {name: members.pop(name) for name in shape.required_members}
    return st.fixed_dictionaries(needed, optional=members)


@st.composite
def requests(draw):
    """An operation and its parameters, one time in five with a member that is odd."""
    operation = draw(st.sampled_from(NAMES))
    shape = shape_of(operation)
    parameters = draw(structure(shape))
    if draw(st.integers(0, 4)) == 4:
        parameters[draw(st.sampled_from(sorted(shape.members)))] = draw(st.sampled_from(ODD))
    return operation, parameters


def switches():
    """Any behaviour that a name or yes and no can choose."""
    hints = get_type_hints(Behavior)
    values = {
        name: st.sampled_from(get_args(hint)) if get_origin(hint) is Literal else st.booleans()
        for name, hint in hints.items()
        if hint is bool or get_origin(hint) is Literal
    }
    return st.fixed_dictionaries({}, optional=values).map(lambda chosen: Behavior(**chosen))


@cache
def signer():
    """One key for all examples; to make one takes longer than all that an example does."""
    return Signer()


class Asker:
    """An emulator with something of everything, and what it has told so far."""

    def __init__(self, behavior, seed=1):
        self.lm = Emulator(behavior=behavior, random_seed=seed, organizations={ORGANIZATION: [OTHER]})
        self.lm._signing_key._signer = signer()
        self.lm.clock.freeze("2030-01-01T00:00:00Z")
        for sku, issuer in (("SKU", ME), ("SKU", OTHER)):
            self.lm.add_license(
                sku,
                [("Seats", 5, "Count"), ("Export", "on", "None")],
                issuer_account=issuer,
                beneficiary="Jo",
                borrow_ttl=600,
                recipients=[ME, OTHER],
            )
        self.told = {"next": []}

    def known(self, kind):
        state = self.lm._state
        found = {
            "grants": [one.arn for one in state.grants],
            "licenses": [one.arn for one in state.licenses()],
            "fingerprints": [one.key_fingerprint for one in state.licenses()],
            "checkouts": list(state._checkouts),
            "tokens": [one.text for one in state.tokens],
            "token_ids": [one.identifier for one in state.tokens],
            "next": self.told["next"],
        }
        return found[kind] or ["x"]

    def filled(self, value, which):
        if isinstance(value, dict):
            return {name: self.filled(one, which) for name, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one, which) for one in value]
        if isinstance(value, str) and value.startswith("$"):
            found = self.known(value[1:])
            return found[which % len(found)]
        return value

    def ask(self, operation, account, region, parameters):
        """One request; the reply, and what it says."""
        headers = [
            (b"x-amz-target", f"AWSLicenseManager.{operation}".encode()),
            (b"authorization", f"Credential={account}/20300101/{region}/license-manager/".encode()),
        ]
        reply = self.send(headers, json.dumps(parameters).encode())
        try:
            said = json.loads(reply.body or b"{}")
        except ValueError:  # a fault spoiled it
            said = {}
        if "NextToken" in said:
            self.told["next"].append(said["NextToken"])
        return reply, said

    def send(self, headers, body):
        return self.lm._dispatcher.answer(self.lm._dispatcher.arrive(headers, body))


STEPS = st.lists(
    st.tuples(
        requests(),
        st.sampled_from([ME, ME, OTHER]),
        st.sampled_from([HOME, HOME, "eu-west-1"]),
        st.integers(0, 3),
        st.sampled_from([0, 0, 61, 400 * 24 * 3600, -1000]),
    ),
    min_size=1,
    max_size=10,
)
