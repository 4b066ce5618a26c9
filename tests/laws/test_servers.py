"""Law 4 and one seat for all, under real servers: what they take, and what is left of it however they end.

``python -m tests.laws.servers`` runs the full table of gunicorn's.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import redis_server
from tests.extras import is_installed
from tests.laws import servers
from tests.laws.servers import GTHREAD, PRELOAD, SYNC


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 20, "Count")], ttl=3600)


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def serve(lm, licence, tmp_path):
    """``serve(kind, workers, store, *options)``: a server of the guarded application."""
    started = []

    def start(kind, workers, store, *options, **settings):
        environment = servers.environment(lm, licence, store) | settings
        started.append(servers.Server(kind, workers, tmp_path, environment, *options))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.mark.parametrize(
    ("workers", "options"),
    [(1, SYNC), (2, (*GTHREAD, *PRELOAD)), (4, (*SYNC, *PRELOAD)), (8, GTHREAD)],
    ids=["1 sync", "2 gthread, preloaded", "4 sync, preloaded", "8 gthread"],
)
def test_one_seat_through_the_life_of_gunicorn(lm, licence, serve, store, make_guard, workers, options):
    """From the first request over a killed worker and a reload to the end of all at once, and the next start."""
    servers.lead(lm, serve("gunicorn", workers, store, *options), make_guard(lm, licence, store=store))


@pytest.mark.parametrize(
    ("workers", "options"), [(2, (*SYNC, *PRELOAD)), (3, GTHREAD)], ids=["sync, preloaded", "gthread"]
)
def test_sigterm_leaves_no_seat(lm, serve, store, workers, options):
    servers.come_and_go(lm, serve("gunicorn", workers, store, *options), 1)
    servers.come_and_go(lm, serve("gunicorn", workers, None, *options), workers)


@pytest.mark.parametrize("options", [SYNC, GTHREAD], ids=["sync", "gthread"])
def test_a_master_that_is_killed_leaves_no_seat(lm, serve, store, options):
    """Its workers notice, serve what they have, and end by themselves."""
    server = serve("gunicorn", 2, store, *options)
    pids = server.meet()
    server.process.kill()
    servers.wait_for(lambda: not any(map(servers.is_running, pids)))
    assert (lm.calls("CheckoutLicense"), lm.usage("ACME-1")["Seats"]) == (1, 0), server.log()


# Rows of docs/how-to/prefork-servers.md: package, server, options, and whether a worker that was killed is replaced.
ROWS = {
    "gunicorn, `-k asgi`": ("gunicorn", "gunicorn-asgi", ("--worker-class", "asgi"), True),
    "gunicorn, `-k uvicorn_worker.UvicornWorker`": (
        *("uvicorn_worker", "gunicorn-asgi"),
        *(("--worker-class", "uvicorn_worker.UvicornWorker"), True),
    ),
    "uvicorn, `--workers`": ("uvicorn", "uvicorn", (), True),
    "hypercorn": ("hypercorn", "hypercorn", (), False),
    "granian, ASGI": ("granian", "granian", (), True),
    "granian, WSGI": ("granian", "granian-wsgi", (), True),
    "uWSGI, `lazy-apps`": ("pyuwsgi", "uwsgi", (), True),
}


@pytest.mark.parametrize("row", [row for row, (package, *_) in ROWS.items() if is_installed(package)])
def test_a_row_of_the_page(lm, serve, store, row):
    """One seat for two workers, also while one of them is killed and replaced; SIGTERM leaves none."""
    _, kind, options, is_replaced = ROWS[row]
    servers.come_and_go(lm, serve(kind, 2, store, *options), 1, is_killed=is_replaced)
    assert servers.most_taken(lm) == 1


@pytest.mark.skipif(not is_installed("pyuwsgi"), reason="uWSGI is not installed")
def test_a_request_under_uwsgi_is_covered_to_its_end(lm, serve, store, tmp_path):
    """Its ``die-on-term`` would end a worker that serves a request without Python's exit hooks."""
    server = serve("uwsgi", 2, store)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.get, "/stay/short")
        servers.wait_for((tmp_path / "short.began").exists)
        server.process.send_signal(signal.SIGTERM)
        servers.wait_for(lambda: "Gracefully killing worker" in server.log())
        assert lm.usage("ACME-1")["Seats"] == 1
        (tmp_path / "short.end").touch()
        assert asked.result() > 0
    server.process.wait(30)
    assert lm.usage("ACME-1")["Seats"] == 0, server.log()


@pytest.mark.skipif(not is_installed("hypercorn"), reason="hypercorn is not installed")
def test_a_worker_of_hypercorn_outlasts_the_others(lm, serve, store, tmp_path):
    """Its master sends SIGTERM to the workers that are left, as soon as one has ended."""
    server = serve("hypercorn", 2, store, "--graceful-timeout", "40")
    pids = server.meet()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.get, "/stay/short")
        servers.wait_for((tmp_path / "short.began").exists)
        server.process.send_signal(signal.SIGTERM)
        servers.wait_for(lambda: not all(map(servers.is_running, pids)))
        assert lm.usage("ACME-1")["Seats"] == 1
        (tmp_path / "short.end").touch()
        assert asked.result() in pids, server.log()
    server.process.wait(30)
    assert lm.usage("ACME-1")["Seats"] == 0, server.log()


@pytest.mark.skipif(not is_installed("hypercorn"), reason="hypercorn is not installed")
def test_sigterm_to_all_processes_of_hypercorn_leaves_no_seat(lm, serve, store):
    """As systemd ends a service."""
    server = serve("hypercorn", 2, store)
    server.meet()
    os.killpg(server.process.pid, signal.SIGTERM)
    server.process.wait(30)
    assert lm.usage("ACME-1")["Seats"] == 0, server.log()


def test_a_lifespan_gives_back_what_was_left_before_any_request(lm, serve, store):
    first = serve("uvicorn", 2, store)
    first.meet()
    first.end()
    assert lm.usage("ACME-1")["Seats"] == 1
    serve("uvicorn", 1, store)
    servers.wait_for(lambda: lm.usage("ACME-1")["Seats"] == 0)


def test_a_request_that_outlasts_the_graceful_time_out(lm, licence, serve, store, make_guard, tmp_path):
    """Within the time-out its work is covered to its end; beyond it gunicorn kills its worker."""
    with ThreadPoolExecutor(2) as pool:
        for name, seconds in (("short", "30"), ("long", "1")):
            server = serve("gunicorn", 2, store, *GTHREAD, "--graceful-timeout", seconds)
            asked = pool.submit(server.get, f"/stay/{name}")
            servers.wait_for((tmp_path / f"{name}.began").exists)
            server.process.send_signal(signal.SIGTERM)
            if name == "short":
                assert lm.usage("ACME-1")["Seats"] == 1
                (tmp_path / "short.end").touch()
                assert asked.result() > 0
            server.process.wait(30)
            assert lm.usage("ACME-1")["Seats"] == (0 if name == "short" else 1)
    assert isinstance(asked.exception(), servers.BROKEN)
    servers.next_start(lm, make_guard(lm, licence, store=store))


@pytest.mark.parametrize("kind", redis_server.carried() if is_installed("redis") else ())
def test_one_seat_over_redis(lm, licence, serve, make_guard, tmp_path, kind):
    (tmp_path / "redis").mkdir()
    server = redis_server.Server(redis_server.carried()[kind], tmp_path / "redis")
    try:
        servers.lead(lm, serve("gunicorn", 2, server.url, *SYNC), make_guard(lm, licence, store=server.url))
    finally:
        server.stop()


def test_workers_do_not_use_what_was_checked_out_before_the_fork(lm, serve):
    server = serve("gunicorn", 1, None, "--preload", SITE_IS_EARLY="1")
    servers.wait_for(lambda: lm.usage("ACME-1") == {"Seats": 1})
    servers.come_and_go(lm, server, 2)
