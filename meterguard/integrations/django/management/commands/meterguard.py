"""``manage.py meterguard``: what is wrong with the licences of this project, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from .....diagnostics import Finding, examine, guards
from .....gating.registration import is_bypassed
from ....django_project import installed
from ... import registered


class Command(BaseCommand):  # type: ignore[misc,unused-ignore] # Django has no types
    """Takes no unit, and prints nothing secret."""

    help = "Looks for what is wrong with the licences of this project. Exit code 1 means that something is."
    requires_system_checks = ()  # it says itself what they would stop at

    def add_arguments(self, parser: CommandParser) -> None:
        """Add a sub-command for each thing to do."""
        commands = parser.add_subparsers(dest="command", required=True, metavar="{doctor,audit}")
        doctor = commands.add_parser("doctor", help="settings, connection, and guards that never run")
        asking = doctor.add_mutually_exclusive_group()
        asking.add_argument("--offline", action="store_true", help="ask AWS nothing")
        asking.add_argument("--live", action="store_true", help="ask AWS also how many units are in use")
        audit = commands.add_parser("audit", help="list the routes whose guard never runs")
        for one in (doctor, audit):
            one.add_argument("--json", action="store_true", dest="as_json", help="one JSON document instead of text")

    def handle(
        self, *_: object, command: str, as_json: bool, offline: bool = False, live: bool = False, **__: object
    ) -> None:
        """Run the sub-command that was asked for."""
        is_well = self._audit(as_json) if command == "audit" else self._doctor(as_json, offline=offline, usage=live)
        if not is_well:
            raise SystemExit(1)

    def _doctor(self, as_json: bool, *, offline: bool, usage: bool) -> bool:
        findings = [*examine(installed().guard, offline=offline, usage=usage), guards(registered())]
        self._print({"findings": [asdict(one) for one in findings]}, as_json, map(_line, findings))
        return all(one.result != "failed" for one in findings)

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
    return f"{finding.result:8}{finding.check:12}{finding.detail}{'' if finding.fix is None else f'; {finding.fix}'}"
