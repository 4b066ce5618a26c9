"""Bare ASGI: a lifespan for applications without one, and a guard for all routes."""

from __future__ import annotations

import asyncio

import pytest

from meterguard import ConfigurationError
from meterguard.integrations.asgi import EntitlementMiddleware, with_lifespan

HTTP = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def talk(app, scope, *incoming):
    """What an application says to these messages."""
    waiting, said = list(incoming), []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        said.append(message)

    await app(scope, receive, send)
    return said


def visit(app, **scope):
    return asyncio.run(talk(app, HTTP | scope))


@pytest.fixture
def held(guard, seats):
    """Take a seat, and tell how many are taken."""

    def hold():
        guard.requires_entitlement("Seats", 1, "Count")(lambda: None)()
        return seats()

    return hold


async def serve(app, held):
    """A server's lifespan: up, one seat used, down. What was said, and how many seats were taken each time."""
    said, inbox, up = [], asyncio.Queue(), asyncio.Event()

    async def send(message):
        said.append((message["type"], held.seats()))
        up.set()

    await inbox.put({"type": "lifespan.startup"})
    task = asyncio.create_task(app({"type": "lifespan"}, inbox.get, send))
    await up.wait()
    held()
    await inbox.put({"type": "lifespan.shutdown"})
    await task
    return said


UP_AND_DOWN = [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 0)]


async def without(scope, receive, send):
    raise ValueError("knows no lifespan")


async def taking_one_message(scope, receive, send):
    await receive()
    raise ValueError("knows no lifespan")


async def silent(scope, receive, send):
    return


async def with_its_own(scope, receive, send):
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


@pytest.mark.parametrize("app", [without, taking_one_message, silent, with_its_own])
def test_leases_are_back_before_the_server_hears_that_all_is_done(guard, held, seats, app):
    held.seats = seats
    for _ in range(2):
        assert asyncio.run(serve(with_lifespan(app, guard), held)) == UP_AND_DOWN
    assert seats() == 0


def test_a_lifespan_that_breaks_after_it_has_spoken_is_not_hidden(guard):
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        asyncio.run(talk(with_lifespan(broken, guard), {"type": "lifespan"}, {"type": "lifespan.startup"}))


def test_requests_go_straight_through(guard):
    async def app(scope, receive, send):
        await send({"type": "seen", "path": scope["path"]})

    assert visit(with_lifespan(app, guard), path="/x") == [{"type": "seen", "path": "/x"}]


# -- the middleware ----------------------------------------------------------------------------------


@pytest.fixture
def guarded(guard, seats):
    """``guarded(...)``: an application that tells how many seats are taken, behind the middleware."""

    async def app(scope, receive, send):
        await send({"type": "seats", "taken": seats()})

    return lambda *declaration, **options: EntitlementMiddleware(app, *declaration, **{"guard": guard, **options})


def test_every_route_is_guarded(guarded):
    start, body = visit(guarded("Analytics"), headers=[(b"accept", b"text/html")])
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (403, b"text/html; charset=utf-8")
    assert b"Not included in the licence" in body["body"]
    assert visit(guarded("Analytics"), method="HEAD")[1]["body"] == b""


def test_a_seat_is_held_while_the_application_answers(guarded, seats):
    assert visit(guarded("Seats", 1, "Count", hold="call")) == [{"type": "seats", "taken": 1}]
    assert seats() == 0


def test_what_is_spared(guarded):
    analytics = guarded("Analytics", exempt=["/open/*"])
    spared = [visit(analytics, **scope)[0]["type"] for scope in ({"path": "/open/door"}, {"method": "OPTIONS"})]
    assert spared == ["seats", "seats"]
    assert visit(analytics, path="/health")[0]["type"] == "http.response.start", "the list given is the whole list"
    lifespan = asyncio.run(talk(analytics, {"type": "lifespan"}))
    assert lifespan[0]["type"] == "seats"


def test_a_seat_for_each_client(guarded, seats):
    per_client = guarded("Seats", 1, "Count", per=lambda scope: scope["client"][0])
    taken = [visit(per_client, client=(host, 1))[0]["taken"] for host in ("a", "b", "a")]
    assert taken == [1, 2, 2]


def test_a_websocket_is_closed(guarded):
    connect = {"type": "websocket.connect"}
    scope = {"type": "websocket", "path": "/live", "headers": []}
    assert asyncio.run(talk(guarded("Analytics"), scope, connect)) == [{"type": "websocket.close", "code": 1008}]


def test_an_application_that_fails_gives_its_seat_back(guard, seats):
    async def failing(scope, receive, send):
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        visit(EntitlementMiddleware(failing, "Seats", 1, "Count", hold="call", guard=guard))
    assert seats() == 0


def test_a_wrong_declaration_is_refused(guarded):
    with pytest.raises(ConfigurationError, match="value must be"):
        guarded("Seats", 0, "Count")
    with pytest.raises(ConfigurationError):
        guarded("Export", statuses=3)
