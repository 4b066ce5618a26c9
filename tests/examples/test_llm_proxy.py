"""The proxy for a language model, behind a real server: what was streamed is what was charged, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import Counter

import httpx
import pytest

from tests.contracts.conftest import REDIS_SERVERS, redis_servers  # noqa: F401
from tests.examples.conftest import EXAMPLES
from tests.house.source import ROOT
from tests.integrations.serving import Server

CUSTOMERS = [f"customer-{number}" for number in range(20)]
SITES = ROOT / "tests/examples/sites"
PATH = "/v1/chat/completions"
ALL = 1_000_000
SLICE = 1_000  # a tenth of the example's block
WRONG = ("[]", "{", "{}", '{"messages": []}', '{"messages": [1], "max_tokens": -1000}')
OVERDRAFT = 2_000  # of the example


@pytest.fixture
def tokens(request):
    return getattr(request, "param", ALL)


@pytest.fixture
def licence(lm, tokens, monkeypatch, tmp_path):
    licence = lm.add_license("ACME-1", entitlements=[("Tokens", tokens, "Count")], ttl=3600)
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    monkeypatch.setenv("METERGUARD_LEDGER", f"sqlite:///{tmp_path}/tokens.db")
    monkeypatch.setenv("METERGUARD_DENIAL_TTL", "0")
    monkeypatch.setenv("PROXY_KEYS", json.dumps({f"key of {name}": name for name in CUSTOMERS}))
    monkeypatch.setenv("MODEL_CALLS", str(tmp_path / "calls"))
    return licence


@pytest.fixture
def start(licence, tmp_path):
    """``start()``: the proxy, in a process of its own."""
    servers = []

    def starting(app="llm_site:app", packages=SITES):
        path = {"PYTHONPATH": f"{EXAMPLES}:{ROOT}:{packages}"}
        servers.append(Server("uvicorn", app, env=path, cwd=tmp_path, is_factory=False))
        return servers[-1]

    yield starting
    for server in servers:
        server.kill()


@pytest.fixture
def calls(tmp_path):
    """``calls()``: how often the model was asked."""
    file = tmp_path / "calls"
    return lambda: file.stat().st_size if file.exists() else 0


@pytest.fixture
def books(lm, licence, make_guard):
    """``books()``: the balance, which has to agree with the service's books, and what each customer was charged."""
    guard = make_guard(lm, licence, ledger=os.environ["METERGUARD_LEDGER"], denial_ttl=0)

    def read():
        found = records = None
        while found is None or guard.ledger.summary()["Tokens"] != found:  # servers write while this reads
            found = guard.ledger.summary()["Tokens"]
            records = guard.ledger.records(by=("entitlement", "subject"))
        assert found.drawn == found.charged + found.reserved + found.left + found.lost
        assert found.drawn == lm.usage(licence)["Tokens"]
        charged = Counter()
        for one in records:  # more than one for a customer, where an hour has ended meanwhile
            charged[one.subject] += int(one.quantity)
        assert charged.total() == found.charged + found.owed
        return found, charged

    read.guard = guard
    return read


class Reply:
    """What one customer was sent: texts, and the events that are none."""

    def __init__(self, status, headers):
        self.status, self.headers = status, headers
        self.texts, self.events, self.body = [], [], b""

    def hear(self, line):
        if not line.startswith("data: "):
            return
        data = line.removeprefix("data: ")
        event = data if data == "[DONE]" else json.loads(data)
        choices = event["choices"] if isinstance(event, dict) and "choices" in event else []
        if choices:
            self.texts.append(choices[0]["delta"]["content"])
        else:
            self.events.append(event)

    @property
    def is_done(self):
        return self.events[-1:] == ["[DONE]"]

    @property
    def problem(self):
        return self.events[-1]["error"]


@contextlib.asynccontextmanager
async def asking(client, customer, *, most=100, **script):
    """A response that is being streamed, with the lines of its body."""
    question = {"messages": [{"role": "user", "content": json.dumps(script)}], "max_tokens": most}
    headers = {"Authorization": f"Bearer key of {customer}"}
    async with client.stream("POST", PATH, json=question, headers=headers) as response:
        reply = Reply(response.status_code, response.headers)
        if response.status_code != 200:
            reply.body = await response.aread()
        yield reply, response.aiter_lines()


async def ask(client, customer, **script):
    async with asking(client, customer, **script) as (reply, lines):
        if reply.status == 200:
            async for line in lines:
                reply.hear(line)
    return reply


async def leave(client, customer, *, after, **script):
    """Hear so many texts, and hang up."""
    async with asking(client, customer, **script) as (reply, lines):
        while len(reply.texts) < after:
            reply.hear(await anext(lines))
    return reply


def run(*servers, conversation):
    """Run a conversation with clients of the servers."""

    async def running():
        limits = httpx.Limits(max_connections=50)
        clients = [httpx.AsyncClient(base_url=one.url, timeout=30, limits=limits) for one in servers]
        try:
            return await conversation(*clients)
        finally:
            for client in clients:
                await client.aclose()

    return asyncio.run(running())


def wait_for(what):
    deadline = time.monotonic() + 15
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_five_hundred_answers_for_twenty_customers(start, books, calls):
    server, shared = start(), asyncio.Semaphore(40)

    async def conversation(client):
        async def one(number):
            async with shared:
                return await ask(client, CUSTOMERS[number % 20], asks=number % 7, pieces=2, each=1 + number % 5)

        return await asyncio.gather(*map(one, range(500)))

    replies = run(server, conversation=conversation)
    assert all(reply.is_done and len(reply.texts) == 2 for reply in replies)
    server.stop()
    expected = Counter()
    for number in range(500):
        expected[CUSTOMERS[number % 20]] += number % 7 + 2 * (1 + number % 5)
    found, charged = books()
    assert charged == expected
    assert (found.charged, found.reserved, found.lost, calls()) == (expected.total(), 0, 0, 500)


# -- an answer that does not come to its end -----------------------------------------------------------


def test_a_client_that_leaves_is_charged_what_it_was_sent(start, books):
    async def conversation(client):
        await leave(client, "customer-1", after=0, asks=9, pieces=5, waits_at=0)
        await leave(client, "customer-2", after=4, asks=9, pieces=5, each=3, waits_at=4)

    run(start(), conversation=conversation)
    wait_for(lambda: books()[1] == {"customer-2": 9 + 4 * 3})


@pytest.mark.parametrize("tokens", [900], indirect=True)
def test_answers_that_were_broken_off_lock_nobody_out(start, books):
    async def broken_off(client):
        waiting = [leave(client, name, after=2, most=1, pieces=3, waits_at=2) for name in CUSTOMERS[:10]]
        running = [leave(client, name, after=1, most=1, pieces=10**9, each=0, asks=2) for name in CUSTOMERS[10:]]
        await asyncio.gather(*waiting, *running)

    async def the_rest(client):
        return await ask(client, "customer-0", most=1, pieces=10**9)

    server = start()
    run(server, conversation=broken_off)
    wait_for(lambda: books()[1] == dict.fromkeys(CUSTOMERS, 2))
    reply = run(server, conversation=the_rest)
    server.stop()
    assert len(reply.texts) == 900 - 2 * 20
    found, _ = books()
    assert (found.charged, found.reserved, found.left, found.lost) == (900, 0, 0, 0)


def test_a_model_that_fails(start, books):
    async def conversation(client):
        at_once = await ask(client, "customer-1", asks=9, pieces=5, fails_at=0)
        later = await ask(client, "customer-2", asks=9, pieces=5, each=3, fails_at=4)
        return at_once, later, await ask(client, "customer-3", asks=9, pieces=5)

    server = start()
    at_once, later, whole = run(server, conversation=conversation)
    server.stop()
    assert (at_once.texts, at_once.problem["status"]) == ([], 502)
    assert (len(later.texts), later.problem["status"]) == (4, 502)
    assert whole.is_done
    found, charged = books()
    assert charged == {"customer-2": 9 + 4 * 3, "customer-3": 9 + 5}
    assert (found.reserved, found.lost) == (0, 0)


# -- too few tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [150], indirect=True)
def test_the_licence_runs_out_in_mid_stream(start, books, calls):
    async def conversation(client):
        long = await ask(client, "customer-1", most=10, asks=9, pieces=1000)
        return long, await ask(client, "customer-2", asks=9, pieces=1)

    server = start()
    long, refused = run(server, conversation=conversation)
    server.stop()
    assert len(long.texts) == 150 - 9
    assert not long.is_done
    found, charged = books()
    assert (charged, found.drawn, found.lost) == ({"customer-1": 150}, 150, 0)
    # the words are those of a gate, before a stream and in it; and who is refused costs no answer of the model
    problem = json.loads(refused.body)
    assert (refused.status, refused.headers["Content-Type"]) == (problem["status"], "application/problem+json")
    assert refused.status in {403, 429}
    assert (problem["entitlement"], calls()) == ("Tokens", 1)
    assert (long.problem["entitlement"], long.problem["status"] in {403, 429}) == ("Tokens", True)


@pytest.mark.parametrize("tokens", [600], indirect=True)
def test_more_requests_than_tokens_at_one_moment(start, books, calls):
    async def conversation(client):
        return await asyncio.gather(*(ask(client, name, most=50, asks=40, pieces=10) for name in CUSTOMERS * 2))

    server = start()
    replies = run(server, conversation=conversation)
    server.stop()
    served = [reply for reply in replies if reply.status == 200]
    assert all(reply.is_done for reply in served)
    assert 600 // 100 <= len(served) <= 600 // 50
    found, charged = books()
    assert (charged.total(), calls()) == (50 * len(served), len(served))
    assert (found.reserved, found.lost) == (0, 0)
    assert found.drawn <= 600


@pytest.fixture(params=["sqlite", *list(REDIS_SERVERS)[-1:]])
def shared_ledger(request, licence, redis_servers, monkeypatch):  # noqa: F811
    """A ledger that servers share: on one host, or in a fleet."""
    if request.param != "sqlite":
        import redis

        url = redis_servers(request.param).url
        with redis.Redis.from_url(url) as client:
            client.flushall()
        monkeypatch.setenv("METERGUARD_LEDGER", url)


@pytest.mark.parametrize("tokens", [3_000], indirect=True)
def test_two_servers_count_together(shared_ledger, start, books, calls, monkeypatch):
    monkeypatch.setenv("PROXY_TIMEOUT", "20")  # with no answer in time, tokens would come on credit

    async def conversation(*clients):
        both = [ask(client, name, most=50, asks=40, pieces=10) for name in CUSTOMERS * 3 for client in clients]
        return await asyncio.gather(*both)

    async def the_rest(client):
        return await ask(client, "customer-0", most=1, pieces=10**9)

    one, other = start(), start()
    replies = run(one, other, conversation=conversation)
    served = [reply for reply in replies if reply.status == 200]
    assert all(reply.is_done for reply in served)
    assert len(served) == calls() <= 3_000 // 50
    other.stop()  # which gives back what it had for itself
    rest = run(one, conversation=the_rest)
    one.stop()
    found, charged = books()
    assert 50 * len(served) + len(rest.texts) == charged.total() == 3_000
    assert (found.drawn, found.reserved, found.lost) == (3_000, 0, 0)


def test_an_estimate_that_is_wrong(start, books):
    async def conversation(client):
        for name, script in {
            "customer-1": {"most": 1, "asks": 9, "pieces": 500},  # far too low
            "customer-2": {"asks": 9, "pieces": 5, "corrected": 12},  # what the model says at last counts
            "customer-3": {"asks": 9, "pieces": 5, "corrected": 1_234},
            "customer-4": {"most": 10_000, "pieces": 1},  # far too high
        }.items():
            assert (await ask(client, name, **script)).is_done

    server = start()
    run(server, conversation=conversation)
    server.stop()
    found, charged = books()
    assert charged == {"customer-1": 509, "customer-2": 12, "customer-3": 1_234, "customer-4": 1}
    assert (found.reserved, found.lost) == (0, 0)


# -- without License Manager, and without a process ---------------------------------------------------------


def test_an_outage_is_bridged_on_credit_and_paid_first(start, lm, licence, books):
    async def on_credit(client):
        return [await ask(client, name, most=300, asks=390, pieces=1, each=10) for name in CUSTOMERS[:9]]

    async def afterwards(client):
        return await ask(client, "customer-19", asks=390, pieces=1, each=10)

    server = start()
    with lm.down():
        replies = run(server, conversation=on_credit)
        served = [reply for reply in replies if reply.is_done]
        # the first one may be told that it took too long to find out
        assert (len(served), replies[-1].status) == (OVERDRAFT // 400, 503)
        assert json.loads(replies[-1].body)["type"].endswith("/entitlement-unavailable")
        assert int(replies[-1].headers["Retry-After"]) >= 1
        wait_for(lambda: books()[0].owed == OVERDRAFT)
    wait_for(lambda: run(server, conversation=afterwards).is_done)
    server.stop()
    found, charged = books()
    assert (found.charged, found.owed, found.reserved) == (OVERDRAFT + 400, 0, 0)
    assert charged["customer-19"] == 400


def test_a_server_is_killed_in_mid_stream(start, books):
    async def killed_amid(client):
        await asyncio.gather(*(ask(client, name, asks=5, pieces=3) for name in CUSTOMERS))
        async with contextlib.AsyncExitStack() as streams:
            for name in CUSTOMERS:
                script = {"pieces": 9, "each": 4, "waits_at": 8}
                reply, lines = await streams.enter_async_context(asking(client, name, **script))
                while len(reply.texts) < 8:
                    reply.hear(await anext(lines))
            first.kill()

    async def afterwards(client):
        return await ask(client, "customer-0", asks=5, pieces=3)

    first = start()
    run(first, conversation=killed_amid)
    second = start()
    assert run(second, conversation=afterwards).is_done
    second.stop()
    used = 20 * (5 + 3) + 20 * 8 * 4 + 8
    found, _ = books()
    assert found.charged <= used <= found.charged + found.lost
    assert found.lost <= SLICE + 20 * 200  # and what the running answers had reserved
    assert (found.reserved, found.owed) == (0, 0)


# -- what is around it ------------------------------------------------------------------------------------


def test_an_echo_answers_where_no_model_is_named(start, books):
    async def conversation(client):
        key = {"Authorization": "Bearer key of customer-1"}
        answers = [await client.post(PATH, json={"messages": ["a b c"]}, headers={"Authorization": "Bearer none"})]
        for body in WRONG:
            answers += [await client.post(PATH, content=body, headers=key)]
        reply, words = Reply(200, {}), await client.post(PATH, json={"messages": ["a b c"]}, headers=key)
        for line in words.text.splitlines():
            reply.hear(line)
        return [answer.status_code for answer in answers], reply

    server = start("llm_proxy:app")
    statuses, reply = run(server, conversation=conversation)
    server.stop()
    assert (statuses, reply.texts) == ([401, *[400] * len(WRONG)], ["a ", "b ", "c "])
    assert books()[1] == {"customer-1": 6}


def test_litellm_answers_where_a_model_is_named(start, books, monkeypatch):
    monkeypatch.setenv("PROXY_MODEL", "stand-in")

    async def conversation(client):
        key, question = {"Authorization": "Bearer key of customer-1"}, {"role": "user", "content": "a b c d"}
        answer = await client.post(PATH, json={"messages": [question], "max_tokens": 3}, headers=key)
        return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]

    server = start("llm_proxy:app", SITES / "litellm_stand_in")
    *texts, last = run(server, conversation=conversation)
    server.stop()
    assert "".join(one["choices"][0]["delta"]["content"] for one in texts) == "a b c "
    assert last["usage"] == {"total_tokens": 17}, "as the provider's bill will say"
    assert books()[1] == {"customer-1": 17}
