"""What is found when a server starts, what a list costs, what clients are told, and what else a server offers."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from fastmcp import Client, FastMCP
from mcp.client import subscriptions
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool, ToolListChangedNotification

import meterguard
from meterguard import ConfigurationError
from meterguard.cli.applications import registered
from meterguard.integrations.audit import audit
from meterguard.integrations.mcp import EntitlementMiddleware, install, visibility
from meterguard.integrations.refusal import TEXTS

KINDS = {"fastmcp": FastMCP, "sdk": MCPServer}
both = pytest.mark.parametrize("new", KINDS.values(), ids=KINDS)


def asked(lm, since=0):
    return [request.operation for request in lm.requests[since:]]


def run(server, work, **options):
    """What ``work(client)`` returns."""

    async def connected():
        async with Client(server, **options) as client:
            return await work(client)

    return asyncio.run(connected())


async def names(client):
    return {tool.name for tool in await client.list_tools()}


def with_a_guard_above(new, guard):
    server = new("site")

    @guard.requires_entitlement("Teleport")
    @server.tool()
    def above() -> str:
        return "SECRET"

    @server.tool()
    def free() -> str:
        return "free"

    return server


# -- wrong order -------------------------------------------------------------------------------------


@both
def test_a_guard_above_the_registration_is_found_when_the_server_starts(guard, new):
    server = with_a_guard_above(new, guard)
    install(server, guard)
    app = server.http_app() if new is FastMCP else server.streamable_http_app()

    async def start():
        async with app.router.lifespan_context(app):
            raise AssertionError("it has started")

    with pytest.raises(ConfigurationError, match="above"):
        asyncio.run(start())
    with pytest.raises(Exception, match="above"):
        run(server, names)


def test_a_middleware_that_was_added_finds_it_too(guard):
    server = with_a_guard_above(FastMCP, guard)
    server.add_middleware(EntitlementMiddleware(guard))
    with pytest.raises(RuntimeError, match="above") as raised:
        run(server, names)
    assert isinstance(raised.value.__cause__, ConfigurationError)
    with pytest.raises(ConfigurationError, match="above"):
        asyncio.run(server.call_tool("free", {}))


@both
def test_a_guard_that_comes_above_later_is_found_at_each_call(guard, new):
    server = new("site")

    @server.tool()
    def late() -> str:
        return "SECRET"

    install(server, guard)

    async def work(client):
        before = await client.call_tool("late", raise_on_error=False)
        guard.requires_entitlement("Teleport")(late)
        return before, [await client.call_tool("late", raise_on_error=False) for _ in range(2)]

    before, after = run(server, work)
    assert before.content[0].text == "SECRET"
    assert [answer.content[0].text for answer in after] == [TEXTS["internal-error"][1]] * 2
    assert all(answer.is_error for answer in after)


@both
def test_it_is_a_warning_where_that_was_said(guard, new, caplog):
    server = with_a_guard_above(new, guard)
    install(server, guard, strict=False)
    assert run(server, names) == {"above", "free"}
    assert "They run unguarded" in caplog.text


@both
def test_doctor_finds_it(guard, new):
    assert audit(registered(with_a_guard_above(new, guard)), strict=False) == ["above"]


@both
def test_a_rule_that_matches_nothing_is_told(guard, new, caplog):
    server = new("site")
    install(server, guard, {"exprot": ("Export",)})
    run(server, names)
    assert "requires names what this server does not offer: exprot" in caplog.text


# -- what a list costs -------------------------------------------------------------------------------


def many(new, guard, entitlement):
    server = new("site")
    for number in range(200):

        @server.tool(name=f"tool_{number}")
        @guard.requires_entitlement(*entitlement(number))
        def tool() -> str:
            return "SECRET"

    install(server, guard)
    return server


@both
def test_a_list_of_two_hundred_tools_is_one_question(lm, make_guard, new):
    features = [(f"F{number}", None, "None") for number in range(200)]
    guard = make_guard(lm, lm.add_license("MANY-1", entitlements=features), denial_ttl=0)
    assert len(run(many(new, guard, lambda number: features[number]), names)) == 200
    assert asked(lm) == ["CheckoutLicense"]


@both
def test_half_of_them_denied_are_one_question_too(lm, make_guard, new):
    features = [(f"F{number}", None, "None") for number in range(100)]
    guard = make_guard(lm, lm.add_license("MANY-1", entitlements=features), denial_ttl=0)
    assert len(run(many(new, guard, lambda number: (f"F{number}",)), names)) == 100
    assert asked(lm) == ["CheckoutLicense", "CheckInLicense"]  # what came of too little goes back


@both
def test_counted_units_are_asked_of_the_usage_and_not_taken(lm, guard, seats, new):
    assert len(run(many(new, guard, lambda _: ("Seats", 1, "Count")), names)) == 200
    assert asked(lm) == ["ListReceivedLicenses", "GetLicenseUsage"]
    assert seats() == 0


@both
def test_draws_are_listed_while_units_are_left(lm, guard, new):
    server = new("site")
    server.tool(name="few")(guard.consumes_entitlement("Pages", 30)(lambda: "few"))
    server.tool(name="many")(guard.consumes_entitlement("Pages", 31)(lambda: "many"))
    server.tool(name="metered")(guard.meters_usage("Words")(lambda: "metered"))
    install(server, guard)
    assert run(server, names) == {"few", "metered"}
    assert "CheckoutLicense" not in asked(lm)


# -- changes -----------------------------------------------------------------------------------------


@asynccontextmanager
async def told(server, mode):
    """A client, and an event that is set once it hears that the list of tools has changed."""
    heard = asyncio.Event()

    async def hear(message):
        if isinstance(message, ToolListChangedNotification):
            heard.set()

    async def listen():
        async with subscriptions.listen(client.session, tools_list_changed=True) as changes:
            listening.set()
            async for _ in changes:
                heard.set()

    async with Client(server, mode=mode, message_handler=hear) as client:
        if mode == "legacy":
            yield client, heard
            return
        listening = asyncio.Event()
        task = asyncio.create_task(listen())
        await listening.wait()
        yield client, heard
        task.cancel()
        await asyncio.wait([task])


@both
@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("is_called", [True, False], ids=["called", "asked again"])
def test_clients_are_told_when_the_licence_has_changed(lm, licence, guard, monkeypatch, new, mode, is_called):
    if not is_called:
        monkeypatch.setattr(visibility, "RECHECK", 0.05)
    server = new("site")

    @server.tool()
    @guard.requires_entitlement("Extra")
    def extra() -> str:
        return "extra"

    install(server, guard)

    async def work():
        async with told(server, mode) as (client, heard):
            before = await names(client)
            lm.update_license(licence, entitlements=[("Extra", None, "None")])
            if is_called:
                await client.call_tool("extra")
            await asyncio.wait_for(heard.wait(), 20)
            return before, await names(client)

    assert asyncio.run(work()) == (set(), {"extra"})


# -- resources and prompts ---------------------------------------------------------------------------


def with_resources(new, guard):
    server = new("site")

    @server.resource("data://free")
    def free() -> str:
        return "free"

    @server.resource("data://paid")
    def paid() -> str:
        return "SECRET"

    @server.resource("pages://{number}")
    def page(number: str) -> str:
        return f"SECRET {number}"

    @server.resource("data://below")
    @guard.requires_entitlement("Teleport")
    def below() -> str:
        return "SECRET"

    @server.prompt()
    def ask() -> str:
        return "SECRET"

    @server.prompt()
    @guard.requires_entitlement("Teleport")
    def beg() -> str:
        return "SECRET"

    needed = ("Teleport",)
    install(server, guard, {"resource:data://paid": needed, "resource:pages://*": needed, "prompt:ask": needed})
    return server


@both
def test_resources_and_prompts_are_refused_by_an_error_of_the_protocol(guard, new, caplog):
    async def refused(asking):
        with pytest.raises(MCPError) as raised:
            await asking
        return raised.value.error

    async def work(client):
        reads = [await refused(client.read_resource(uri)) for uri in ("data://paid", "pages://7", "data://below")]
        return [*reads, *[await refused(client.get_prompt(name)) for name in ("ask", "beg")]]

    errors = run(with_resources(new, guard), work)
    for error in errors:
        assert (error.code, error.message) == (-32000, TEXTS["not-entitled"][1])
        assert error.data["entitlement"] == "Teleport"
    assert "Traceback" not in caplog.text


@both
def test_resources_and_prompts_that_are_denied_are_not_listed(guard, new):
    async def work(client):
        return (
            [str(one.uri) for one in await client.list_resources()],
            [one.uri_template for one in await client.list_resource_templates()],
            [one.name for one in await client.list_prompts()],
        )

    assert run(with_resources(new, guard), work) == (["data://free"], [], [])


# -- rules -------------------------------------------------------------------------------------------


def test_tags_of_fastmcp(guard):
    server = FastMCP("site")
    server.tool(name="pro", tags={"pro"})(lambda: "SECRET")
    server.tool(name="free", tags={"basic"})(lambda: "free")
    server.add_middleware(EntitlementMiddleware(guard, {"tag:pro": ("Teleport",)}))
    _only_free(server)


def test_tags_of_the_sdk(guard):
    server = MCPServer("site")
    server.tool(name="pro", meta={"tags": ["pro"]})(lambda: "SECRET")
    server.tool(name="free")(lambda: "free")
    install(server, guard, {"tag:pro": ("Teleport",)})
    _only_free(server)


def _only_free(server):
    async def work(client):
        return await names(client), (await client.call_tool("pro", raise_on_error=False)).is_error

    assert run(server, work) == ({"free"}, True)


def test_servers_that_are_mounted(guard, caplog):
    inner, outer = FastMCP("inner"), FastMCP("outer")

    @inner.tool
    @guard.requires_entitlement("Teleport")
    def below() -> str:
        return "SECRET"

    @inner.tool
    def paid() -> str:
        return "SECRET"

    @inner.tool
    def free() -> str:
        return "free"

    outer.mount(inner, namespace="in")
    install(outer, guard, {"in_paid": ("Teleport",)})

    async def work(client):
        answers = [await client.call_tool(f"in_{name}", raise_on_error=False) for name in ("below", "paid", "free")]
        return await names(client), [answer.is_error for answer in answers]

    assert run(outer, work) == ({"in_free"}, [True, True, False])
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        ([], "requires must be a dict"),
        ({"": ("Export",)}, "a key of requires"),
        ({"export": ()}, "must be a name, or a name, a value and a unit"),
        ({"export": 3}, "must be a name, or a name, a value and a unit"),
        ({"export": ("Export", 0, "Count")}, "value"),
        ({"export": meterguard.requires_entitlement("Export", default=None)}, "go with a decorated function"),
    ],
)
def test_a_wrong_rule_is_refused_at_once(requires, said):
    with pytest.raises(ConfigurationError, match=said):
        EntitlementMiddleware(requires=requires)


def test_a_server_is_set_up_once(guard):
    for server in FastMCP("one"), MCPServer("two"), Server("three"):
        install(server, guard)
        with pytest.raises(ConfigurationError, match="already"):
            install(server, guard)
    with pytest.raises(ConfigurationError, match="server must be"):
        install(object())


# -- the low-level server ----------------------------------------------------------------------------


def low_level(guard):
    async def listed(ctx, params):
        return ListToolsResult(tools=[Tool(name=name, input_schema={"type": "object"}) for name in ("free", "paid")])

    @guard.requires_entitlement("Export")
    async def called(ctx, params):
        return CallToolResult(content=[TextContent(type="text", text=params.name)])

    server = Server("site", on_list_tools=listed, on_call_tool=called)
    install(server, guard, {"paid": ("Teleport",)})
    return server


def test_a_low_level_server(guard, caplog):
    from mcp.client import Client as SdkClient

    caplog.set_level(logging.INFO)

    async def work():
        async with SdkClient(low_level(guard)) as client:
            listed = await client.list_tools()
            return [tool.name for tool in listed.tools], await client.call_tool("free"), await client.call_tool("paid")

    listed, free, paid = asyncio.run(work())
    assert listed == ["free"]
    assert free.content[0].text == "free"
    assert paid.is_error
    assert paid.structured_content["entitlement"] == "Teleport"
    assert "Traceback" not in caplog.text
