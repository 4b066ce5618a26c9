"""Django REST framework: permissions, a throttle, a mixin for views, and answers. It goes with the Django app.

Permissions and throttles ask and take nothing, for the framework asks them many times for one page. What holds a
seat is the mixin, or the plain decorator on a handler. `schema` is for drf-spectacular, and imported by nothing else.
"""

from ...extras import needed

with needed("rest_framework", "drf", by="meterguard.integrations.drf"):
    import rest_framework  # noqa: F401

from ..django_user import logged_in_user
from .answers import EntitlementAPIException, exception_handler
from .permissions import EntitlementThrottle, HasEntitlement
from .views import EntitledViewMixin

__all__ = (
    "EntitledViewMixin",
    "EntitlementAPIException",
    "EntitlementThrottle",
    "HasEntitlement",
    "exception_handler",
    "logged_in_user",
)
