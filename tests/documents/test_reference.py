"""What the reference lists is what there is."""

from __future__ import annotations

import inspect
import json
import re
import tomllib

import boto3
import jwt
import pytest
from botocore.loaders import Loader

import meterguard
import meterguard.emulator
from meterguard import config, events, marketplace, pytest_plugin, testing
from meterguard.aws.metering import ANSWERS, STATUSES
from meterguard.core.lifecycle import TABLE, Signal, State
from meterguard.emulator import Emulator
from meterguard.emulator.admin.seeds import read_seed
from meterguard.metering_records import FINAL, RecordState, Verdict
from tests.documents.pages import DOCS, blocks

REFERENCE = {path.name: path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md")}
DOCUMENTED = set(re.findall(r"auto(?:function|class|exception|data):: (\w+)", "\n".join(REFERENCE.values())))


MARKETPLACE = ("marketplace-entitlement", "meteringmarketplace")


def rows(text):
    """The cells of every table row, code marks taken off."""
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_every_public_name_is_documented():
    public = {*meterguard.__all__, *meterguard.emulator.__all__, *testing.__all__, *marketplace.__all__}
    assert {name for name in public if not name.startswith("_")} <= DOCUMENTED


def test_every_event_is_documented():
    kinds = {name for name, kind in vars(events).items() if inspect.isclass(kind) and issubclass(kind, events.Event)}
    assert kinds <= DOCUMENTED


def written(default):
    if isinstance(default, str):
        return f'"{default}"'
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_configuration_table_is_the_code():
    table = {row[0]: row for row in rows(REFERENCE["configuration.md"]) if len(row) == 3}
    parameters = dict(inspect.signature(meterguard.MeterGuard.__init__).parameters)
    del parameters["self"], table["argument"]
    assert list(table) == list(parameters)
    for name, (_, variable, default) in table.items():
        option = config.OPTIONS[name]
        expected = config.variable(name) if option.has_variable else None
        assert (variable if variable.startswith("METERGUARD_") else None) == expected, name
        stated = option.default
        if option.is_required:
            assert default == "required"
        elif stated is None:
            assert default in ("none", "a new one", "AWS's own"), name
        else:
            assert default == written(stated), name


def test_defaults_in_signatures_are_those_of_the_code():
    shown = re.search(r"autoclass:: MeterGuard\((.+)\)", REFERENCE["guard.md"])[1]
    for name, _, default in [row for row in rows(REFERENCE["configuration.md"]) if len(row) == 3][1:]:
        stated = re.search(rf"\b{name}=([^,]+)", shown)[1].replace("_", "")
        if default not in ("required", "none", "a new one", "AWS's own"):
            assert stated == default, name


def test_the_reasons_are_the_code():
    table = [row for row in rows(REFERENCE["answers.md"]) if len(row) == 5][1:]
    shown = [(name, value.strip('"'), openfeature) for name, value, _, _, openfeature in table]
    assert shown == [(one.name, one.value, one.openfeature) for one in meterguard.Reason]


def test_the_table_of_states_is_the_code():
    text = (DOCS / "explanation/leases.md").read_text("utf-8")
    shown = {
        (State[source], Signal[signal.strip().upper()]): State[target]
        for source, signals, target in (row for row in rows(text) if len(row) == 3)
        if source in State.__members__
        for signal in signals.split(",")
    }
    told = {Signal.GRANTED: State.HELD, Signal.RENEWED: State.HELD}
    told |= {Signal.DENIED: State.BARRED, Signal.CLOSE: State.CLOSED}
    changes = {
        (state, signal): target
        for state, row in TABLE.items()
        for signal, target in row.items()
        if signal not in told and target is not state
    }
    assert shown == changes
    assert all(row.get(signal, target) is target for row in TABLE.values() for signal, target in told.items())


def test_the_tree_of_errors_is_the_code():
    tree = re.search(r"```\{code-block\} none\n(.+?)```", REFERENCE["errors.md"], re.DOTALL)[1]
    shown, path = {}, []
    for line in tree.splitlines():
        indent, name = re.match(r"([\s│├└─]*)(\w+)", line).groups()
        path[len(indent) // 4 :] = [name]
        shown[name] = path[-2] if len(path) > 1 else "Exception"
    public = [getattr(meterguard, name) for name in meterguard.__all__ if name != "__version__"]
    errors = [one for one in public if isinstance(one, type) and issubclass(one, Exception)]
    assert shown == {one.__name__: one.__bases__[0].__name__ for one in errors}


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in blocks("json")])
def test_a_policy_names_actions_that_exist(block):
    policy = json.loads(block.text)
    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        for prefix, name in (action.split(":") for action in statement["Action"]):
            services = MARKETPLACE if prefix == "aws-marketplace" else (prefix,)
            assert any(name in Loader().load_service_model(one, "service-2")["operations"] for one in services)


def test_the_trust_policy_fits_what_tokens_say(lm):
    policy = next(json.loads(one.text) for one in blocks("json") if "customers-without-aws" in one.place)
    licence = lm.add_license("ACME-1", [("Export", None, "None")], issuer_account=lm.account_id)
    vendor = boto3.client("license-manager", endpoint_url=lm.url)
    token = vendor.create_token(LicenseArn=licence.arn, ClientToken="order")["Token"]
    said = jwt.decode(token, options={"verify_signature": False})
    (statement,) = policy["Statement"]
    ((claim, wanted),) = statement["Condition"]["ForAnyValue:StringLike"].items()
    assert said["iss"] == f"https://{statement['Principal']['Federated']}"
    assert claim == f"{statement['Principal']['Federated']}:amr"
    assert wanted == said["amr"]


def test_the_first_policies_are_what_the_client_asks():
    from meterguard.aws.service import BORROW_OPERATIONS, GATE_OPERATIONS, USAGE_OPERATIONS

    page = [json.loads(block.text) for block in blocks("json") if "iam-policy" in block.place]
    policies = [policy["Statement"][0]["Action"] for policy in page[:3]]
    groups = (GATE_OPERATIONS, USAGE_OPERATIONS, BORROW_OPERATIONS)
    asked = [{f"license-manager:{name}" for name in names} for names in groups]
    assert list(map(set, policies)) == asked


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in blocks("toml")])
def test_a_seed_can_be_planted(block):
    emulator = Emulator(seed=read_seed(tomllib.loads(block.text)))
    assert emulator.license("ACME-1")


# What a guard has for the rooms of this package, and promises nobody else.
OF_THE_HOUSE = {
    "admit",
    "aadmit",
    "check_settings",
    "draw",
    "adraw",
    "engine",
    "engine_in_use",
    "empty_windows",
    "forget",
    "is_closed",
    "meter",
    "probe",
    "settings",
    "aprobe",
    "reopen",
    "resume",
    "till",
    "till_in_use",
    "scope",
}


@pytest.mark.parametrize(
    ("page", "owner"),
    [("emulator.md", Emulator), ("guard.md", meterguard.MeterGuard), ("testing.md", testing.Control)],
)
def test_every_public_method_is_documented(page, owner):
    shown = set(re.findall(r"auto(?:method|property):: (\w+)", REFERENCE[page]))
    kinds = [kind for kind in owner.__mro__ if kind.__module__.startswith("meterguard.")]
    methods = {name: one for kind in kinds for name, one in vars(kind).items() if not isinstance(one, type)}
    public = {name for name in methods if not name.startswith("_")}
    assert shown == public - OF_THE_HOUSE


def test_all_of_the_plugin_is_documented(pytestconfig):
    shown = {row[0].partition("(")[0] for row in rows(REFERENCE["testing.md"])}
    fixtures = {name for name, one in vars(pytest_plugin).items() if type(one).__name__ == "FixtureFunctionDefinition"}
    markers = {one.partition("(")[0].partition(":")[0] for one in pytest_plugin._MARKERS}
    settings = {name for name in pytestconfig._parser._inidict if name.startswith("meterguard_")}
    assert len(fixtures) == 3
    assert len(settings) == 2
    assert fixtures | markers | settings <= shown


def test_the_marker_is_documented():
    text = (DOCS / "how-to/test-with-pytest.md").read_text("utf-8")
    shown = {name for row in rows(text) if len(row) == 2 for name in row[0].split(", ")}
    assert set(re.findall(r"(\w+)=", pytest_plugin._MARKERS[0])) <= shown


def test_the_answers_of_aws_marketplace_are_the_code():
    told = {Verdict.DELIVERED: "UsageReported", Verdict.DIFFERS: "UsageDiffers", Verdict.REJECTED: "UsageRejected"}
    known = {
        code: (FINAL.get(answer.verdict, RecordState.PENDING).value, told.get(answer.verdict, "UsagePending"))
        for code, answer in (ANSWERS | STATUSES).items()
    }
    table = [row for row in rows(REFERENCE["marketplace.md"]) if len(row) == 3 and "{py:class}" in row[2]]
    shown = {code: (becomes, event.rpartition(".")[2]) for codes, becomes, event in table for code in codes.split(", ")}
    assert shown == known
