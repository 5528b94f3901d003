"""Gates: what they mean, what they refuse, and that nobody can tell what was not measured well enough."""

import json
import operator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from chaosdrill.analysis.compared_figures import KNOWN
from chaosdrill.analysis.gate import BROKEN, CANNOT_TELL, HELD, Figures, judged
from chaosdrill.analysis.gate_language import comparisons, parsed
from chaosdrill.analysis.gate_problems import problems_of
from chaosdrill.analysis.measurement import Measured
from chaosdrill.cli import cli
from chaosdrill.errors import BadInput, codes_of
from chaosdrill.paths import RUNS_VARIABLE
from tests.compared_runs import figure, judgement, write_run
from tests.failing import fails_with
from tests.further import examples

FIRST, SECOND, THIRD = (f"2026050{day}T020000Z-failover-000{day}" for day in (1, 2, 3))


def s(value: float | None, about: float | None = 0.0, resolution: float = 0.1, **more: Any) -> Measured:
    return Measured(value, "s", "a test", resolution, about, **more)


def side(verdict: str = "passed", why_not: str = "", **figures: Measured) -> Figures:
    return Figures({name.replace("__", "."): one for name, one in figures.items()}, verdict, why_not)


BEFORE = side(recovery_time_s=s(100), lost_writes=Measured(0.0, "writes", "", 1.0, 0.0), error_s=s(10, 1, 1))
AFTER = side(
    recovery_time_s=s(110), lost_writes=Measured(2.0, "writes", "", 1.0, 0.0), error_s=s(12, 1, 1),
    availability_ratio=Measured(0.99, "ratio", "", 0.001, 0.0), unavailable_s=s(5, at_least=True),
    degraded_s=s(None, why="no beats"), client_outage_s=s(5, None), fail_over__sustained_s=s(0.05),
)  # fmt: skip


def answer(text: str, after: Figures = AFTER, before: Figures = BEFORE) -> str:
    gate = parsed(text)
    assert problems_of([gate], (after.measured, before.measured)) == []
    return judged(gate, after, before)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recovery_time_s <= 110", HELD),
        ("recovery_time_s < 110", BROKEN),
        ("110 >= recovery_time_s", HELD),
        ("recovery_time_s == 110.0", HELD),
        ("recovery_time_s != 110", BROKEN),
        ("recovery_time_s <= 110000 ms", HELD),
        ("recovery_time_s <= 110s", HELD),
        ("recovery_time_s.change <= 10%", HELD),  # though 110 / 100 - 1 is a little more than 0.1 in a computer
        ("recovery_time_s.change < 10%", BROKEN),
        ("recovery_time_s.change <= 9 s", BROKEN),
        ("recovery_time_s.change >= -5%", HELD),
        ("recovery_time_s.before == 100", HELD),
        ("recovery_time_s > recovery_time_s.before", HELD),
        ("lost_writes.change <= 1000%", BROKEN),  # from nothing to two
        ("lost_writes <= lost_writes.before", BROKEN),
        ("availability_ratio >= 99%", HELD),
        ("availability_ratio >= 0.999", BROKEN),
        ("fail_over.sustained_s < 1", HELD),
        ("verdict == passed", HELD),
        ("verdict != 'failed'", HELD),
        ('verdict == "failed"', BROKEN),
        ("verdict == verdict.before", HELD),
        ("not recovery_time_s < 110", HELD),
        ("recovery_time_s < 1 or lost_writes < 5 and error_s > 1", HELD),
        ("(recovery_time_s < 1 or lost_writes < 5) and error_s > 100", BROKEN),
        ("not (recovery_time_s < 1) and not not lost_writes < 5", HELD),
    ],
)
def test_what_is_known_exactly_is_held_or_broken(text: str, expected: str) -> None:
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("error_s <= 13", HELD),  # 12 ± 1
        ("error_s <= 12.5", CANNOT_TELL),
        ("error_s <= 10.9", BROKEN),
        ("error_s < 13", CANNOT_TELL),
        ("error_s == 12", CANNOT_TELL),
        ("error_s != 14", HELD),
        ("error_s.change <= 4", HELD),  # +2 ± 2
        ("error_s.change <= 3", CANNOT_TELL),
        ("error_s.change <= 0", CANNOT_TELL),
        ("error_s.change < 0", BROKEN),
        ("error_s.change <= 45%", HELD),  # from 9 to 13 at most
        ("error_s.change <= 44%", CANNOT_TELL),
        ("unavailable_s >= 5", HELD),  # at least 5 s
        ("unavailable_s <= 4", BROKEN),
        ("unavailable_s <= 600", CANNOT_TELL),
        ("degraded_s <= 5", CANNOT_TELL),
        ("client_outage_s <= 600", CANNOT_TELL),
        ("availability_ratio.change > -5%", CANNOT_TELL),  # it was not measured before
    ],
)
def test_what_is_uncertain_is_decided_only_when_it_holds_wherever_the_figure_may_be(text: str, expected: str) -> None:
    assert answer(text) == expected


def test_what_cannot_be_told_decides_nothing_unless_the_rest_does() -> None:
    assert answer("degraded_s < 5 and recovery_time_s < 1") == BROKEN
    assert answer("degraded_s < 5 or recovery_time_s < 200") == HELD
    assert answer("degraded_s < 5 and recovery_time_s < 200") == CANNOT_TELL
    assert answer("not degraded_s < 5") == CANNOT_TELL


def test_a_difference_smaller_than_the_resolution_is_none() -> None:
    before, after = side(error_s=s(10, 0, 1.0)), side(error_s=s(10.4, 0, 1.0))
    assert answer("error_s.change <= 0", after, before) == HELD
    assert answer("error_s.change <= 0%", after, before) == HELD
    assert answer("error_s.change <= 0", side(error_s=s(11, 0, 1.0)), before) == BROKEN


def test_a_share_of_nothing() -> None:
    none, some = side(error_s=s(0)), side(error_s=s(3))
    assert answer("error_s.change <= 10%", none, none) == HELD
    assert answer("error_s.change <= 10%", some, none) == BROKEN
    assert answer("error_s.change <= 10%", none, some) == HELD
    assert answer("error_s.change <= 10%", some, side(error_s=s(0.1, 0.2))) == CANNOT_TELL


def test_figures_that_prove_nothing_cannot_be_told_but_the_verdict_can() -> None:
    invalid = side("invalid", "x: its verdict is invalid", recovery_time_s=s(1))
    assert answer("recovery_time_s < 5", invalid) == CANNOT_TELL
    assert answer("verdict == passed and recovery_time_s < 5", invalid) == BROKEN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", " 1 "),
        ("a <", " 4 "),
        ("a", "<= >= == != < >"),
        ("1 < a < 2", " 7 "),
        ("(a < 1", "`)`"),
        ("a < 1)", "`)`"),
        ("a = 1", " 3 "),
        ("__import__('os').system('x') < 1", "`(`"),
        ("a < 1e999", "1e999"),
        ("(" * 99 + "a < 1", " 30 "),
        ("not " * 99 + "a < 1", " 30 "),
        ("a<1 or " * 999, " 2000 "),
    ],
)
def test_what_is_no_gate_says_where(text: str, value: str) -> None:
    with fails_with("gate-invalid") as refused:
        parsed(text)
    assert value in str(refused.value)


def test_everything_that_is_wrong_with_names_and_units_is_said_at_once() -> None:
    text = "recovry_time_s < 5 and lost_writes < 5 s or verdict < passed and verdict == 3 and error_s < 5%"
    more = "error_s > passed or verdict.change == passed or lost_writes > error_s or 1 < 2 or verdict == 'fine'"
    found = problems_of([parsed(text), parsed(more)], (AFTER.measured, BEFORE.measured))
    about = {one.split("`")[1]: code for one, code in zip(found, codes_of(found), strict=True) if "`" in one}
    unknown, different = "gate-figure-unknown", "gate-not-comparable"
    assert about == {
        "recovry_time_s < 5": unknown, "lost_writes < 5 s": different, "verdict < passed": different,
        "verdict == 3": different, "error_s < 5%": different, "error_s > passed": different,
        "verdict.change == passed": different, "lost_writes > error_s": different, "1 < 2": different,
        "verdict == fine": different,
    }  # fmt: skip
    (misspelt,) = [one for one in found if "`recovry_time_s < 5`" in one]
    assert misspelt.endswith(" recovery_time_s?")
    assert codes_of(found[-1:]) == [unknown]
    assert found[-1].endswith(", ".join(dict.fromkeys(["verdict", *KNOWN, *AFTER.measured, *BEFORE.measured])))
    assert problems_of([parsed("recovery_time_s.change < 5%")], ({}, {})) == []


@pytest.mark.parametrize(
    ("text", "figure", "units"),
    [
        ("lost_writes < 5 s", "lost_writes", [" writes:", " s"]),
        ("lost_writes.change < 5 s", "lost_writes.change", [" writes:", " s"]),
        ("lost_writes < lost_writes.before", "", []),
        ("5 s > lost_writes", "lost_writes", [" writes:", " s"]),
        ("error_s < 5%", "error_s", [" %"]),
        ("error_s.change < 5%", "", []),
        ("error_s < 5 s", "", []),
        ("availability_ratio > 99%", "", []),
        ("availability_ratio > 5 s", "availability_ratio", [" ratio:", " s"]),
        ("lost_writes < 5", "", []),
    ],
)
def test_a_unit_that_does_not_fit_is_told_with_the_figure_that_it_stands_beside(
    text: str, figure: str, units: list[str]
) -> None:
    found = problems_of([parsed(text)], (AFTER.measured, BEFORE.measured))
    assert codes_of(found) == (["gate-not-comparable"] if figure else [])
    for one in found:
        assert one.startswith(f"gate: `{text}`: {figure} ")
        assert all(unit in one.partition(f": {figure} ")[2] for unit in units)
        assert one.endswith(units[-1])


def test_names_that_depend_on_the_run_are_refused_only_beside_others_of_their_kind() -> None:
    gate = [parsed("latency.read.during.p95_s < 5 and hypothesis.load.met_ratio > 50%")]
    assert problems_of(gate, ({}, {})) == []
    others = {"latency.write.during.p95_s": s(1.0), "hypothesis.x.met_ratio": s(1.0)}
    assert len(problems_of(gate, (others, {}))) == 3
    assert problems_of([parsed("latency.read.durin.p95_s < 5")], ({}, {})) != []


OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
             "!=": operator.ne}  # fmt: skip
WORDS = st.sampled_from(
    [*"()<>%.", "<=", "==", "!=", "and", "or", "not", "verdict", "passed", "recovery_time_s", "lost_writes", ".change",
     ".before", "error_s", "1", "-2.5e3", "10%", "5 s", "7ms", "'x'", "é", "\x00", "\x1b[31m", "eval", "__class__"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40))
@example("recovery_time_s.change <= 10%")
def test_any_text_is_a_gate_or_refused_and_never_anything_else(text: str) -> None:
    try:
        gate = parsed(text)
    except BadInput:
        return
    assert parsed(" and ".join(f"({one})" for one in comparisons(gate)))  # what is shown is a gate, too
    if not problems_of([gate], (AFTER.measured, BEFORE.measured)):
        assert judged(gate, AFTER, BEFORE)[0] in (HELD, BROKEN, CANNOT_TELL)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-1e6, 1e6), st.floats(-1, 1))
def test_held_and_broken_are_true_wherever_the_figure_may_be(
    value: float, about: float, limit: float, at: float
) -> None:
    after = side(error_s=s(value, about))
    for sign, holds_of in OPERATORS.items():
        told = judged(parsed(f"error_s {sign} {limit:f}"), after, side())[0]
        holds = holds_of(value + at * about, round(limit, 6))
        near = abs(value + at * about - round(limit, 6)) < 1e-3
        assert near or told == CANNOT_TELL or (told == HELD) == holds


# The command --------------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    write_run(tmp_path, FIRST)
    write_run(tmp_path, SECOND, verdict="failed")
    write_run(tmp_path, THIRD, judgement=judgement(9.9))
    return tmp_path


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments])


def test_the_newest_run_is_held_against_the_last_one_that_passed(runs: Path) -> None:
    held = compare("--gate", "recovery_time_s <= 120 and recovery_time_s.change <= 2")
    assert held.exit_code == 0, held.output
    assert held.output.splitlines()[:2] == [f"candidate: {THIRD} (passed)", f"baseline: {FIRST} (passed)"]
    assert "held: recovery_time_s <= 120: recovery_time_s is 9.9 s ± 0.4 s" in held.output
    broken = compare("--gate", "recovery_time_s <= 5", "--gate", "lost_writes == 0")
    assert (broken.exit_code, broken.output.splitlines()[-1]) == (1, "gate: broken")
    unsure = compare("--gate", "recovery_time_s <= 10", "--json")
    assert unsure.exit_code == 2
    said = json.loads(unsure.output)
    assert (said["answer"], said["candidate"], said["baseline"]) == (CANNOT_TELL, [THIRD], [FIRST])
    (compared,) = said["gates"][0]["comparisons"]
    assert (compared["answer"], "9.9 s ± 0.4 s" in compared["why"]) == (CANNOT_TELL, True)


def test_the_first_run_has_nothing_to_be_held_against(runs: Path) -> None:
    said = compare("--candidate", FIRST, "--gate", "recovery_time_s.change <= 10%", "--json")
    assert said.exit_code == 2
    told = json.loads(said.output)
    assert (told["answer"], told["candidate"], told["baseline"]) == (CANNOT_TELL, [FIRST], [])
    assert compare("--candidate", FIRST, "--gate", "recovery_time_s < 20").exit_code == 0


def test_runs_that_prove_nothing_or_are_unlike_cannot_be_told(runs: Path) -> None:
    write_run(runs, "20260504T020000Z-failover-0004", verdict="invalid")
    assert compare("--gate", "recovery_time_s < 20").exit_code == 2
    assert compare("--gate", "verdict == passed").exit_code == 1
    write_run(runs, "20260505T020000Z-failover-0005", scale=1)
    said = compare(FIRST, "20260505", "--gate", "recovery_time_s.change < 5")
    reasons = [line for line in said.output.splitlines() if "scale" in line]
    assert (said.exit_code, [all(one in line for one in (" 0.2,", " 1")) for line in reasons][:1]) == (2, [True])
    assert compare("--gate", "recovery_time_s < 20").exit_code == 0
    (runs / FIRST / "summary.json").unlink()
    said = compare("--candidate", FIRST, "--gate", "verdict == passed")
    assert (said.exit_code, f"{FIRST}: " in said.output, "summary" in said.output) == (2, True, True)


def test_groups_are_held_by_their_medians(runs: Path) -> None:
    for day, recovery_s in ((4, 12.0), (5, 30.0), (6, 12.2)):
        write_run(runs, f"2026050{day}T020000Z-failover-000{day}", ["new"], judgement=judgement(recovery_s))
    said = compare("--baseline", "passed:2", "--candidate", "tag:new", "--gate", "recovery_time_s < 13")
    assert (said.exit_code, "recovery_time_s is 12.2 s ± 0.4 s" in said.output) == (0, True), said.output
    assert f"{FIRST} (passed), {THIRD} (passed)" in said.output
    write_run(runs, "20260507T020000Z-failover-0007", ["new"], judgement=judgement(None))
    said = compare("--baseline", "passed:2", "--candidate", "tag:new", "--gate", "recovery_time_s < 13")
    assert (said.exit_code, "recovery_time_s: " in said.output, " 3 of 4 " in said.output) == (2, True, True)


def test_a_gate_that_cannot_be_understood_decides_nothing(runs: Path) -> None:
    said = compare("--gate", "recovry_time_s <= 120", "--gate", "a <", "--gate", "error_s < 5%")
    assert said.exit_code == 2
    for named in (" recovery_time_s?", "[gate-figure-unknown]", "[gate-invalid]", "[gate-not-comparable]"):
        assert named in said.output


@examples(60)
@given(st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=20))
def test_whatever_is_typed_as_a_gate_exits_with_0_1_or_2(tmp_path_factory: Any, text: str) -> None:
    directory = tmp_path_factory.getbasetemp() / "gates"
    if not directory.exists():
        for run in (FIRST, THIRD):
            write_run(directory, run, judgement=judgement(9.9, error_s=figure(33.0, about=None)))
    said = CliRunner(env={RUNS_VARIABLE: str(directory)}).invoke(cli, ["compare", "--gate", text])
    assert said.exit_code in (0, 1, 2)
    assert said.exception is None or isinstance(said.exception, SystemExit)
    assert "\x1b" not in said.output
