"""An integration for Bottle, made of the public contract alone.

Set up as for quickstart.py, install the plugin of examples/bottle_plugin.py by `app.install(EntitlementPlugin())`, and
say at a route what it needs: `@app.get("/report", entitlement=("Seats", 1, "Count"))`.
"""

from typing import Any

import bottle

from meterguard import MeterGuard, MeterGuardError, get_guard
from meterguard.integrations import HttpOptions


class EntitlementPlugin:
    """Guards the routes that have `entitlement=`, and answers for the guard."""

    def __init__(self, guard: MeterGuard | None = None, **options: Any) -> None:
        self.guard, self.options = guard, HttpOptions(**options)

    def apply(self, view: Any, route: bottle.Route) -> Any:
        if "entitlement" not in route.config:
            return view
        gate = (self.guard or get_guard()).requires_entitlement(*route.config["entitlement"], hold="call")

        def guarded(**arguments: Any) -> Any:
            try:
                admission = gate.enter(**arguments)
            except MeterGuardError as error:
                return self.answer(error)
            try:
                result = view(**arguments)
            except BaseException:
                admission.release()
                raise
            return admission.hand_over(result)

        return guarded

    def answer(self, error: MeterGuardError) -> bottle.HTTPResponse:
        refusal, request = self.options.refusal(error), bottle.request
        answer = self.options.answer(refusal, accept=request.get_header("Accept"), instance=request.path)
        return bottle.HTTPResponse(answer.body, answer.status, answer.headers)
