"""Answers of guarded views, in the OpenAPI document that drf-spectacular writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema

from ..django_decorators import is_guarded
from ..django_project import installed
from ..openapi import entitlement_responses
from .permissions import EntitlementThrottle, HasEntitlement
from .views import EntitledViewMixin


class EntitlementAutoSchema(AutoSchema):  # type: ignore[misc,unused-ignore] # the framework has no types
    """A schema that documents the answers of a licence on views that ask for one.

    ::

        REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "meterguard.integrations.drf.schema.EntitlementAutoSchema"}
    """

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> Any:
        bodies = super()._get_response_bodies(*args, **kwargs)
        if not self._is_licensed():
            return bodies
        ours = {str(status): told for status, told in entitlement_responses(installed().options).items()}
        return ours | bodies

    def _is_licensed(self) -> bool:
        view: Any = self.view
        handler = getattr(view, getattr(view, "action", None) or self.method.lower(), None)
        return (
            is_guarded(getattr(handler, "__func__", handler))
            or any(isinstance(one, EntitlementThrottle) for one in view.throttle_classes)
            or any(isinstance(one, HasEntitlement) for one in _parts(view.permission_classes))
            or (isinstance(view, EntitledViewMixin) and view.needed_entitlement(self.method) is not None)
        )


def _parts(permissions: Any) -> Iterator[Any]:
    """Yield permissions, and the parts of those that are put together."""
    for one in permissions:
        yield one
        yield from _parts([part for name in ("op1_class", "op2_class") if (part := getattr(one, name, None))])
