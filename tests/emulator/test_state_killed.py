"""``meterguard emulator --state`` killed under load, again and again: no lease is lost, none is doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError

from meterguard.emulator import Emulator

KILLS = 8
CLIENTS = 4
SEED = {"licenses": [{"product_sku": "ACME", "entitlements": [["Seats", None, "Count"], ["Calls", None, "Count"]]}]}


class Service:
    """The command in a process of its own, which dies and comes back on its port."""

    def __init__(self, folder):
        self.state = folder / "state.db"
        self._seed = folder / "seed.json"
        self._seed.write_text(json.dumps(SEED))
        self._port = unused_port()
        self._answers = threading.Semaphore(0)
        self._lives = 0
        self._life = threading.Condition()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self):
        source = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        options = ["--port", str(self._port), "--seed", str(self._seed), "--state", str(self.state), "--json"]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "meterguard", "emulator", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=source,
        )
        said = self._process.stdout.readline()
        assert said, self._process.communicate()[1]
        self.licence = json.loads(said)["licenses"][0]
        with self._life:
            self._lives += 1
            self._life.notify_all()

    def kill_after(self, answers):
        """Kill it when its clients have seen so many more answers, and are in the middle of others."""
        for _ in range(answers):
            assert self._answers.acquire(timeout=10)
        self.end(signal.SIGKILL)

    def end(self, number=signal.SIGTERM):
        self._process.send_signal(number)
        self._process.communicate(timeout=20)
        return self._process.returncode

    def settle(self, call, **parameters):
        """Ask until there is an answer; say also how often there was none."""
        unknown = 0
        while True:
            life = self._lives
            try:
                answer = call(**parameters)
            except BotoCoreError:
                unknown += 1
                with self._life:
                    assert self._life.wait_for(lambda: self._lives > life, 30), "no answer, and nobody was killed"  # noqa: B023 - asked at once
            else:
                self._answers.release()
                return answer, unknown


def unused_port():
    """Not one of those that are given out to whoever asks for any, which others might be given meanwhile."""
    for port in random.Random().sample(range(20_000, 30_000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("no port is free")


class Customer:
    """One client, and its own account of what it holds and has spent."""

    def __init__(self, name, service, client):
        self._name = name
        self._service = service
        self._client = client
        self._random = random.Random(name)
        self._asked = 0
        self.held = {}
        self.drawn = 0
        self.returned = []
        self.unknown = 0

    def work(self, told):
        while not told.is_set():
            step = self._random.choices(("hold", "draw", "extend", "return"), (4, 2, 2, 3))[0]
            token = self._random.choice(list(self.held)) if self.held else None
            if step in ("hold", "draw") or token is None:
                self.check_out("PERPETUAL" if step == "draw" else "PROVISIONAL", self._random.randint(1, 3))
            elif step == "extend":
                self.settle(self._client.extend_license_consumption, LicenseConsumptionToken=token)
            else:
                self.check_in(token)

    def check_out(self, kind, count):
        self._asked += 1
        name = "Calls" if kind == "PERPETUAL" else "Seats"
        answer = self.settle(
            self._client.checkout_license,
            ProductSKU=self._service.licence["product_sku"],
            KeyFingerprint=self._service.licence["key_fingerprint"],
            CheckoutType=kind,
            ClientToken=f"{self._name}-{self._asked}",
            Entitlements=[{"Name": name, "Unit": "Count", "Value": str(count)}],
        )
        if kind == "PERPETUAL":
            self.drawn += count
        else:
            self.held[answer["LicenseConsumptionToken"]] = count

    def check_in(self, token):
        """It has no ClientToken: not to be found means done, but only where an answer was lost before."""
        attempts = 0

        def return_it():
            nonlocal attempts
            attempts += 1
            try:
                self._client.check_in_license(LicenseConsumptionToken=token)
            except self._client.exceptions.ResourceNotFoundException:
                if attempts == 1:
                    raise

        self.settle(return_it)
        del self.held[token]
        self.returned.append(token)

    def settle(self, call, **parameters):
        answer, unknown = self._service.settle(call, **parameters)
        self.unknown += unknown
        return answer


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_at_any_moment_it_loses_no_lease_and_doubles_none(tmp_path, connect, code):
    service = Service(tmp_path)
    moments = random.Random(20260101)
    told = threading.Event()
    customers = [Customer(f"client-{n}", service, connect(url=service.url)) for n in range(CLIENTS)]
    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            working = [threads.submit(customer.work, told) for customer in customers]
            try:
                for _ in range(KILLS):
                    service.kill_after(moments.randint(40, 160))
                    service.start()
            finally:
                told.set()
                for work in working:
                    work.result(30)
        assert sum(customer.unknown for customer in customers) >= KILLS, "the load was elsewhere"
        client = connect(url=service.url)
        for customer in customers:
            for token in customer.held:
                client.extend_license_consumption(LicenseConsumptionToken=token, DryRun=True)
            for token in customer.returned[-5:]:
                with code("ResourceNotFoundException"):
                    client.extend_license_consumption(LicenseConsumptionToken=token, DryRun=True)
        assert service.end() == 0
    finally:
        service.end(signal.SIGKILL)

    with Emulator(state=service.state) as lm:
        held = Counter({one.token: item.count for one in lm.checkouts() for item in one.items})
        assert held == sum((Counter(customer.held) for customer in customers), Counter())
        drawn = sum(customer.drawn for customer in customers)
        assert lm.usage("ACME") == {"Seats": sum(held.values()), "Calls": drawn}
        assert len(lm.licenses()) == 1
