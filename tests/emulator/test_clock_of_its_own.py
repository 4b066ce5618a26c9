"""The service's clock: moved by the test, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import freezegun
import pytest
import time_machine

from meterguard.emulator import Clock, Emulator
from meterguard.emulator.state.clock import elapsed

TRUE_TIME = time.time()
A_DAY = 86_400  # longer than any run of the suite, and nothing beside the years that time is faked by
FAKES = {
    "freezegun": lambda: freezegun.freeze_time("2001-01-01"),
    "freezegun ticking": lambda: freezegun.freeze_time("2001-01-01", tick=True),
    "time-machine": lambda: time_machine.travel("2001-01-01", tick=False),
    "time-machine ticking": lambda: time_machine.travel("2001-01-01"),
}
faked = pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES.keys())


class TestMoving:
    def test_it_starts_at_the_true_time_and_runs(self):
        clock = Clock()
        first = clock.now()
        assert abs(first - TRUE_TIME) < A_DAY
        deadline = elapsed() + 5
        while clock.now() == first:
            assert elapsed() < deadline
        assert clock.now() > first
        assert not clock.is_frozen

    def test_it_starts_where_it_is_told(self):
        clock = Clock(datetime(2030, 1, 1, tzinfo=UTC))
        assert clock.datetime().year == 2030

    def test_it_moves_and_can_be_set(self):
        clock = Clock()
        clock.freeze("2026-01-01T00:00:00Z")
        assert clock.advance(90.5) == clock.now()
        clock.advance(timedelta(days=1))
        assert clock.datetime() == datetime(2026, 1, 2, 0, 1, 30, 500_000, tzinfo=UTC)
        clock.advance(-90.5)
        assert clock.datetime() == datetime(2026, 1, 2, tzinfo=UTC)
        clock.set(1_000_000)
        assert clock.now() == 1_000_000
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001 - naive is UTC
        assert clock.datetime() == datetime(2026, 1, 1, tzinfo=UTC)
        assert clock.is_frozen

    def test_it_runs_on_from_where_it_stood(self):
        clock = Clock()
        clock.freeze(1_000_000)
        clock.resume()
        assert 1_000_000 <= clock.now() < 1_000_060
        clock.resume()
        assert clock.now() < 1_000_060

    def test_a_running_clock_can_be_moved(self):
        clock = Clock()
        before = clock.now()
        clock.advance(3600)
        assert 3600 <= clock.now() - before < 3660
        clock.set("2026-01-01T00:00:00Z")
        assert clock.datetime().date().isoformat() == "2026-01-01"


class TestFakedTime:
    @faked
    def test_a_clock_made_while_time_is_faked_is_true(self, fake):
        with fake():
            now = Clock().now()
        assert abs(now - TRUE_TIME) < A_DAY

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no clock tells the truth then")
    def test_even_one_that_is_imported_only_then(self):
        program = (
            "import time_machine\n"
            "with time_machine.travel('2001-01-01', tick=False):\n"
            "    from meterguard.emulator import Clock\n"
            "    print(Clock().now())\n"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=30)
        assert abs(float(run.stdout) - TRUE_TIME) < A_DAY

    @faked
    def test_a_clock_made_before_goes_on(self, fake):
        clock = Clock()
        before = clock.now()
        with fake():
            during = clock.now()
        assert before <= during <= clock.now() < before + 60

    @faked
    def test_the_service_keeps_true_time_while_its_client_is_fooled(self, lm, licence, take, fake):
        def seconds(text):
            return datetime.fromisoformat(text + "+00:00").timestamp()

        before = lm.clock.now()
        with fake():
            answer = take(Seats=1)
        assert before - 1 <= seconds(answer["IssuedAt"]) <= lm.clock.now()
        assert seconds(answer["Expiration"]) - seconds(answer["IssuedAt"]) == 3600
        assert lm.usage("ACME-1") == {"Seats": 1}

    @faked
    def test_an_emulator_starts_waits_and_stops_while_time_is_faked(self, fake, connect, take):
        with fake(), Emulator() as lm:
            one = lm.add_license("ONE", [("Seats", 1, "Count")])
            using = connect(url=lm.url)
            lm.faults.add("CheckoutLicense", latency=0.01)
            take(Seats=1, of=one, using=using)
            lm.wait_for_calls("CheckoutLicense", done=True)
            with pytest.raises(TimeoutError):
                lm.wait_for_calls("CheckoutLicense", 2, timeout=0.01)
