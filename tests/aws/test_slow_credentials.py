"""Credentials that take long to get hold up nobody but those who need them: no other guard, and no fork."""

from __future__ import annotations

import json
import os
import threading
import time

import boto3
import pytest

import meterguard.aws.clients

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]


class SlowProcess:
    """A ``credential_process`` that ends when it is told to."""

    def __init__(self, path):
        self._path = path / "credentials"
        os.mkfifo(self._path)
        self._end = None

    @property
    def config(self):
        return f"[profile slow]\nregion = us-east-1\ncredential_process = cat {self._path}\n"

    def wait_until_it_runs(self):
        self._end = self._path.open("w")  # returns once the process reads

    def finish(self):
        keys = {"Version": 1, "AccessKeyId": "testing", "SecretAccessKey": "testing"}
        with self._end:
            json.dump(keys, self._end)


@pytest.fixture
def process(tmp_path, monkeypatch):
    slow = SlowProcess(tmp_path)
    config = tmp_path / "config"
    config.write_text(slow.config)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return slow


@pytest.fixture
def waiting(lm, licence, make_guard, process):
    """A thread whose guard waits for its credentials; the call is over when the block is."""
    guard = make_guard(lm, licence, session=boto3.Session(profile_name="slow"))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(guard.has_entitlement("Export")))
    thread.start()
    process.wait_until_it_runs()
    yield thread
    process.finish()
    thread.join(20)
    assert answers == [True]


def test_another_guard_does_not_wait(lm, licence, make_guard, waiting):
    other = make_guard(lm, licence, timeout=5)
    assert other.requires_entitlement("Seats", 1, "Count")(lambda: "ran")() == "ran"
    assert waiting.is_alive()


def test_a_fork_does_not_wait_and_the_child_works(lm, licence, make_guard, waiting):
    guard = make_guard(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(0 if seat() == "ran" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert time.monotonic() - began < 10  # a fork waits 30 s for an import
    assert waiting.is_alive()


def test_guards_of_one_session_make_one_client_at_a_time(lm, licence, make_service, process):
    session = boto3.Session(profile_name="slow")
    services = [
        make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url, session=session) for _ in range(2)
    ]
    threads = [threading.Thread(target=one.connect) for one in services]
    for thread in threads:
        thread.start()
    process.wait_until_it_runs()
    process.finish()  # once: a second run of the process would wait for ever
    for thread in threads:
        thread.join(20)
    assert [thread.is_alive() for thread in threads] == [False, False]


def test_boto3_is_imported_while_forks_wait(monkeypatch, make_service):
    free = []

    def look():
        free.append(meterguard.aws.clients.boto_import_lock.acquire(blocking=False))

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "meterguard.aws.boto":
                thread = threading.Thread(target=look)
                thread.start()
                thread.join()

    import sys

    monkeypatch.delitem(sys.modules, "meterguard.aws.boto", raising=False)
    monkeypatch.delattr(meterguard.aws, "boto", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    make_service().connect()
    assert free == [False]
