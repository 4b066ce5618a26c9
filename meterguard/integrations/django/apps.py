"""The app, for ``INSTALLED_APPS``."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed

from ..django_project import SETTING, apply_settings
from . import checks
from .signals import forward


class MeterGuardConfig(AppConfig):  # type: ignore[misc,unused-ignore] # Django has no types
    """An app that carries the settings out. It asks nobody and starts nothing."""

    name = "meterguard.integrations.django"
    label = "meterguard"
    verbose_name = "Licences"

    def ready(self) -> None:
        """Carry the settings out, once Django has loaded all apps."""
        checks.register()
        setting_changed.connect(_apply_anew, dispatch_uid="meterguard")
        forward(apply_settings().guard)


def _apply_anew(*, setting: str, **_: Any) -> None:
    if setting == SETTING:
        apply_settings()
