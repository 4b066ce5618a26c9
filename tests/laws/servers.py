"""Servers that run a guarded application in several processes: started, asked, and ended as tests want it.

``python -m tests.laws.servers`` leads every row of the full table through its life: gunicorn with 1 to 8 workers,
both classes, preloading and not.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.house.source import ROOT
from tests.redis_server import free_port

SITE = "tests.laws.guarded_site"
PYTHON = [sys.executable, "-m"]
GUNICORN = [
    *(*PYTHON, "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
    "--no-control-socket",  # which is at one place for all of a user's servers
]
COMMANDS = {
    "gunicorn": [*GUNICORN, f"{SITE}:wsgi"],
    "gunicorn-asgi": [*GUNICORN, f"{SITE}:asgi"],
    "uvicorn": [*PYTHON, "uvicorn", "--port", "{port}", "--workers", "{workers}", f"{SITE}:asgi"],
    "hypercorn": [
        *(*PYTHON, "hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
        "tests.laws.hypercorn_site:asgi",
    ],
    "granian-wsgi": [
        *(*PYTHON, "granian", "--interface", "wsgi", "--port", "{port}", "--workers", "{workers}"),
        *("--respawn-failed-workers", f"{SITE}:wsgi"),
    ],
    "granian": [
        *(*PYTHON, "granian", "--interface", "asgi", "--port", "{port}", "--workers", "{workers}"),
        *("--respawn-failed-workers", f"{SITE}:asgi"),
    ],
    "uwsgi": [
        *(sys.executable, "-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--http-socket", "127.0.0.1:{port}"),
        *("--processes", "{workers}", "--master", "--enable-threads", "--lazy-apps", "--need-app"),
        *("--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
        *("--module", f"{SITE}:wsgi"),
    ],
}
_rounds = itertools.count()
BROKEN = (ConnectionError, http.client.HTTPException)


def wait_for(what, seconds=30.0):
    """Wait until something is true, and return it."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)
    return found


def is_running(pid):
    return _state(pid)[0] not in "ZX"


def has_members(group):
    """Whether a process of a group is running."""
    states = [_state(path.name) for path in Path("/proc").glob("[0-9]*")]
    return any(int(found) == group and state not in "ZX" for state, _, found in states)


def _state(pid):
    """The state of a process, its parent and its group; of one that has ended, none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    return "X", "0", "0"


class Server:
    """A server with all its processes, which are a process group of their own."""

    def __init__(self, kind, workers, folder, environment, *options):
        self.folder, self.workers = folder, workers
        (folder / "seen").mkdir(exist_ok=True)
        for _ in range(3):  # somebody else may take a port that was free
            self.port = free_port()
            command = [part.format(port=self.port, workers=workers) for part in COMMANDS[kind]]
            self._start([*command[:-1], *options, command[-1]], environment)
            if self._is_up():
                return
            self.end()
        raise AssertionError(self.log())

    def _start(self, command, environment):
        settings = os.environ | environment | {"SITE_FOLDER": str(self.folder), "PYTHONPATH": str(ROOT)}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=settings, stdout=log, stderr=log, start_new_session=True
            )

    def _is_up(self):
        until = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), contextlib.closing(self._connection()) as connection:
                connection.connect()
                return True
            time.sleep(0.02)
        return False

    def log(self):
        return (self.folder / "log").read_text()

    # -- asking ----------------------------------------------------------------------------------

    def _connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=45)

    def get(self, path):
        """The id of the process that answered."""
        with contextlib.closing(self._connection()) as connection:
            connection.request("GET", path, headers={"Connection": "close"})
            reply = connection.getresponse()
            body = reply.read()
        if not body:  # it was cut off before its first header
            raise ConnectionResetError
        assert reply.status == 200, (reply.status, body, self.log())
        return int(body)

    def meet(self, *, may_break=False):
        """Have every worker serve a guarded request. Returns their ids."""
        count = self.workers
        number = f"round-{next(_rounds)}"
        room = self.folder / number
        room.mkdir()
        until = time.monotonic() + 40
        with ThreadPoolExecutor(64) as pool:
            asked = []
            while len(list(room.iterdir())) < count:
                assert time.monotonic() < until, self.log()
                if sum(not one.done() for one in asked) < 2 * count:
                    asked.append(pool.submit(self.get, f"/meet/{number}/{count}"))
                time.sleep(0.02)
        for one in asked:
            if not (may_break and isinstance(one.exception(), BROKEN)):
                one.result()
        return {int(one.name) for one in room.iterdir()}

    @contextlib.contextmanager
    def load(self, clients=4, broken_each=1):
        """Ask without a pause, from several clients. Yields a set to which the processes are added that may fail.

        A client may see one request fail; more only where the server takes requests before it has a process for them.
        """
        doomed, broken, is_over = set(), [], threading.Event()
        names = itertools.count()

        def ask():
            while not is_over.is_set():
                name = f"{next(names)}"
                try:
                    self.get(f"/seen/{name}")
                except BROKEN as failure:
                    broken.append((name, failure))

        with ThreadPoolExecutor(clients) as pool:
            running = [pool.submit(ask) for _ in range(clients)]
            try:
                yield doomed
            finally:
                is_over.set()
            for one in running:
                one.result()
        assert len(broken) <= clients * broken_each, "what was in the air when a process ended, and nothing after it"
        assert next(names) > len(broken), "no request was served"
        for name, failure in broken:
            took = {int(one.suffix[1:]) for one in (self.folder / "seen").glob(f"{name}.*")}
            assert took <= doomed, (name, failure, took, doomed, self.log())

    # -- ending ----------------------------------------------------------------------------------

    def kill_one(self, pids, broken_each=1):
        """End one worker by SIGKILL while requests come in, until it is replaced. Returns the new ids."""
        with self.load(broken_each=broken_each) as doomed:
            doomed.add(min(pids))
            os.kill(min(pids), signal.SIGKILL)
            wait_for(lambda: not is_running(min(pids)))
            now = self.meet(may_break=True)  # what a server had given to the killed one
        assert min(pids) not in now
        return now

    def reload(self, pids):
        """Have all workers replaced, as after a deploy. Returns the new ids."""
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not any(map(is_running, pids)))
        return self.meet()

    def stop(self):
        """SIGTERM to the master, as a service manager does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def end(self):
        """SIGKILL for all processes at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not has_members(self.process.pid))  # on a busy machine that takes a moment


@contextlib.contextmanager
def serving(*arguments):
    """A server, none of whose processes is left behind."""
    server = Server(*arguments)
    try:
        yield server
    finally:
        server.end()


def environment(lm, licence, store):
    """The settings of a guarded application; without a store its processes share nothing."""
    shared = {} if store is None else {"METERGUARD_STORE": store}
    return shared | {
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
    }


def most_taken(lm):
    """The most leases that were out at one moment."""
    taken = most = 0
    for request in lm.requests:
        if request.error is None and not request.replayed:
            taken += {"CheckoutLicense": 1, "CheckInLicense": -1}.get(request.operation, 0)
            most = max(most, taken)
    return most


def next_start(lm, guard, seconds=7.0):
    """What dead processes left goes back soon once a later process has started. Returns the seconds it took.

    By default it has more than the two seconds that count, for a machine that does something else as well.
    """
    began = time.monotonic()
    guard.prewarm()
    wait_for(lambda: not lm.checkouts(), seconds)
    return time.monotonic() - began


SYNC, PRELOAD = ("--worker-class", "sync"), ("--preload",)
# A worker takes no more than it can serve, so that the others get the rest.
GTHREAD = ("--worker-class", "gthread", "--threads", "2", "--worker-connections", "2")
TABLE = [(workers, kind, preload) for workers in (1, 2, 4, 8) for kind in (SYNC, GTHREAD) for preload in ((), PRELOAD)]


def lead(lm, server, guard, seconds=7.0):
    """Lead gunicorn with a shared store through its life. Returns the seconds that the next start took to clean up."""
    pids = server.meet()
    assert (lm.calls("CheckoutLicense"), lm.usage("ACME-1")["Seats"]) == (1, 1), server.log()
    pids = server.kill_one(pids)
    assert lm.usage("ACME-1")["Seats"] == 1, server.log()
    if server.workers > 1:  # after an only worker the next one rides on its lease, or has it given back
        assert lm.calls("CheckoutLicense") == 1, server.log()
    server.reload(pids)
    assert lm.usage("ACME-1")["Seats"] == 1, server.log()
    server.end()
    assert lm.usage("ACME-1")["Seats"] == 1, "nobody was left who could give it back"
    took = next_start(lm, guard, seconds)
    assert most_taken(lm) == 1
    return took


def come_and_go(lm, server, seats, *, is_killed=False):
    """Have all workers serve, perhaps one of them killed and replaced, and the server end as it should."""
    pids = server.meet()
    if is_killed:
        server.kill_one(pids, broken_each=math.inf)
    assert lm.usage("ACME-1")["Seats"] == seats, server.log()
    server.stop()
    assert lm.usage("ACME-1")["Seats"] == 0, server.log()


def run_row(folder, workers, options):
    """Run one row of the table. Returns the seconds that the next start took."""
    import meterguard
    from meterguard.emulator import Emulator

    store = f"sqlite:///{folder}/store.db"
    with Emulator() as lm:
        licence = lm.add_license("ACME-1", entitlements=[("Seats", 20, "Count")], ttl=3600)
        shared, alone = environment(lm, licence, store), environment(lm, licence, None)
        with serving("gunicorn", workers, folder, shared, *options) as server:
            at = {"endpoint_url": lm.url, "region_name": lm.region, "store": store}
            with meterguard.MeterGuard("ACME-1", licence.key_fingerprint, **at) as guard:
                took = lead(lm, server, guard, 2.0)
        with serving("gunicorn", workers, folder, shared, *options) as server:
            come_and_go(lm, server, 1)
        with serving("gunicorn", workers, folder, alone, *options) as server:
            come_and_go(lm, server, workers)
    return took


def main():
    """Run every row of the table."""
    for workers, kind, preload in TABLE:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            took = run_row(Path(name), workers, (*kind, *preload))
        row = f"{workers} {' '.join((*kind, *preload))}"
        print(f"{row:50} none left {took:.2f} s after the next start ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    main()
