"""``manage.py meterguard``: what is wrong with the licences of this project, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from .....checkup import Finding, check, guards
from .....gating.registration import is_bypassed
from ...._django import installed
from ... import registered


class Command(BaseCommand):  # type: ignore[misc,unused-ignore] # Django has no types
    """Takes no unit, and prints nothing secret."""

    help = "Looks for what is wrong with the licences of this project. Exit code 1 means that something is."
    requires_system_checks = ()  # it says itself what they would stop at

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command for each thing to do."""
        commands = parser.add_subparsers(dest="command", required=True, metavar="{doctor,audit}")
        doctor = commands.add_parser("doctor", help="settings, connection, and guards that never run")
        doctor.add_argument("--live", action="store_true", help="ask AWS what is in use of the licence; takes no unit")
        audit = commands.add_parser("audit", help="list the routes whose guard never runs")
        for one in (doctor, audit):
            one.add_argument("--json", action="store_true", dest="as_json", help="one JSON document instead of text")

    def handle(self, *_: Any, command: str, as_json: bool, live: bool = False, **__: Any) -> None:
        """Run the one that was asked for."""
        is_well = self._audit(as_json) if command == "audit" else self._doctor(as_json, live=live)
        if not is_well:
            raise SystemExit(1)

    def _doctor(self, as_json: bool, *, live: bool) -> bool:
        findings: list[Finding] = [*check(installed().guard, live=live), guards(registered())]
        self._print([asdict(one) for one in findings], as_json, (_line(one) for one in findings))
        return all(one.status != "failed" for one in findings)

    def _audit(self, as_json: bool) -> bool:
        bypassed = [route for route, view in registered() if is_bypassed(view)]
        self._print(bypassed, as_json, bypassed)
        if not bypassed and not as_json:
            self.stderr.write("every guard is run")
        return not bypassed

    def _print(self, document: Any, as_json: bool, lines: Iterable[str]) -> None:
        for line in [json.dumps(document)] if as_json else lines:
            self.stdout.write(line)


def _line(finding: Finding) -> str:
    return f"{finding.status:8}{finding.name:12}{finding.detail}"
