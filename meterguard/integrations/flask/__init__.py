"""Flask: an extension that answers, guards blueprints, tells templates, and finds guards that never run.

`extension` is what applications touch. Each other file is one thing that it adds to an application: `answers`,
`groups`, `views`, `templates`, `signals`, `commands`, and the search through `routes`.
"""

from ...extras import needed

with needed("flask", "flask", by="meterguard.integrations.flask"):
    import flask  # noqa: F401

from .application import current_meterguard
from .extension import FlaskMeterGuard
from .routes import registered
from .signals import entitlement_denied, lease_checked_in, lease_checked_out, lease_renewed
from .user import logged_in_user

__all__ = (
    "FlaskMeterGuard",
    "current_meterguard",
    "entitlement_denied",
    "lease_checked_in",
    "lease_checked_out",
    "lease_renewed",
    "logged_in_user",
    "registered",
)
