"""Faults that meet only some requests: by chance that can be repeated, and by the emulator's clock."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

import pytest

from meterguard.emulator import Emulator

OPERATION = "CheckoutLicense"


@pytest.fixture
def fails(post):
    """``fails(count)``: whether each of so many requests meets a fault, in their order."""
    return lambda count=1: [post({})[0] == 503 for _ in range(count)]


class TestChance:
    def test_the_same_seed_hits_the_same_requests(self, lm, fails):
        runs = []
        for _ in range(2):
            with lm.faults.active(OPERATION, status=503, probability=0.5, seed=7):
                runs.append(fails(40))
        assert runs[0] == runs[1]
        assert 0 < sum(runs[0]) < 40

    def test_another_seed_hits_others(self, lm, fails):
        runs = []
        for seed in (7, 8):
            with lm.faults.active(OPERATION, status=503, probability=0.5, seed=seed):
                runs.append(fails(40))
        assert runs[0] != runs[1]

    def test_a_run_without_a_seed_can_be_repeated_all_the_same(self, lm, fails):
        with lm.faults.active(OPERATION, status=503, probability=0.5) as fault:
            first = fails(40)
        with lm.faults.active(OPERATION, status=503, probability=0.5, seed=fault.seed):
            assert fails(40) == first

    def test_requests_of_other_operations_do_not_disturb_the_sequence(self, lm, fails, post):
        def with_others(number):
            post({}, "ListLicenses")
            return fails()[0]

        with lm.faults.active(OPERATION, status=503, probability=0.5, seed=7):
            alone = fails(40)
        with lm.faults.active(OPERATION, status=503, probability=0.5, seed=7):
            assert [with_others(number) for number in range(40)] == alone

    def test_times_counts_only_those_that_were_hit(self, lm, fails):
        fault = lm.faults.add(OPERATION, status=503, probability=0.5, seed=7, times=3)
        hit = fails(40)
        assert (sum(hit), fault.used) == (3, 3)

    def test_always_is_always_and_needs_no_seed(self, lm, fails):
        with lm.faults.active(OPERATION, status=503) as fault:
            assert (fails(20), fault.seed) == ([True] * 20, None)

    def test_one_that_was_spared_may_meet_the_next_fault(self, lm, post):
        lm.faults.add(OPERATION, status=503, probability=0.5, seed=7, times=None)
        lm.faults.add(OPERATION, status=502, times=None)
        assert {post({})[0] for _ in range(40)} == {502, 503}


class TestSchedule:
    @pytest.mark.parametrize(("after", "until"), [(60, 180), (timedelta(minutes=1), timedelta(minutes=3))])
    def test_it_begins_and_ends_by_the_emulators_clock(self, lm, fails, after, until):
        lm.clock.freeze()
        lm.faults.add(OPERATION, status=503, times=None, after=after, until=until)
        seen = []
        for _ in range(5):
            seen += fails()
            lm.clock.advance(59.5)
        assert seen == [False, False, True, True, False]

    def test_the_edges_are_the_first_moment_in_and_the_first_moment_out(self, lm, fails):
        lm.clock.freeze("2026-03-01T12:00:00Z")
        lm.faults.add(OPERATION, status=503, times=None, after=60, until=120)
        found = {}
        for second in ("12:00:59", "12:01:00", "12:01:59", "12:02:00"):
            lm.clock.set(f"2026-03-01T{second}Z")
            found[second] = fails()[0]
        assert found == {"12:00:59": False, "12:01:00": True, "12:01:59": True, "12:02:00": False}

    def test_it_is_counted_from_when_the_fault_was_added(self, lm, fails):
        lm.clock.freeze()
        lm.clock.advance(timedelta(days=365))
        lm.faults.add(OPERATION, status=503, times=None, until=60)
        assert fails() == [True]
        lm.clock.advance(60)
        assert fails() == [False]

    def test_while_it_has_not_begun_other_faults_strike(self, lm, post):
        lm.clock.freeze()
        lm.faults.add(OPERATION, status=503, after=60)
        lm.faults.add(OPERATION, status=502)
        assert [post({})[0], post({})[0]] == [502, 400]
        lm.clock.advance(60)
        assert [post({})[0], post({})[0]] == [503, 400]

    def test_an_outage_can_have_a_schedule(self, lm, fails):
        lm.clock.freeze()
        lm.down(status=503, after=3600, until=7200)
        seen = fails()
        for _ in range(2):
            lm.clock.advance(3600)
            seen += fails()
        assert seen == [False, True, False]

    def test_a_seed_file_can_order_both(self, tmp_path, lm):
        file = tmp_path / "seed.toml"
        terms = "status = 503\nprobability = 0.5\nseed = 7\nafter = 60\nuntil = 120\n"
        file.write_text(f'[[faults]]\noperation = "*"\n{terms}')
        (fault,) = Emulator(seed=file).faults
        assert (fault.probability, fault.seed, fault.after, fault.until) == (0.5, 7, 60, 120)


NONSENSE = [
    ("probability", 0),
    ("probability", 1.5),
    ("probability", True),
    ("probability", "half"),
    ("probability", float("nan")),
    ("seed", "seven"),
    ("seed", 1.5),
    ("after", -1),
    ("after", "12:00"),
    ("after", timedelta(seconds=-1)),
    ("until", float("inf")),
    ("until", 0),
    ("error", ""),
    ("error", "Two\nLines"),
    ("message", 7),
    ("status", "500"),
    ("status", True),
    ("location", "eu-west-1\r\nSet-Cookie: a=b"),
    ("headers", [("A", "b")]),
    ("headers", {"A b": "c"}),
    ("headers", {"A": "b\r\nc: d"}),
    ("headers", {"A": "\u20ac"}),
    ("latency", "1"),
    ("hold", 1),
    ("drop", ["before"]),
    ("body", 7),
    ("partial", 7),
    ("partial", {"Seats": -1}),
    ("partial", {"Seats": "1"}),
    ("strip", 7),
    ("strip", [7]),
    ("skew", None),
    ("lifetime", []),
    ("tamper", "forge"),
    ("claims", None),
    ("claims", {"nodeId": {1}}),
    ("claims", {7: "node"}),
    ("applied", "yes"),
    ("times", 1.5),
    ("skip", -1),
    ("when", "always"),
]


@pytest.mark.parametrize(("name", "value"), NONSENSE)
def test_what_makes_no_sense_is_refused_by_name(lm, name, value):
    with pytest.raises(ValueError, match=rf"^{name}: "):
        lm.faults.add(OPERATION, **{name: value})
    with pytest.raises(ValueError, match=rf"^{name}: "):
        lm.down(**{name: value})
    assert len(lm.faults) == 0


def test_an_end_before_its_begin_is_refused(lm):
    with pytest.raises(ValueError, match=r"^until: 60 is not later than after, 60$"):
        lm.faults.add(OPERATION, status=503, after=60, until=60)


def test_a_status_may_be_said_by_name(lm, fails):
    lm.faults.add(OPERATION, status=HTTPStatus.SERVICE_UNAVAILABLE)
    assert fails() == [True]


def test_an_unknown_option_of_an_outage_is_refused_with_the_known_ones(lm, post):
    with pytest.raises(TypeError, match=r"latancy.*latency"):
        lm.down(latancy=1)
    assert post({})[0] == 400
