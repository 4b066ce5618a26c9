"""``entitled`` in templates."""

from __future__ import annotations

from typing import Any

from flask import Flask

from .application import installed


def add_to_templates(app: Flask) -> None:
    """Add ``entitled("Seats", 1)`` and ``"Seats" is entitled(1)``, without building the environment too early."""

    def extend(environment: Any) -> Any:
        environment.globals["entitled"] = _entitled
        environment.tests["entitled"] = _entitled
        return environment

    if "jinja_env" in vars(app):
        extend(app.jinja_env)
        return
    create = app.create_jinja_environment
    app.create_jinja_environment = lambda: extend(create())  # type: ignore[method-assign]


def _entitled(name: str, value: Any = None, unit: Any = None) -> bool:
    return installed().guard.has_entitlement(name, value, unit)
