"""Our checks against botocore's own: what botocore refuses to send, the emulator refuses to take."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from meterguard.emulator.operations.table import (
    ENTITLEMENT_OPERATIONS,
    IDENTITY_OPERATIONS,
    KEY_OPERATIONS,
    METERING_OPERATIONS,
    OPERATIONS,
)
from meterguard.emulator.protocol.model import ENTITLEMENT, KMS, LICENSE_MANAGER, METERING, STS, Problems

TABLES = {
    "license-manager": (LICENSE_MANAGER, OPERATIONS),
    "kms": (KMS, KEY_OPERATIONS),
    "sts": (STS, IDENTITY_OPERATIONS),
    "meteringmarketplace": (METERING, METERING_OPERATIONS),
    "marketplace-entitlement": (ENTITLEMENT, ENTITLEMENT_OPERATIONS),
}
MODELS = {name: ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in TABLES}
EACH = [(service, name) for service, (_, operations) in TABLES.items() for name in sorted(operations)]
ODD = st.sampled_from(["", "x", 0, 1, True, 1.5, [], {}, ["x"], {"Name": "x"}])


PLAIN = {
    "boolean": st.booleans(),
    "integer": st.integers(-5, 200),
    "long": st.integers(-5, 200),
    "blob": st.sampled_from(["aGVsbG8=", "x", ""]),
    "timestamp": st.sampled_from([0, 1.5, 2**31]),
}


def values(shape):
    """Values of a shape, most of them right."""
    if shape.type_name == "structure":
        members = {name: values(member) | ODD for name, member in shape.members.items()}
        needed = {name: members.pop(name) for name in shape.required_members}
        return st.fixed_dictionaries(needed, optional=members)
    if shape.type_name == "map":
        return st.dictionaries(values(shape.key) | st.just("x"), values(shape.value) | ODD, max_size=2)
    if shape.type_name == "list":
        return st.lists(values(shape.member), max_size=2)
    if shape.type_name in PLAIN:
        return PLAIN[shape.type_name]
    return st.sampled_from(list(shape.enum) or ["x", "a b", "2026-01-01T00:00:00Z", "arn:aws:a:b:c:d"])


@pytest.mark.parametrize(("service", "name"), EACH)
def test_what_botocore_would_not_send_is_refused(service, name):
    shape = MODELS[service].operation_model(name).input_shape

    @settings(max_examples=40)
    @given(values(shape))
    def agree(parameters):
        problems = Problems()
        TABLES[service][0].describe(name).check_request(parameters, "", problems)
        if ParamValidator().validate(parameters, shape).has_errors():
            assert problems

    agree()


@pytest.mark.parametrize(("service", "name"), EACH)
def test_what_we_answer_wrongly_is_noticed(service, name):
    problems = Problems()
    TABLES[service][0].describe(name).check_answer({"Colour": 1}, "", problems)
    assert problems.constraints == ["Value at 'Colour' failed to satisfy constraint: Member is not known"]


@pytest.mark.parametrize("service", TABLES)
def test_every_operation_of_a_service_is_known(service):
    model, operations = TABLES[service]
    assert model.operations == frozenset(MODELS[service].operation_names)
    assert operations.keys() <= model.operations


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_error_that_an_operation_answers_by_itself_is_one_of_its_own(name):
    own = LICENSE_MANAGER.describe(name).errors
    assert "ServerInternalException" in own
    assert {"ValidationException", "InvalidParameterValueException"} & own


@pytest.mark.parametrize("service", ["meteringmarketplace", "marketplace-entitlement"])
def test_aws_marketplace_has_no_operation_that_is_not_answered(service):
    model, operations = TABLES[service]
    assert operations.keys() == model.operations
