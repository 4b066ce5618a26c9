"""Django: an app that answers, guards views and whole sites, tells templates, and finds guards that never run.

``INSTALLED_APPS = [..., "meterguard.integrations.django"]``. What Django looks for by name is where Django looks:
`middleware`, `views`, `templatetags`, `checks`, `signals`, `context_processors`; `test` is for a project's tests.
"""

from ..django_user import logged_in_user
from .decorators import entitlement_not_required
from .routes import registered

__all__ = ("entitlement_not_required", "logged_in_user", "registered")
