"""The user who is logged in."""

from __future__ import annotations

from flask import current_app, session

from ...errors import ConfigurationError


def logged_in_user(*_args: object, **_kwargs: object) -> str:
    """Return the user that Flask-Login knows, else ``user_id`` of the session; for ``per=``: one seat for each.

    :raises ConfigurationError: nobody is logged in. Put the check of the login above the gate.
    """
    if hasattr(current_app, "login_manager"):
        from flask_login import current_user  # type: ignore[import-not-found,unused-ignore]

        identity = current_user.get_id()
    else:
        identity = session.get("user_id")
    if identity is None:
        raise ConfigurationError("nobody is logged in, so there is no user to hold a seat: check the login first")
    return str(identity)
