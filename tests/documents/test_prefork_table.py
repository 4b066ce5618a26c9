"""Each row of the table of servers is held by a test that is named here."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import DOCS
from tests.house.source import ROOT

SERVERS, POOLS, CELERY = "tests/laws/test_servers.py", "tests/laws/test_pools.py", "tests/integrations/test_celery.py"
LIFE, ROW = f"{SERVERS}::test_one_seat_through_the_life_of_gunicorn", f"{SERVERS}::test_a_row_of_the_page"
ENDING = f"{POOLS}::test_processes_that_end_by_themselves_leave_no_seat"
NEXT = "tests/laws/test_sweeps.py::test_the_next_start_returns_what_the_dead_left"
EXIT = "tests/laws/test_nothing_left_behind.py::test_a_process_that_ends_gives_everything_back"
HELD_BY = {
    "gunicorn, workers `sync` and `gthread`": [LIFE, f"{SERVERS}::test_sigterm_leaves_no_seat"],
    "gunicorn `--preload`": [LIFE, f"{SERVERS}::test_workers_do_not_use_what_was_checked_out_before_the_fork"],
    "gunicorn, reloaded by `SIGHUP`": [LIFE],
    "gunicorn, `-k asgi`": [ROW],
    "gunicorn, `-k uvicorn_worker.UvicornWorker`": [ROW],
    "uvicorn, `--workers`": [ROW, f"{SERVERS}::test_a_lifespan_gives_back_what_was_left_before_any_request"],
    "hypercorn": [
        *(ROW, f"{SERVERS}::test_a_worker_of_hypercorn_outlasts_the_others"),
        f"{SERVERS}::test_sigterm_to_all_processes_of_hypercorn_leaves_no_seat",
    ],
    "granian, ASGI": [ROW],
    "granian, WSGI": [ROW],
    "uWSGI, `lazy-apps`": [ROW],
    "Celery, `--pool prefork`": [f"{CELERY}::test_the_children_of_a_worker_share_one_seat_in_a_shared_store"],
    "Celery, `--pool threads`": [f"{CELERY}::test_a_day_in_the_life_of_a_worker"],
    "`multiprocessing.Process`, by fork, spawn or forkserver": [ENDING],
    "`ProcessPoolExecutor`": [ENDING],
    "`multiprocessing.Pool` in a `with` block": [
        *(f"{POOLS}::test_a_pool_that_is_left_by_its_with_block_leaves_its_seat_to_the_next_start", ENDING),
    ],
    "a plain script, at its end, on `sys.exit`, on an exception, on Ctrl-C": [EXIT],
    "a plain script, on `SIGTERM`": [EXIT],
    "anything, on `kill -9`, out of memory, power loss": [LIFE, NEXT],
}


def rows():
    text = (DOCS / "how-to" / "prefork-servers.md").read_text("utf-8")
    table = text.partition("| started as |")[2].partition("\n\n")[0].splitlines()[2:]
    return [line.split(" | ")[0].removeprefix("| ") for line in table]


def test_every_row_is_held_by_a_test():
    assert rows() == list(HELD_BY)


@pytest.mark.parametrize("test", sorted({one for tests in HELD_BY.values() for one in tests}))
def test_the_test_is_there(test):
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)
