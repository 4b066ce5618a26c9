"""One table of behaviours over every server and transport."""

from __future__ import annotations

import asyncio

import pytest
from fastmcp import Client
from mcp.server.mcpserver import MCPServer

from meterguard.integrations.refusal import TEXTS
from tests.integrations.mcp.clients import EVERYWHERE, IN_MEMORY, Site
from tests.integrations.sites import mcp_site

assert MCPServer  # these tests need both packages

SHOWN = {
    *("free", "exported", "exported_async", "told", "seated", "shared", "mine", "settled", "failing"),
    *("by_name", "drawn"),
}
HIDDEN = ("teleported", "teleported_async", "absent", "report_week")


@pytest.fixture
def env(lm, licence, tmp_path):
    return {
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
        "METERGUARD_LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}",
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
        "AWS_REGION": lm.region,
    }


@pytest.fixture
def make_site(env, make_guard, lm, licence, tmp_path):
    sites = []

    def make(where, timeout=15):
        options = {"denial_ttl": 0, "ledger": env["METERGUARD_LEDGER"], "timeout": timeout}
        guard = make_guard(lm, licence, **options) if where in IN_MEMORY else None
        sites.append(Site(where, guard, {**env, "SITE_TIMEOUT": str(timeout)}, tmp_path))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def run(site, work, **options):
    """What ``work(client)`` returns."""

    async def connected():
        async with site.connect(**options) as client:
            return await work(client)

    return asyncio.run(connected())


async def call(client, name, **arguments):
    return await client.call_tool(name, arguments, raise_on_error=False)


CALLS = [
    ("free", {"word": "hello"}, "hello"),
    ("exported_async", {"pages": 3}, "3 pages"),
    ("by_name", {"pages": 2}, "SECRET 2"),
    ("drawn", {"pages": 2}, "SECRET 2"),
    ("seated", {}, "sat"),
    ("told", {"steps": 2}, "done"),
]


@pytest.mark.parametrize("where", EVERYWHERE)
def test_calls_that_the_licence_covers_are_as_they_are_without_it(make_site, seats, where):
    async def work(client):
        progress = []

        async def heard(step, total, message):
            progress.append((step, total))

        answers = [(await call(client, name, **arguments)).content[0].text for name, arguments, _ in CALLS]
        structured = (await call(client, "exported", pages=4)).structured_content
        await client.call_tool("told", {"steps": 2}, progress_handler=heard)
        return answers, structured, progress

    answers, structured, progress = run(make_site(where), work)
    assert answers == [answer for _, _, answer in CALLS]
    assert structured == {"pages": 4}
    assert progress == [(1, 2), (2, 2)]
    assert seats() == 0


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_denied_call_is_a_result_that_people_and_programs_can_read(make_site, caplog, where, mode):
    caplog.set_level("INFO")
    site = make_site(where)

    async def work(client):
        return [await call(client, name, **_arguments(name)) for name in HIDDEN]

    for name, answer in zip(HIDDEN, run(site, work, mode=mode), strict=True):
        assert answer.is_error
        assert [one.text for one in answer.content] == [TEXTS["not-entitled"][1]]
        told = answer.structured_content
        assert told["type"] == "tag:meterguard,2026:problem/not-entitled"
        assert (told["status"], told["instance"]) == (403, f"tools/{name}")
        assert (told["entitlement"], told["reason"]) == ("Teleport", "not_entitled")
    log = site.log(caplog)
    assert "Traceback" not in log
    for name in HIDDEN:
        assert log.count(f"tools/{name} was refused") <= 1
        assert f"Error calling tool {name!r}" not in log


def _arguments(name):
    return {"where": "there"} if name.startswith("teleported") else {}


@pytest.mark.parametrize("where", EVERYWHERE)
def test_what_is_denied_is_not_listed(make_site, lm, where):
    async def work(client):
        return {tool.name for tool in await client.list_tools()}

    assert run(make_site(where), work) == SHOWN
    assert lm.usage("ACME-1") == {"Seats": 0, "Pages": 0}


@pytest.mark.parametrize("where", EVERYWHERE)
def test_what_is_unknown_is_listed_and_answered_as_such(make_site, lm, where):
    for operation in "CheckoutLicense", "GetLicenseUsage", "ListReceivedLicenses":
        lm.faults.add(operation, error="ServerInternalException", times=1000)

    async def work(client):
        listed = {tool.name for tool in await client.list_tools()}
        return listed, await call(client, "teleported", where="there"), await call(client, "by_name")

    listed, below, by_rule = run(make_site(where, timeout=1), work)
    assert listed == {*SHOWN, *HIDDEN}
    for answer in below, by_rule:
        assert answer.is_error
        assert answer.content[0].text == TEXTS["entitlement-unavailable"][1]
        assert answer.structured_content["status"] == 503
        assert answer.structured_content["retry_after"] > 0


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_schemas_are_those_of_a_server_without_guards(make_guard, lm, licence, kind):
    async def listed(server):
        async with Client(server) as client:
            return {tool.name: tool.model_dump() for tool in await client.list_tools()}

    guard = make_guard(lm, licence)
    plain = asyncio.run(listed(mcp_site.make(kind, guard, is_guarded=False)))
    guarded = asyncio.run(listed(mcp_site.make(kind, guard, hide=False)))
    assert guarded == plain


@pytest.mark.parametrize("where", EVERYWHERE)
def test_tokens_are_settled_inside_the_tool(make_site, kept, where):
    async def work(client):
        await call(client, "settled", tokens=3)
        await call(client, "settled", tokens=0)
        return await call(client, "drawn", pages=4)

    site = make_site(where)
    assert run(site, work).content[0].text == "SECRET 4"
    site.close()
    assert kept().charged == 7


@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_call_that_fails_is_not_charged(make_site, kept, where):
    async def work(client):
        return await call(client, "drawn", pages="none at all"), await call(client, "failing")

    answers = run(make_site(where), work)
    assert all(answer.is_error for answer in answers)
    assert kept is not None


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("where", [*IN_MEMORY, "fastmcp-stdio", "sdk-stdio"])
def test_each_client_has_a_seat_until_it_leaves(make_site, seats, where, mode):
    site = make_site(where)

    async def work():
        async with site.connect(mode=mode) as one:
            first, again = await call(one, "mine"), await call(one, "mine")
            async with site.connect(mode=mode) as other:
                second = await call(other, "mine")
                assert seats() == 2
            if where in IN_MEMORY:
                assert seats() == 1
            return [answer.content[0].text for answer in (first, again, second)]

    first, again, second = asyncio.run(work())
    assert first == again != second
    assert seats() == 0


@pytest.mark.parametrize("where", ["fastmcp-http", "sdk-http"])
def test_a_session_over_http_has_a_seat_until_it_ends(make_site, seats, where):
    site = make_site(where)

    async def work(client):
        answers = [(await call(client, "mine")).content[0].text for _ in range(2)]
        return answers, seats()

    (first, again), taken = run(site, work, mode="legacy")
    assert first == again
    assert taken == 1
    site.close()  # it answers the DELETE before the seat is back
    assert seats() == 0


@pytest.mark.parametrize("where", ["fastmcp-http", "sdk-http"])
def test_a_server_that_is_stopped_by_a_signal_leaves_nothing_behind(make_site, seats, where):
    site = make_site(where)

    async def work(client):
        await call(client, "shared")
        return seats()

    assert run(site, work) == 1
    site.close()  # SIGTERM
    assert seats() == 0


@pytest.mark.parametrize("where", ["fastmcp-http", "sdk-http"])
def test_where_nothing_identifies_the_client_a_seat_of_its_own_is_a_mistake(make_site, caplog, where):
    site = make_site(where)

    async def work(client):
        return await call(client, "mine")

    answer = run(site, work)
    assert answer.is_error
    assert answer.content[0].text == TEXTS["internal-error"][1]
    site.close()
    assert "is set up wrongly" in site.log(caplog)
    assert "Traceback" not in site.log(caplog)
