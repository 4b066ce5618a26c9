"""Prometheus: what is scraped, from one process and from several that write into one folder."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from meterguard.telemetry.prometheus import instrument


def scraped(registry):
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line and "_bucket" not in line]


def test_what_is_scraped(lm, guard):
    registry = CollectorRegistry()
    instrument(guard, registry=registry)
    with guard.requires_entitlement("Seats", 1):
        assert [line for line in scraped(registry) if "_sum" not in line and "grace" not in line] == [
            'meterguard_checkouts_total{entitlement="Seats",error="",outcome="ok"} 1.0',
            'meterguard_checkout_duration_seconds_count{entitlement="Seats",error="",outcome="ok"} 1.0',
            'meterguard_leases_active{entitlement="Seats"} 1.0',
        ]
    guard.close()
    assert 'meterguard_check_ins_total{entitlement="Seats",error="",outcome="ok"} 1.0' in scraped(registry)
    assert 'meterguard_leases_active{entitlement="Seats"} 0.0' in scraped(registry)


def test_nothing_is_put_into_the_default_registry(guard):
    instrument(guard, registry=CollectorRegistry())
    assert b"meterguard" not in generate_latest(REGISTRY)


def test_a_registry_that_has_them_already_says_so_and_stays_as_it_is(guard, lm):
    registry = CollectorRegistry()
    instrument(guard, registry=registry)
    with pytest.raises(ValueError, match="meterguard_checkouts"):
        instrument(guard, registry=registry)
    with guard.requires_entitlement("Seats", 1):
        pass
    assert 'meterguard_checkouts_total{entitlement="Seats",error="",outcome="ok"} 1.0' in scraped(registry)


def test_what_has_ended_is_off_the_registry(guard):
    registry = CollectorRegistry()
    end = instrument(guard, registry=registry)
    end()
    assert generate_latest(registry) == b""


SEVERAL_PROCESSES = """
import os, sys, threading
import meterguard
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from meterguard.telemetry.prometheus import instrument

def scraped():
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    found = {}
    for metric in registry.collect():
        for one in metric.samples:
            if one.name.endswith(("_active", "outs_total", "ins_total")):
                found[one.name.removeprefix("meterguard_"), one.labels["entitlement"]] = int(one.value)
    return found

end = instrument(registry=CollectorRegistry())
seat = meterguard.requires_entitlement("Seats", 1)
with meterguard.requires_entitlement("Export"), seat:
    assert scraped() == {
        ("checkouts_total", "Seats"): 1, ("checkouts_total", "Export"): 1,
        ("leases_active", "Seats"): 1, ("leases_active", "Export"): 1,
    }, scraped()

class Child:
    def __init__(self):
        self.heard, tell = os.pipe()
        hear, self.told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for work in self.life():
                    os.write(tell, b".")
                    os.read(hear, 1)
            finally:
                os._exit(0)

    def go_on(self):
        os.write(self.told, b".")
        os.read(self.heard, 1)

    def life(self):
        yield
        with seat:
            yield
        seats = [meterguard.requires_entitlement("Seats", 1, hold="call") for _ in range(4)]
        barrier = threading.Barrier(4)
        def call(one):
            for _ in range(3):
                barrier.wait()
                with one:
                    pass
        threads = [threading.Thread(target=call, args=[one]) for one in seats]
        [one.start() for one in threads]
        [one.join() for one in threads]
        yield
        meterguard.get_guard().close()
        yield

children = [Child(), Child()]
for child in children:
    os.read(child.heard, 1)
assert scraped()["leases_active", "Seats"] == 1, "a child has nothing of its parent's"
for child in children:
    child.go_on()
assert scraped()["leases_active", "Seats"] == 3
assert scraped()["checkouts_total", "Seats"] == 3
for child in children:
    child.go_on()
assert scraped()["leases_active", "Seats"] == 3, "each call gave its seat back"
assert scraped()["checkouts_total", "Seats"] == 3 + 2 * 12
assert scraped()["check_ins_total", "Seats"] == 2 * 12
children[0].go_on()
assert scraped()["leases_active", "Seats"] == 2
for child in children:
    os.kill(child.pid, 9)
    os.waitpid(child.pid, 0)
    mark_process_dead(child.pid)
assert scraped()["leases_active", "Seats"] == 1
meterguard.get_guard().close()
assert scraped()["leases_active", "Seats"] == 0
assert scraped()["leases_active", "Export"] == 0
assert scraped()["check_ins_total", "Seats"] == 2 * 12 + 2
end()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_several_processes_are_added_up(lm, tmp_path):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 20, "Count"), ("Export", None, "None")])
    env = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
    }
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", SEVERAL_PROCESSES]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr


ENDS_WITH_LEASES = """
import meterguard
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from meterguard.telemetry.prometheus import instrument

def active():
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return [
        int(one.value) for metric in registry.collect() for one in metric.samples if one.name.endswith("_active")
    ]

with meterguard.requires_entitlement("Seats", 1):
    end = instrument(registry=CollectorRegistry())
    assert active() == [1], "held before"
end()
assert active() == [0]
"""


def test_a_file_of_a_process_keeps_no_leases_that_it_counts_no_more(lm, licence, tmp_path):
    env = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
    }
    command = [sys.executable, "-W", "error", "-c", ENDS_WITH_LEASES]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
