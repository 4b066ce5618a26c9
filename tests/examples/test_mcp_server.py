"""The paid MCP server, run as its docstring says and used by a real client over stdio."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.examples.conftest import EXAMPLES


@pytest.fixture
def ask(licence, tmp_path):
    """``ask(work)``: what ``work(client)`` returns, and the log of the server."""

    def asking(work):
        log = tmp_path / "log.txt"
        environment = {**os.environ, "METERGUARD_LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}"}
        program = [str(EXAMPLES / "mcp_server.py")]
        transport = StdioTransport(sys.executable, program, env=environment, keep_alive=False, log_file=log)

        async def connected():
            async with Client(transport) as client:
                return await work(client)

        return asyncio.run(connected()), log.read_text()

    return asking


def test_what_each_tool_costs(ask, lm, make_guard, licence, tmp_path):
    async def work(client):
        listed = {tool.name for tool in await client.list_tools()}
        answers = [
            await client.call_tool("search", {"word": "in"}),
            await client.call_tool("export", {"name": "invoice"}),
            await client.call_tool("summarise", {"name": "invoice", "words": 4}),
        ]
        return listed, [answer.data for answer in answers]

    (listed, answers), log = ask(work)
    assert listed == {"search", "export", "summarise"}
    assert answers == [["invoice", "reminder"], "invoice.pdf", "The document named invoice"]
    assert "Traceback" not in log
    ledger = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path / 'ledger.db'}").ledger
    assert [(one.entitlement, int(one.quantity)) for one in ledger.records()] == [("Words", 4)]
    assert [request.operation for request in lm.requests] == ["CheckoutLicense", "CheckInLicense"]


def test_a_customer_without_the_licence(ask, lm, licence):
    lm.update_license(licence, entitlements=[("Seats", 3, "Count")])

    async def work(client):
        listed = {tool.name for tool in await client.list_tools()}
        return listed, await client.call_tool("export", {"name": "invoice"}, raise_on_error=False)

    (listed, refused), log = ask(work)
    assert listed == {"search", "summarise"}
    assert refused.is_error
    assert refused.structured_content["entitlement"] == "Export"
    assert "Traceback" not in log
