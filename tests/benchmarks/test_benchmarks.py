"""Every study runs, and prints what became of its goals. Counts hold here too; times are never judged."""

from __future__ import annotations

import builtins

import pytest

from benchmarks import __main__ as main
from benchmarks import fresh, page, table
from benchmarks.__main__ import STUDIES, study
from benchmarks.plan import Found, Goal, Row, Scale, Study

# A caller that the machine kept waiting looks like one that the service did.
TIMES = {"outage waits"}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_and_prints_its_goals(name, capsys):
    one = study(name)
    found = fresh.measure(one, Scale(quick=True), 1)
    table.show(one, found, "quick")
    words = set(capsys.readouterr().out.split())
    assert {goal.name for goal in one.goals} <= words
    assert words & {"met", "MISSED"}
    counts = {goal.figure: found.figures[goal.figure] for goal in one.goals if goal.is_count}
    wrong = [goal.figure for goal in one.goals if goal.is_count and not goal.is_met(counts[goal.figure])]
    assert set(wrong) <= TIMES, counts


GOAL = Goal("X1", "x floor", "thing/floor", 2.0)
EXAMPLE = Study(
    "example",
    "Things",
    (Row("thing", "a thing", goals=(GOAL,)), Row("floor", "the floor"), Row("gone", "an absent peer")),
    lambda _: Found(),
    base="floor",
)


@pytest.mark.parametrize(("ratio", "word"), [(1.5, "met by 25.0%"), (2.0, "met"), (3.0, "MISSED by 50.0%")])
def test_a_goal_is_judged_by_its_distance(ratio, word):
    assert table.verdict(GOAL, ratio) == word


def test_ratios_are_medians_over_processes_and_counts_the_worst_of_them():
    count = Goal("X2", "", "calls", 1, is_count=True)
    founds = [Found({"ratio": value, "calls": value}) for value in (1, 1, 9)]
    assert fresh.together(founds, [count]).figures == {"ratio": 1, "calls": 9}


def test_without_rich_the_table_is_plain(monkeypatch, capsys):
    real = builtins.__import__

    def without_rich(name, *rest):
        if name.startswith("rich"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    found = Found({"thing": 3.0, "floor": 1.0, "thing/floor": 3.0, "floor/floor": 1.0}, absent=["gone-peer"])
    table.show(EXAMPLE, found, "1 process")
    printed = capsys.readouterr().out
    assert "MISSED by 50.0%" in printed
    assert "an absent peer" not in printed
    assert "not installed, so not measured: gone-peer" in printed


def test_the_page_of_the_documentation_has_every_goal_of_today():
    shown = page.PAGE.read_text("utf-8")
    for name in STUDIES:
        one = study(name)
        now = [line for line in table.lines(one, Found()) if line.goal]
        assert len(now) == len(one.goals)
        assert [line for line in now if f"| {line.goal} | {line.limit.strip()} |" not in shown] == []


def test_a_page_shows_what_was_found():
    found = Found({"thing": 3.0, "floor": 1.0, "thing/floor": 1.5, "floor/floor": 1.0}, remarks=["Noisy."])
    told = "\n".join(page.text([(EXAMPLE, found, "5 fresh processes, 9 s")]))
    assert "| a thing | 3 ns | 1.5 | X1 | <= 2 x floor | 1.50 | met by 25.0% |" in told
    assert "1 of 1 goals met" in told
    assert "`example`: 5 fresh processes, 9 s." in told
    assert "Noisy." in told


def test_only_a_full_run_writes_the_page(monkeypatch, capsys):
    written = []
    monkeypatch.setattr(main, "run", lambda names, scale, processes: [(study("hot"), Found(), "")])
    monkeypatch.setattr(page, "write", written.append)
    assert main.main(["hot", "--page"]) == 0
    assert main.main(["--quick", "--page"]) == len(STUDIES) - 1
    assert written == []
    assert "left as it was" in capsys.readouterr().out
