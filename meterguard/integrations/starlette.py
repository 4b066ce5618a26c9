"""Starlette: answers and life cycle. FastAPI has an integration of its own, which has these too."""

from .starlette_application import install, logged_in_user, meterguard_lifespan, registered

__all__ = ("install", "logged_in_user", "meterguard_lifespan", "registered")
