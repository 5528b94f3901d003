"""A random handful of the kill matrix (`python -m benchmarks.kill_matrix`), and what it makes of points and results."""

import random
from pathlib import Path

import pytest

from tests.kill.points import Point, points_of, recorded_points
from tests.kill.results import Results, chosen, table
from tests.kill.rig import KillLab, Result, carry_out

HANDFUL, KILLED = 6, ["runner at", "group at"]
PASSED = ["opening/before", "opening/dynamodb:TransactWriteItems#1/after-send", "fail-over/before", "fail-over/after"]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_random_handful_of_killed_drills_is_rescued_from_another_machine(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"python -m benchmarks.kill_matrix --only {' '.join(map(repr, KILLED))} --sample {HANDFUL} --seed {seed}")
    with KillLab(tmp_path / "lab") as lab:
        for number, point in enumerate(chosen(recorded_points(), KILLED, HANDFUL, seed)):
            result = carry_out(lab, point, tmp_path / f"drill-{number}")
            assert result.problems == [], point.name


def test_the_recorded_drill_has_two_hundred_points() -> None:
    names = [one.name for one in recorded_points()]
    assert len(names) == len(set(names)) >= 200
    assert {one.kind for one in recorded_points()} == {"runner", "group", "part", "lost-answer"}


def test_the_runner_dies_everywhere_and_each_answer_is_lost_once_and_always() -> None:
    points = points_of(PASSED)
    assert [one.at for one in points if one.kind == "runner"] == PASSED
    assert [one.at for one in points if one.kind == "group"] == ["fail-over/after"]
    assert {(one.what, one.calls) for one in points if one.kind == "lost-answer"} == {
        ("dynamodb:TransactWriteItems", 1),
        ("dynamodb:TransactWriteItems", 0),
    }
    assert {one.at for one in points if one.kind == "part"} == {"fail-over/after"}


def test_a_sample_is_the_same_for_the_same_seed_and_keeps_the_order() -> None:
    points = [Point("runner", f"step-{number}/before") for number in range(50)]
    few = chosen(points, ["step"], 5, 7)
    assert few == chosen(points, ["step"], 5, 7) != chosen(points, ["step"], 5, 8)
    assert few == sorted(few, key=points.index)
    assert chosen(points, ["step-3/"], 5, 7) == [points[3]]


def test_a_point_is_left_out_when_it_passed_on_this_commit(tmp_path: Path) -> None:
    passed, failed, early, never = (Point("runner", f"{step}/before") for step in "abcd")
    results = Results(tmp_path / "results.jsonl")
    results.add(Result(passed.name))
    results.add(Result(failed.name, ["it is dark"]))
    results.add(Result(early.name, is_reached=False))
    again = Results(tmp_path / "results.jsonl")
    assert [again.has_passed(one) for one in (passed, failed, early, never)] == [True, False, False, False]
    assert [again.was_reached(one) for one in (passed, failed, early, never)] == [True, True, False, False]
    again.last[passed.name]["commit"] = "another"
    assert not again.has_passed(passed)


def test_the_table_counts_what_was_run(tmp_path: Path) -> None:
    points = points_of(PASSED)
    results = Results(tmp_path / "results.jsonl")
    results.add(Result(points[0].name, states=["goal-serves"]))
    results.add(Result(points[1].name, ["all | dark"]))
    results.add(Result(points[2].name, is_reached=False))
    rows = table(points, results.last).splitlines()
    assert f"| runner | {len(PASSED)} | 3 | 1 | 1 | 1 |" in rows
    assert sum(row.startswith("| `runner at") for row in rows) == 3
    assert any("all \\| dark" in row and "| NO |" in row for row in rows)
