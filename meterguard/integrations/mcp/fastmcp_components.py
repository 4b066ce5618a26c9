"""Components of FastMCP servers: their functions, wrapped so that a refusal is no crash in FastMCP's log."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from weakref import WeakSet

from fastmcp import FastMCP
from fastmcp.exceptions import PromptError, ResourceError
from fastmcp.prompts.base import Prompt
from fastmcp.resources.base import Resource
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.providers.fastmcp_provider import FastMCPProvider
from fastmcp.server.transforms import (
    GetPromptNext,
    GetResourceNext,
    GetResourceTemplateNext,
    GetToolNext,
    Transform,
)
from fastmcp.tools.base import Tool, ToolResult
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import VersionSpec

from ...errors import MeterGuardError
from ..audit import Registered
from . import answers
from .entitlements import Entitlements, Offered

C = TypeVar("C")

_mended: WeakSet[Callable[..., Any]] = WeakSet()


class Mending(Transform):
    """Wraps the functions of what a server offers, as it is looked up: also of what is added later."""

    def __init__(self, entitlements: Entitlements) -> None:
        self._entitlements = entitlements

    async def list_tools(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """Wrap the functions of all."""
        for one in tools:
            self._mend(one)
        return tools

    async def get_tool(self, name: str, call_next: GetToolNext, *, version: VersionSpec | None = None) -> Tool | None:
        """Wrap the function of one."""
        return self._mend(await call_next(name, version=version))

    async def get_resource(
        self, uri: str, call_next: GetResourceNext, *, version: VersionSpec | None = None
    ) -> Resource | None:
        """Wrap the function of one."""
        return self._mend(await call_next(uri, version=version))

    async def get_resource_template(
        self, uri: str, call_next: GetResourceTemplateNext, *, version: VersionSpec | None = None
    ) -> ResourceTemplate | None:
        """Wrap the function of one."""
        return self._mend(await call_next(uri, version=version))

    async def get_prompt(
        self, name: str, call_next: GetPromptNext, *, version: VersionSpec | None = None
    ) -> Prompt | None:
        """Wrap the function of one."""
        return self._mend(await call_next(name, version=version))

    def _mend(self, found: C) -> C:
        component: Any = found
        function = getattr(component, "fn", None)
        if function in _mended:
            return found
        if function is not None:
            instance = "{}s/{}".format(*offered(component)[:2])
            component.fn = _wrapped(function, instance, self._entitlements.check_order, _refuser(component, instance))
            _mended.add(component.fn)
        parent = getattr(component, "parent_tool", None)  # of a tool that was made from another
        if parent is not None:
            self._mend(parent)
        return found


def _refuser(component: Any, instance: str) -> Callable[[MeterGuardError], Any]:
    if isinstance(component, Tool):
        return lambda error: tool_result(error, instance)
    kind = PromptError if isinstance(component, Prompt) else ResourceError

    def refuse(error: MeterGuardError) -> Any:
        # FastMCP logs a traceback at this level. The middleware answers what is behind it.
        raise kind(answers.words(error), log_level=logging.DEBUG) from error

    return refuse


def tool_result(error: MeterGuardError, instance: str) -> ToolResult:
    """Return a call's result that is an error."""
    told = answers.result(error, instance)
    return ToolResult(told.content, told.structured_content, is_error=True)


def _wrapped(
    function: Callable[..., Any],
    instance: str,
    check_order: Callable[[object, str], None],
    refuse: Callable[[MeterGuardError], Any],
) -> Callable[..., Any]:
    """Return a function of the same kind whose refusals are answers."""

    async def collected(*args: Any, **kwargs: Any) -> Any:
        try:
            check_order(function, instance)
            return [item async for item in function(*args, **kwargs)]
        except answers.ERRORS as error:
            return refuse(error)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        try:
            check_order(function, instance)
            return await function(*args, **kwargs)
        except answers.ERRORS as error:
            return refuse(error)

    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            check_order(function, instance)
            made = function(*args, **kwargs)
            return list(made) if inspect.isgenerator(made) else made
        except answers.ERRORS as error:
            return refuse(error)

    is_generator = inspect.isasyncgenfunction(function)
    wrapper: Any = collected if is_generator else awaited if inspect.iscoroutinefunction(function) else called
    return functools.wraps(function)(wrapper)


# -- what a server offers ----------------------------------------------------------------------------


def offered(component: FastMCPComponent) -> Offered:
    """Return a component as the rules see it."""
    function = getattr(component, "fn", None)
    match component:
        case Tool():
            return Offered("tool", component.name, component.tags, function)
        case Prompt():
            return Offered("prompt", component.name, component.tags, function)
        case ResourceTemplate():
            return Offered("resource", component.uri_template, component.tags, function)
        case Resource():
            return Offered("resource", str(component.uri), component.tags, function)
    return Offered("other", component.name, component.tags, function)


def components(server: FastMCP) -> Iterator[FastMCPComponent]:
    """Yield what a server itself offers, but not what it fetches from elsewhere."""
    for provider in map(_innermost, server.providers):
        if not isinstance(provider, FastMCPProvider):
            yield from getattr(provider, "_components", {}).values()


def mounted(server: FastMCP) -> Iterator[FastMCP]:
    """Yield the servers that are mounted in a server."""
    for provider in map(_innermost, server.providers):
        if isinstance(provider, FastMCPProvider):
            yield provider.server


def registered(server: FastMCP) -> Iterator[Registered]:
    """Yield what a server offers, also through mounted ones, and what is run for each."""
    for one in components(server):
        each = offered(one)
        if each.function is not None:
            yield each.name, each.function
    for child in mounted(server):
        yield from registered(child)


def _innermost(provider: Any) -> Any:
    while hasattr(provider, "_inner"):  # a namespace, or another transform
        provider = provider._inner
    return provider
