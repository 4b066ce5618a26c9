"""Subscriptions: the stream on which clients of the protocol of 2026-07-28 hear that a list has changed."""

from __future__ import annotations

from mcp.server.lowlevel import Server
from mcp.server.subscriptions import ListenHandler
from mcp_types import SubscriptionsListenRequestParams

from .changes import Changes

_METHOD = "subscriptions/listen"


def serve_subscriptions(server: Server, changes: Changes) -> None:
    """Let clients of a server listen, where it does not let them already."""
    if server.get_request_handler(_METHOD) is None:
        server.add_request_handler(_METHOD, SubscriptionsListenRequestParams, ListenHandler(changes.bus))
