"""Starting, stopping, running beside others, in a fork and in the foreground."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from botocore.exceptions import EndpointConnectionError

from meterguard.emulator import Emulator, serve
from meterguard.emulator.state.clock import elapsed


def threads():
    return {one.name for one in threading.enumerate() if one.name.startswith("meterguard-emulator")}


def test_many_one_after_another_leave_nothing():
    before = threads()
    for _ in range(40):
        with Emulator() as lm, socket.create_connection(("127.0.0.1", lm.port), 5):
            pass
    assert threads() == before


def test_two_at_once_share_nothing(lm, licence, take):
    with Emulator() as other:
        assert other.port != lm.port
        other.add_license("ACME-1", [("Seats", 3, "Count")])
        take(Seats=1)
        assert other.usage("ACME-1") == {"Seats": 0}
        assert other.requests == []


def test_a_stopped_emulator_refuses_and_starts_again_on_its_port_with_its_state(lm, take, client):
    token = take(Seats=1)["LicenseConsumptionToken"]
    url = lm.url
    lm.stop()
    lm.stop()
    assert not lm.is_running
    with pytest.raises(EndpointConnectionError):
        take(Seats=1)
    lm.start()
    lm.start()
    assert (lm.url, lm.is_running) == (url, True)
    assert lm.usage("ACME-1") == {"Seats": 1}
    client.check_in_license(LicenseConsumptionToken=token)


@pytest.mark.parametrize("fault", [{"hold": True}, {"latency": 60}, {"latency": 60, "applied": True}])
def test_stopping_drops_what_waits_at_once(lm, take, fault):
    lm.faults.add("CheckoutLicense", **fault)
    failures = []

    def call():
        try:
            take(Seats=1)
        except Exception as failure:  # noqa: BLE001 - it is looked at below
            failures.append(failure)

    thread = threading.Thread(target=call)
    thread.start()
    lm.wait_for_calls("CheckoutLicense")
    begun = elapsed()
    lm.stop()
    assert elapsed() - begun < 5
    thread.join(20)
    assert len(failures) == 1
    assert lm.requests[0].dropped
    assert lm.usage("ACME-1") == {"Seats": int("applied" in fault)}


def test_a_port_that_is_taken_is_told(lm):
    with pytest.raises(OSError, match="in use"):
        Emulator(lm.port).start()


def test_only_the_loopback_interface_is_served(lm):
    assert lm.url == f"http://127.0.0.1:{lm.port}"
    with socket.create_connection(("127.0.0.1", lm.port), 5) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def is_closed(port):
    """Refused; or open again and answered, by another process that was given the port meanwhile."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_meterguard/health", timeout=20) as answer:
            return answer.status == 200
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_holds_nothing_back(lm, take, client):
    """A dropped connection and a closed port are so at once, although the child had them too."""
    take(Seats=1)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ours.close()
            if not lm.is_running:
                lm.stop()
                theirs.recv(1)
                status = 0
        finally:
            os._exit(status)
    theirs.close()
    with ours:
        lm.faults.add("CheckInLicense", drop="before")
        with pytest.raises(Exception, match="Connection was closed"):
            client.check_in_license(LicenseConsumptionToken="x")
        port = lm.port
        lm.stop()
        assert is_closed(port)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_the_foreground_a_signal_stops_it_gracefully(number):
    program = (
        "from meterguard.emulator import serve\n"
        "serve(0, ready=lambda lm: print(lm.port, flush=True), account_id='222222222222')\n"
        "print('stopped', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        port = int(process.stdout.readline())
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("stopped\n", "", 0)


def test_in_a_thread_it_serves_too():
    ready = threading.Event()
    found = []

    def tell(lm):
        found.append(lm)
        ready.set()

    threading.Thread(target=serve, args=(0,), kwargs={"ready": tell}, daemon=True).start()
    assert ready.wait(30)
    socket.create_connection(("127.0.0.1", found[0].port), 5).close()
    found[0].stop()


@pytest.mark.parametrize("package", ["uvicorn", "starlette"])
def test_without_the_optional_packages_the_error_says_what_to_install(package):
    program = (
        "import importlib.util, sys\n"
        f"sys.modules['{package}'] = None\n"
        "found = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name: None if name == '{package}' else found(name)\n"
        "from meterguard.emulator import Emulator\n"
        "lm = Emulator()\n"
        "lm.add_license('ACME-1', [('Seats', 1, 'Count')])\n"
        "try:\n    lm.start()\n"
        "except ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert 'pip install "meterguard[emulator]"' in run.stdout


def test_importing_it_starts_and_imports_nothing_heavy():
    program = (
        "import sys, threading, meterguard.emulator\n"
        "heavy = {'boto3', 'botocore', 'uvicorn', 'starlette'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_what_it_remembers_of_requests_can_be_bounded(connect):
    told = []
    with Emulator(most_requests=3, on_request=told.append) as lm:
        client = connect(url=lm.url)
        for _ in range(5):
            client.list_licenses()
        assert len(told) == 5
        assert lm.requests == told[-3:]
        assert all(request.done for request in told)


def test_in_the_foreground_it_remembers_the_latest_thousand():
    found = []
    ready = threading.Event()

    def tell(lm):
        found.append(lm)
        ready.set()

    threading.Thread(target=serve, args=(0,), kwargs={"ready": tell}, daemon=True).start()
    assert ready.wait(30)
    with closing(http.client.HTTPConnection("127.0.0.1", found[0].port, timeout=20)) as connection:
        for _ in range(1003):
            connection.request("POST", "/", b"{}")
            connection.getresponse().read()
    assert found[0].calls() == 1000
    found[0].stop()
