"""Units are the service's own."""

from __future__ import annotations

import botocore.session

from meterguard import Unit


def test_they_are_those_of_the_service_model():
    model = botocore.session.get_session().get_service_model("license-manager")
    assert {unit.value for unit in Unit} == set(model.shape_for("EntitlementDataUnit").enum)


def test_one_is_not_counted():
    assert [unit for unit in Unit if not unit.is_counted] == [Unit.NONE]


def test_a_unit_is_its_wire_string():
    assert Unit.MEGABYTES_PER_SECOND == "Megabytes/Second" == str(Unit.MEGABYTES_PER_SECOND)
    assert Unit("Megabytes/Second") is Unit.MEGABYTES_PER_SECOND
    assert f"{Unit.COUNT}" == "Count"
    assert {"Count": 1}[Unit.COUNT] == 1
