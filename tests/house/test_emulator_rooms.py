"""The emulator's rooms stand on one another (design, section 5), and the emulator on nothing."""

from __future__ import annotations

from tests.house.source import MODULES

PREFIX = "meterguard.emulator."
STAND_ON = {
    "protocol": set(),
    "state": {"protocol"},
    "operations": {"state", "protocol"},
    "faults": {"state", "protocol"},
    "admin": {"faults", "state", "protocol"},
    "serving": {"admin", "operations", "faults", "state", "protocol"},
}


def imports_of(module):
    for line, dotted in module.imports():
        if dotted.startswith("meterguard"):
            yield f"{module.name}, line {line}, imports {dotted}", dotted


def room_of(dotted):
    """The room that a module of the emulator is in; None outside of the rooms."""
    room = dotted.removeprefix(PREFIX).split(".")[0] if dotted.startswith(PREFIX) else None
    return room if room in STAND_ON else None


def test_rooms_import_only_what_they_stand_on():
    wrong = [
        what
        for module in MODULES
        if (here := room_of(module.name))
        for what, dotted in imports_of(module)
        if dotted.startswith("meterguard.emulator") and room_of(dotted) not in {here} | STAND_ON[here]
    ]
    assert wrong == [], "\n".join(wrong)


def test_every_room_is_in_the_table():
    rooms = {module.name.removeprefix(PREFIX) for module in MODULES if module.is_package and PREFIX in module.name}
    assert rooms == STAND_ON.keys()


def test_only_one_file_imports_from_outside():
    outside = {
        module.name
        for module in MODULES
        if module.name.startswith(PREFIX)
        for _, dotted in imports_of(module)
        if not (dotted + ".").startswith(PREFIX)
    }
    assert outside == {PREFIX + "protocol.errors"}
