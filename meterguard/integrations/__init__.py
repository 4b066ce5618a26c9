"""Integrations: what only a framework can add to a gate.

The plain decorator works on the views, endpoints, tasks and commands of every framework. An integration adds
answers over HTTP, life cycle, guards for whole groups of routes, templates, and the search for guards that are
never run. What belongs here:

1. One file or folder for one framework, importing that framework at its top and no other integration. Nothing
   imports it but the application. What several share is in files of its own: `refusal`, `page`, `http`, `settings`,
   `declaration`, `installation`, `audit`, `features`, `openapi`; for ASGI `connection` and `lifespan`; and those whose
   names begin with the framework that two integrations are for.
2. One vocabulary (`docs/frameworks/contract.md`): *protect* guards a group, *exempt* spares a view of it, *entitled*
   asks without consuming, *audit* finds guards that stand above a registration. Names and defaults are the same
   everywhere.
3. `http` and `refusal` alone decide what an answer looks like. An integration reads the request's ``Accept`` and
   path, and turns an `Answer` into its framework's response.
"""

from .http import HttpOptions
from .refusal import Refusal

__all__ = ("HttpOptions", "Refusal")
