"""Runs side by side and over time: which are chosen or left out, what flipped; and that strange ones are safe."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.analysis.compared_run import compared_run
from chaosdrill.analysis.comparison import comparison
from chaosdrill.analysis.gate import CANNOT_TELL
from chaosdrill.analysis.groups import groups
from chaosdrill.analysis.many_runs import many_runs
from chaosdrill.analysis.trend import trend
from chaosdrill.cli import cli
from chaosdrill.paths import RUNS_VARIABLE
from tests.compared_runs import figure, judgement, movement, probe, said, write_run
from tests.further import examples
from tests.unit.test_runs_import import EXPERIMENT, run_by_chaos_toolkit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def run_id(day: int, experiment: str = "failover") -> str:
    return f"202605{day:02}T020000Z-{experiment}-{day:04x}"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    return tmp_path


def chaosdrill(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def compare(*arguments: str) -> Any:
    done = chaosdrill("compare", *arguments, "--json")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return json.loads(done.stdout)


# Side by side -------------------------------------------------------------------------------------------------------


def test_what_flipped_is_told_against_the_run_before_that_read_it() -> None:
    read: list[dict[str, Any]] = [
        {"hypothesis": [probe(during=[0, 0, 3])]},
        {"hypothesis": [probe(after=3)]},
        {"hypothesis": []},
        {"hypothesis": [probe(after=3)]},
        {"hypothesis": [probe(during=[0])]},
    ]
    known = [compared_run(run_id(day), said(run_id(day), **more)) for day, more in enumerate(read, 1)]
    found = many_runs(reversed(known))
    assert [run.run for run in found.runs] == [run_id(day) for day in range(1, 6)]
    assert {one.when: one.flips for one in found.checks} == {"before": (), "during": (), "after": (1, 4)}
    shares = [one and one.value for one in found.measured["hypothesis.locust_failures.met_ratio"]]
    assert shares == [pytest.approx(2 / 3, abs=0.4), None, None, None, 1.0]
    told = found.as_json()["hypothesis"]
    assert [one["flipped"] for one in told] == [[], [], [run_id(2), run_id(5)]]
    assert told[1]["runs"][run_id(2)] == {"state": "not read", "readings": []}


def test_runs_that_are_unlike_the_newest_or_prove_nothing_are_left_out_by_name(runs: Path) -> None:
    write_run(runs, run_id(1))
    write_run(runs, run_id(2), scale=1)
    write_run(runs, run_id(3), verdict="invalid")
    write_run(runs, run_id(4), broken=["two-writers"])
    write_run(runs, run_id(5), target="aws")
    write_run(runs, run_id(6, "failback"))
    write_run(runs, run_id(7), version=99)
    (write_run(runs, run_id(8)) / "summary.json").unlink()
    write_run(runs, run_id(9), verdict="failed")
    found = compare(*(path.name for path in sorted(runs.iterdir()) if path.is_dir()))
    assert [one["run"] for one in found["runs"]] == [run_id(1), run_id(9)]
    why = {one["run"][:8]: one["why"] for one in found["left_out"]}
    assert set(why) == {f"2026050{day}" for day in range(2, 9)}
    named = {
        "20260502": [" scale ", " 1,", run_id(9), " 0.2"],
        "20260503": [" verdict ", " invalid"],
        "20260504": [" two-writers"],
        "20260505": [" target ", " aws,", run_id(9), " lab"],
        "20260506": [" experiment ", " failback,", run_id(9), " failover"],
        "20260507": [" summary ", " 99,"],
        "20260508": [" summary", "`chaosdrill runs judge`"],
    }
    assert {day: [one for one in words if one not in why[day]] for day, words in named.items()} == {
        day: [] for day in named
    }


def test_nothing_to_compare_exits_with_2(runs: Path) -> None:
    assert chaosdrill("compare", "--last", "5").exit_code == 2
    write_run(runs, run_id(1))
    done = chaosdrill("compare", "--last", "5")
    assert (done.exit_code, "[runs-too-few]" in done.output) == (2, True)
    write_run(runs, run_id(2), verdict="refused")
    done = chaosdrill("compare", "--last", "5")
    assert (done.exit_code, "[runs-too-few]" in done.output, run_id(2) in done.output) == (2, True, True)
    assert " refused" in done.output
    write_run(runs, run_id(3))
    assert chaosdrill("compare", "--last", "5").exit_code == 0


def test_imported_journals_are_compared_as_far_as_they_go(runs: Path) -> None:
    """Of a journal nobody knows the target, nor anything but hypothesis and duration."""
    write_run(runs, run_id(1))
    imported = {"source": "imported", "target": "", "scale": None, "judgement": None, "seconds": 90.0}
    write_run(runs, run_id(2), **imported, hypothesis=[probe(after=4)])
    done = chaosdrill("compare", run_id(1), run_id(2))
    assert done.exit_code == 0, done.output
    for words in ("flipped", "duration_s", "-13.2 s ± 0.2 s (-13%)"):
        assert words in done.output, words
    found = compare(run_id(1), run_id(2))
    assert [one["when"] for one in found["hypothesis"] if one["flipped"]] == ["after"]
    changed = {one["name"] for one in found["measured"] if one["change"] is not None}
    assert {name for name in changed if not name.startswith("hypothesis.")} == {"duration_s"}
    write_run(runs, run_id(3), **imported, experiment="other")
    assert compare(run_id(2), run_id(3))["why_not"] != []


# Which runs are meant -----------------------------------------------------------------------------------------------


def store_of(runs: Path) -> None:
    for day in range(1, 10):
        verdict = {3: "invalid", 7: "failed"}.get(day, "passed")
        write_run(runs, run_id(day), ["old"] if day < 5 else ["new", "all"], verdict=verdict)
    write_run(runs, run_id(10, "failback"))
    write_run(runs, run_id(11, "failback"))


def test_the_newest_are_those_of_the_newest_run_s_experiment_or_of_the_one_named(runs: Path) -> None:
    store_of(runs)
    assert [one["run"] for one in compare("--last", "9")["runs"]] == [run_id(10, "failback"), run_id(11, "failback")]
    found = compare("--last", "7", "--experiment", "failover")
    assert [one["run"][6:8] for one in found["runs"]] == ["02", "04", "05", "06", "07", "08", "09"]
    assert [(one["run"], one["why"].rpartition(" ")[2]) for one in found["left_out"]] == [(run_id(3), "invalid")]
    done = chaosdrill("compare", "--last", "3", "--experiment", "nothing")
    assert (done.exit_code, "failback, failover [run-missing]" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("named", "days"),
    [
        (["tag:new"], "56789"),
        (["2026-05-02..2026-05-04"], "24"),
        (["2026-05-02", "20260504"], "24"),
        (["passed:3"], "456"),
        (["passed"], "6"),
        (["tag:old", run_id(1)], "124"),
    ],
)
def test_runs_are_named_by_id_tag_days_or_as_those_that_passed_before(runs: Path, named: list[str], days: str) -> None:
    store_of(runs)
    options = [part for one in named for part in ("--baseline", one)]
    found = compare(*options, "--candidate", "20260508", "--candidate", "20260507")
    wanted = [run_id(int(day)) for day in days if day not in "78"]
    assert found["baseline"] == wanted
    assert found["candidate"] == [run_id(7), run_id(8)]


def test_everything_that_names_no_run_is_said_at_once(runs: Path) -> None:
    store_of(runs)
    done = chaosdrill("compare", "--baseline", "tag:x", "--baseline", "2020-01-01", "--baseline", "nobody")
    assert done.exit_code == 2
    missing = [line for line in done.output.splitlines() if line.endswith("[run-missing]")]
    for line, named in zip(missing, ("'x'", " 2020-01-01 ", "'nobody'"), strict=True):
        assert named in line
    for wrong in (("--last", "3", run_id(1)), ("--experiment", "x"), (run_id(1), "--baseline", run_id(2)), ()):
        assert chaosdrill("compare", *wrong).exit_code == 2
    three = chaosdrill("compare", run_id(1), run_id(2), run_id(4), "--gate", "error_s < 1")
    assert [one in three.output for one in ("--baseline", "--candidate", "[options-invalid]")] == [True] * 3


def test_people_see_groups_with_what_can_be_claimed(runs: Path) -> None:
    for day in range(1, 21):
        more = judgement(9.3 + day % 3 / 10 + (5 if day > 10 else 0), error_s=figure(33.0 + day % 4, about=0.0))
        write_run(runs, run_id(day), ["b" if day > 10 else "a"], judgement=more)
    done = chaosdrill("compare", "--baseline", "tag:a", "--candidate", "tag:b")
    assert done.exit_code == 0
    words = (
        "worse: p",
        "+5.0 s ± 0.8 s",
        "large (+1.00)",
        "no difference seen: such",
        "the same in all runs: lost_writes",
    )
    assert [word for word in words if word not in " ".join(done.output.split())] == []
    assert chaosdrill("compare", "--baseline", "tag:a", "--candidate", "20260511").exit_code == 0


# Over time ----------------------------------------------------------------------------------------------------------


def test_phases_are_stacked_and_objectives_are_lines(runs: Path) -> None:
    longer = movement(database_switched=2.0, flag_opened=-3.0)
    known = [
        compared_run(run_id(1), said(run_id(1))),
        compared_run(run_id(2), said(run_id(2), judgement={**judgement(), "movements": [longer]}, objectives={})),
        compared_run(run_id(3), said(run_id(3), verdict="invalid")),
    ]
    found = trend(known)
    assert [point.run for point in found.points] == [run_id(1), run_id(2)]
    assert found.objectives == {"rto_s": (15.0, None), "database-switched": (3.0, None), "rpo_writes": (0.0, None)}
    parts = {part.name: part.seconds for part in found.points[1].stacks["fail-over"]}
    assert parts == {
        "flag-closed": 0.2, "routing-switched": 2.0, "database-switched": 2.8, "flag-opened": 0.0,
        "first-good-answer": 6.5, "sustained": 0.1,
    }  # fmt: skip
    assert found.points[0].recovery is not None
    assert found.points[0].recovery.value == 9.3
    json.dumps(found.as_json())


def reached(run: dict[str, Any], *before: dict[str, Any]) -> dict[str, Any]:
    """What the last of some runs reached of each objective: by movement the value, and whether it was met."""
    known = [compared_run(run_id(day), one) for day, one in enumerate([*before, run], 1)]
    aims = trend(known).aims
    return {aim.name: {one.of: (one.measured.value, one.met) for one in aim.reached[-1]} for aim in aims}


def test_each_run_is_held_against_its_own_objectives() -> None:
    objectives = {"rto_s": 9.2, "rpo_writes": 0, "rpo_s": 1.0, "availability_ratio": 0.85,
                  "budgets": {"database-switched": 1.0, "dns-changed": 8.5, "noticed": 0.5}}  # fmt: skip
    told = judgement(9.3, lost_s_after_failover=figure(2.0), lost_writes_after_failback=figure(None, "writes", None))
    moved = [movement(), movement("fail-back", database_switched=0.3)]
    run = said(run_id(2), judgement={**told, "movements": moved}, objectives=objectives)
    assert reached(run, said(run_id(1), objectives={"rto_s": 60.0})) == {
        "rto_s": {"fail-over": (9.3, False), "fail-back": (9.1, True)},
        "noticed": {"fail-over": (1.0, False), "fail-back": (1.0, False)},
        "database-switched": {"fail-over": (0.8, True), "fail-back": (1.1, False)},
        "dns-changed": {"fail-over": (8.5, True), "fail-back": (8.5, True)},
        "availability_ratio": {"": (0.842, False)},
        "rpo_writes": {"": (None, None)},
        "rpo_s": {"": (2.0, False)},
    }  # fmt: skip


def test_what_is_not_known_is_neither_met_nor_missed() -> None:
    elsewhere = movement()  # the routing was not seen, so the database's time is counted from what was before it
    database = next(phase for phase in elsewhere["phases"] if phase["name"] == "database-switched")
    database.update(since="flag-closed", seconds=9.0)
    open_end = {**figure(3.0), "at_least": True}
    told = judgement(None, recovery_fail_back_s=open_end)
    found = reached(said(run_id(1), judgement={**told, "movements": [elsewhere]}))
    assert found["rto_s"] == {"fail-over": (None, None), "fail-back": (3.0, None)}
    assert found["database-switched"] == {"fail-over": (9.0, None)}
    nothing = reached(said(run_id(1), judgement={}, objectives={"rto_s": "60", "budgets": [1], "rpo_s": 2}))
    assert nothing == {"rpo_s": {}}


def test_the_recovery_of_a_run_that_moved_nothing_is_held_against_its_objective_too() -> None:
    told = {"figures": {"recovery_s": figure(20.0)}}
    assert reached(said(run_id(1), judgement=told, objectives={"rto_s": 15.0})) == {"rto_s": {"": (20.0, False)}}


def test_people_see_what_was_reached_of_each_objective_and_what_is_beyond_it(runs: Path) -> None:
    budgets = {"database-switched": 2.0}
    write_run(runs, run_id(1), objectives={"budgets": budgets, "availability_ratio": 0.8})
    slow = {**judgement(availability=figure(0.7, "ratio", 0.0)), "movements": [movement(database_switched=4.0)]}
    write_run(runs, run_id(2), judgement=slow, objectives={"budgets": {**budgets, "sustained": 1.0},
                                                           "availability_ratio": 0.75})  # fmt: skip
    lines = [" ".join(line.replace("│", "").split()) for line in chaosdrill("trend").output.splitlines()]
    assert "2026-05-01 02:00 fail-over 0.80 s ± 0.02 s 0.10 s ± 0.02 s 0.842" in lines
    assert "2026-05-02 02:00 fail-over 4.80 s ± 0.02 s ! 0.10 s ± 0.02 s 0.7 !" in lines
    assert "objective availability_ratio: 0.8, then 0.75" in lines
    found = json.loads(chaosdrill("trend", "--json").stdout)
    assert found["objectives"]["sustained"] == [None, 1.0]
    assert [one["met"] for run in found["runs"] for one in run["reached"]["database-switched"]] == [True, False]


def test_people_see_a_bar_of_phases_for_each_run(runs: Path) -> None:
    write_run(runs, run_id(1))
    write_run(runs, run_id(2), judgement=judgement(16.0))
    write_run(runs, run_id(3), judgement={})
    done = chaosdrill("trend")
    assert done.exit_code == 0
    for words in ("16.0 s ± 0.4 s !", "9.3 s ± 0.4 s ", "C", "A█████", " rto_s: 15 s"):
        assert words in done.output, words
    told = json.loads(chaosdrill("trend", "--json").stdout)
    assert (told["kind"], len(told["runs"])) == ("trend", 3)
    assert chaosdrill("trend", "--experiment", "x").exit_code == 2


# Strange ones -------------------------------------------------------------------------------------------------------

HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "[bold]x[/bold]",
    "<script>alert(1)</script>",
    "a\nb\r\x9b2J",
    "../../x",
    "\u202e",
]


def test_hostile_names_and_values_command_no_terminal(runs: Path) -> None:
    for day, text in enumerate(HOSTILE * 2, 1):
        bad = judgement(9.0 + day, **{text: figure(1.0 * day), "error_s": figure(1.0, text)})
        moved = {**movement(), "what": text}
        write_run(
            runs, run_id(day), ["t"], title=text, hypothesis=[probe(text, text, text, [text, 5], text)],
            circumstances={text: f"{text}{day}"}, judgement={**bad, "movements": [moved, movement()]},
            objectives={"budgets": {text: 5, "sustained": text}},
        )  # fmt: skip
    write_run(runs, run_id(20), target="\x1b[31m", broken=["\x1b[31m"])
    write_run(runs, run_id(21), target="\x1b[31m", verdict="failed")
    for arguments in (
        ("compare", run_id(1), run_id(2)), ("compare", run_id(1), run_id(21)), ("compare", "--last", "20"),
        ("compare", *map(run_id, range(1, 13))), ("compare", run_id(1), run_id(20)), ("trend",),
        ("compare", "--baseline", "2026-05-01..2026-05-05", "--candidate", "2026-05-06..2026-05-12", "--all"),
        ("compare", run_id(1), run_id(2), "--gate", "error_s < 5"), ("compare", "\x1b[31m", "tag:\x1b[31m"),
        ("compare", run_id(1), run_id(2), "--gate", "\x1b[31m"),
    ):  # fmt: skip
        done = chaosdrill(*arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
        assert [one for one in done.output if not one.isprintable() and one != "\n"] == [], arguments


ODD = JSON | st.sampled_from([1e308, -1e308, 1 << 2000, -0.0, float("nan"), float("inf"), "", True, [], {}])


@st.composite
def strange(draw: st.DrawFn) -> dict[str, Any]:
    """A summary with some of its parts exchanged for anything."""
    made = json.loads(json.dumps(said(run_id(9), hypothesis=[probe(during=[0, 0, 3, 0])])))
    for _ in range(draw(st.integers(1, 4))):
        place: Any = made
        while True:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], (dict, list)) or not place[key] or draw(st.integers(0, 5)) == 0:
                break
            place = place[key]
        place[key] = draw(ODD)
    return made


@pytest.mark.long
@examples(200)
@given(st.lists(strange(), min_size=1, max_size=5))
def test_any_json_as_a_summary_is_read_and_compared(written: list[dict[str, Any]]) -> None:
    known = [compared_run(run_id(day), one) for day, one in enumerate(written, 1)]
    made: list[Callable[[], Any]] = [
        lambda: many_runs(known), lambda: trend(known), lambda: groups(known[:1], known[1:]),
        lambda: comparison(known[0], known[-1]),
    ]  # fmt: skip
    for make in made:
        json.dumps(make().as_json())


@pytest.mark.long
@examples(40)
@given(strange(), st.sampled_from(["error_s", "recovery_time_s", "fail_over.sustained_s", "verdict"]))
def test_any_json_as_a_summary_is_shown(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, Any], name: str
) -> None:
    directory = tmp_path_factory.mktemp("runs")
    write_run(directory, run_id(1))
    (write_run(directory, run_id(2)) / "summary.json").write_text(json.dumps(one))
    runner = CliRunner(env={RUNS_VARIABLE: str(directory)})
    gate = f"{name} == passed" if name == "verdict" else f"{name}.change < 1"
    for arguments in (
        ("compare", run_id(1), run_id(2)), ("compare", "--last", "2", "--json"), ("compare", "--last", "2"), ("trend",),
        ("compare", "--gate", gate), ("compare", run_id(1), run_id(2), "--json"),
    ):  # fmt: skip
        done = runner.invoke(cli, [*arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code in (0, 1, 2)
        if "--json" in arguments and done.exit_code == 0:
            json.loads(done.stdout, parse_constant=pytest.fail)


WITHOUT = """import sys
sys.modules["scipy"] = None
from chaosdrill.cli import main
main()
"""


@pytest.mark.long
def test_without_scipy_groups_say_how_to_install_it_and_everything_else_works(runs: Path) -> None:
    for day in (1, 2, 3):
        write_run(runs, run_id(day))

    def without(*arguments: str) -> Any:
        return subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True)

    done = without("compare", "--baseline", run_id(1), "--baseline", run_id(2), "--candidate", run_id(3))
    assert (done.returncode, "'scipy>=" in done.stderr) == (2, True), done.stderr
    for arguments in (
        ("compare", "--last", "3"),
        ("compare", run_id(1)),
        ("compare", "--gate", "error_s < 99"),
        ("trend",),
    ):
        done = without(*arguments)
        assert done.returncode == 0, done.stderr


def test_real_journals_of_plain_chaos_toolkit_are_imported_and_compared(runs: Path, tmp_path_factory: Any) -> None:
    directory = tmp_path_factory.mktemp("plain")
    journal = run_by_chaos_toolkit(directory, EXPERIMENT)
    later = json.loads(json.dumps(journal).replace(journal["start"], "2099-05-01T09:30:00.000000"))
    later["end"] = "2099-05-01T09:31:00.000000"
    later["steady_states"]["after"]["probes"][0].update(output="c", tolerance_met=False)
    later["steady_states"]["after"]["steady_state_met"] = False
    later.update(deviated=True, duration=60.0)
    for name, one in (("first.json", journal), ("second.json", later)):
        (directory / name).write_text(json.dumps(one))
        assert chaosdrill("runs", "import", str(directory / name)).exit_code == 0
    found = compare("--last", "2")
    assert [one["verdict"] for one in found["runs"]] == ["passed", "failed"]
    assert [one["flipped"] for one in found["hypothesis"]] == [[], [found["runs"][1]["run"]]]
    took = [one["value"] for one in found["measured"]["duration_s"].values()]
    assert took == [pytest.approx(journal["duration"], abs=0.2), 60.0]
    others = {name: values for name, values in found["measured"].items() if name != "duration_s"}
    assert {one and one["value"] for values in others.values() for one in values.values()} <= {None}
    done = chaosdrill("compare", *(one["run"] for one in found["runs"]), "--gate", "recovery_time_s < 5")
    assert (done.exit_code, done.output.splitlines()[-1]) == (2, f"gate: {CANNOT_TELL}")
    assert chaosdrill("compare", "--gate", "duration_s < 600", "--gate", "verdict == failed").exit_code == 0
