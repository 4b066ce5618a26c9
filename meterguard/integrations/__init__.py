"""Integrations: what only a framework can add to a gate.

The plain decorator works on the views, endpoints, tasks and commands of every framework. An integration adds
answers over HTTP, life cycle, guards for whole groups of routes, templates, and the search for guards that are
never run. What belongs here:

1. One file or package for one framework, importing that framework at its top and no other integration. Nothing
   imports it but the application.
2. One vocabulary (`docs/frameworks/contract.md`): *protect* guards a group, *exempt* spares a view of it, *entitled*
   asks without consuming, *audit* finds guards that stand above a registration. Names and defaults are the same
   everywhere.
3. What an answer looks like over HTTP is decided in `_http` and nowhere else. An integration reads the request's
   ``Accept`` and path, and turns a `Refusal` into its framework's response.
"""

from ._http import HttpOptions, Refusal

__all__ = ("HttpOptions", "Refusal")
