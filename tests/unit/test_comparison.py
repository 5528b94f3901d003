"""Two runs beside each other: what changed, what may explain it, and what is not compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.analysis.comparability import circumstances
from chaosdrill.analysis.compared_run import ComparedRun, compared_run
from chaosdrill.analysis.comparison import Comparison, comparison
from chaosdrill.analysis.hypothesis import Probe, ProbeResult
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.summary_fields import DRILL, WRITES, summary_fields
from chaosdrill.cli import cli
from chaosdrill.controls.experiment import lab_topology_hash
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.comparing import read_compared_run

BASELINE, CANDIDATE = "20260501T093000Z-failover-ab12", "20260801T093000Z-failover-cd34"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def s(value: float | None, uncertainty: float | None = 0.1, **more: Any) -> Measured:
    return Measured(value, "s", "a test", 0.05, uncertainty, **more)


def run(name: str = BASELINE, **more: Any) -> ComparedRun:
    known = {"experiment": "failover", "target": "lab", "scale": 0.2, "verdict": "passed", **more}
    return ComparedRun(name, **known)


def of(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    return comparison(run(**before), run(CANDIDATE, **after))


def test_a_change_is_as_uncertain_as_both_together() -> None:
    found = of({"measured": {"recovery": s(10.0, 0.4)}}, {"measured": {"recovery": s(7.5, 0.1)}})
    (one,) = found.differences
    assert one.change is not None
    assert (one.change.value, one.change.uncertainty, one.ratio) == (-2.5, 0.5, -0.25)


def test_losses_are_not_compared_where_the_heartbeats_wrote_at_other_rates() -> None:
    measured = {"lost_writes": Measured(3.0, "writes", "", 1.0, 0.0), "lost_s": s(1.0), "recovery": s(4.0)}
    few, many = ({"circumstances": {WRITES: rate}, "measured": measured} for rate in ("2/s", "20/s"))
    assert {one.name for one in of(few, many).differences if one.change is None} == {"lost_writes", "lost_s"}
    assert [one.name for one in of(few, few).differences if one.change is None] == []
    assert [name for name, *_ in of(few, many).circumstances] == [WRITES]


def test_what_was_not_measured_in_one_of_them_has_no_change() -> None:
    before = {"gone": s(1.0), "unknown": s(None, why="no beats"), "least": s(3.0, at_least=True)}
    after = {"new": s(1.0), "unknown": s(2.0), "least": s(5.0)}
    found = {one.name: one for one in of({"measured": before}, {"measured": after}).differences}
    assert {name: one.change is None for name, one in found.items()} == {
        "gone": True, "unknown": True, "least": False, "new": True,
    }  # fmt: skip
    assert found["least"].change is not None
    assert (found["least"].change.value, found["least"].change.why != "") == (2.0, True)
    other_unit = of({"measured": {"x": s(1.0)}}, {"measured": {"x": Measured(1.0, "writes", "")}})
    assert other_unit.differences[0].change is None


def test_a_zero_has_no_share() -> None:
    for before in (s(0.0), s(0.1, 0.4)):  # or what may be one
        assert of({"measured": {"x": before}}, {"measured": {"x": s(1.0)}}).differences[0].ratio is None


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    assert Measured(-0.1, "s", "", None, 2.0).in_words() == "0 s ± 2 s"
    assert Measured(-0.1, "s", "", 1.0, 0.0).in_words() == "0 s"


def test_checks_that_flipped_are_named_with_the_time_they_were_read() -> None:
    def probe(before: Any, after: Any) -> dict[str, Probe]:
        readings = {"before": (ProbeResult(*before),), "after": (ProbeResult(*after),)}
        return {"failures": Probe("failures", 0, readings)}

    found = of({"probes": probe((0, True), (0, True))}, {"probes": probe((0, True), (3, False))}).checked
    assert [(one.when, one.flipped) for one in found] == [("before", False), ("after", True)]
    gone = of({"probes": probe((0, True), (0, True))}, {}).checked
    assert all(one.candidate == () and not one.flipped for one in gone)  # nobody knows how it would have come out
    other_value = of({"probes": probe((0, True), (0, True))}, {"probes": probe((1, True), (0, True))}).checked
    assert not any(one.flipped for one in other_value)


@pytest.mark.parametrize(
    ("after", "values"),
    [
        ({"experiment": "failback"}, {"what": "experiment", "one": "failover", "other": "failback"}),
        ({"target": "aws"}, {"what": "target", "one": "lab", "other": "aws"}),
        ({"scale": 1.0}, {"what": "scale", "one": "0.2", "other": "1"}),
        ({"verdict": "invalid"}, {"run": CANDIDATE, "verdict": "invalid"}),
        ({"verdict": "interrupted"}, {"run": CANDIDATE, "verdict": "interrupted"}),
        ({"broken": ("two-writers",)}, {"run": CANDIDATE, "how": ("two-writers",)}),
    ],
)
def test_what_cannot_be_compared_says_why_and_is_not(after: dict[str, Any], values: dict[str, Any]) -> None:
    measured = {"measured": {"recovery": s(1.0)}}
    found = of(measured, {**measured, **after})
    (why,) = found.why_not
    assert values.items() <= {**why.values, **getattr(why.values.get("why"), "values", {})}.items()
    assert (found.checked, found.differences) == ((), ())


def test_failed_runs_are_compared() -> None:
    assert of({"verdict": "failed"}, {}).why_not == ()


def test_circumstances_that_were_not_the_same_are_told() -> None:
    found = of({"circumstances": {"a": 1, "b": 2}}, {"circumstances": {"a": 1, "b": 3, "c": 4}})
    assert found.circumstances == (("b", 2, 3), ("c", None, 4))


@given(events=st.lists(st.dictionaries(st.sampled_from(["event", "phase", "activity", "output"]), JSON)), said=JSON)
def test_whatever_a_run_holds_it_can_be_read_and_compared(events: Any, said: Any) -> None:
    read = said if isinstance(said, dict) else {"judgement": said}
    made = compared_run("x", {**summary_fields("failover", events, DRILL), **read})
    json.dumps(comparison(made, made).as_json())


# The command --------------------------------------------------------------------------------------------------------


def stored(runs: Path, name: str, recovery_s: float, **more: Any) -> None:
    directory = runs / name
    directory.mkdir(parents=True)
    opened = {"at": "2026-05-01T09:30:00.000Z", "event": "drill-opened", "configuration": {"users": int(recovery_s)}}
    ended = {"event": "activity-ended", "phase": "steady-state-after", "activity": "failures", "status": "succeeded"}
    met = {"output": int(recovery_s), "tolerance": 5, "tolerance_met": recovery_s < 6}
    lines = [json.dumps(event) + "\n" for event in (opened, {**ended, **met})]
    (directory / "history.jsonl").write_text("".join(lines))
    phase = {"name": "flag-closed", "since": "failover-started", "seconds": 0.1, "uncertainty_s": 0.01, "evidence": []}
    judgement = {
        "figures": {"recovery_fail_over_s": s(recovery_s).as_json()},
        "movements": [{"what": "fail-over", "phases": [phase]}],
        "latencies": [{"of": "read", "when": "before", "p50": s(0.004, 0.0001).as_json()}],
    }
    said = {"version": 2, "verdict": "passed", "target": "lab", "scale": 0.2, "broken": [], "judgement": judgement}
    (directory / "summary.json").write_text(json.dumps({**said, **more}))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    stored(tmp_path, BASELINE, 4.0)
    stored(tmp_path, CANDIDATE, 6.0)
    return tmp_path


def compare(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["compare", *arguments])


def test_people_see_what_changed(runs: Path) -> None:
    said = compare(BASELINE[:9], CANDIDATE)
    assert said.exit_code == 0, said.output
    words = (
        f"candidate: {CANDIDATE}: passed", "variable users", "failures, after", "4 (met)", "6 (missed)", "flipped",
        "4.00 s ± 0.10 s", "+2.0 s ± 0.2 s (+50%)", "fail_over.flag_closed_s",
    )  # fmt: skip
    assert [word for word in words if word not in said.output] == []
    assert "latency.read" not in said.output
    assert "latency.read" in compare(BASELINE, CANDIDATE, "--all").output


def test_machines_get_everything_and_the_newest_run_is_the_candidate(runs: Path) -> None:
    said = compare(BASELINE, "--json")
    found = json.loads(said.output)
    assert (found["candidate"], found["comparable"]) == (CANDIDATE, True)
    measured = {one["name"]: one for one in found["measured"]}
    assert measured["recovery_fail_over_s"]["change"]["value"] == 2.0
    assert "latency.read.before.p50_s" in measured


def test_runs_that_cannot_be_compared_exit_with_2_and_say_why(runs: Path) -> None:
    stored(runs, "20260901T093000Z-failover-ef56", 4.0, scale=1)
    said = compare(BASELINE, "--json")
    assert said.exit_code == 2
    found = json.loads(said.output)
    assert (found["comparable"], found["hypothesis"], found["measured"]) == (False, [], [])
    (why,) = found["why_not"]
    assert [
        one for one in (BASELINE, "20260901T093000Z-failover-ef56", " scale ", " 0.2 ", " 1") if one not in why
    ] == []
    assert why in compare(BASELINE).output
    stored(runs, "20260902T093000Z-failover-0000", 4.0, version=99)
    newer = compare(BASELINE)
    assert (newer.exit_code, "[summary-unusable]" in newer.output, " 99," in newer.output) == (2, True, True)
    (runs / CANDIDATE / "summary.json").unlink()
    none = compare(BASELINE, CANDIDATE)
    assert (none.exit_code, "[summary-missing]" in none.output, CANDIDATE in none.output) == (2, True, True)


def test_a_run_is_not_compared_with_itself(runs: Path) -> None:
    said = compare(CANDIDATE, "--json")  # which is the newest, too
    found = json.loads(said.output)
    assert (said.exit_code, found["baseline"], found["candidate"]) == (2, CANDIDATE, CANDIDATE)
    assert (found["comparable"], [CANDIDATE in why for why in found["why_not"]]) == (False, [True])


def test_nothing_is_said_of_a_change_whose_uncertainty_nobody_knows(runs: Path) -> None:
    figures = {"recovery_fail_over_s": s(9.0, None).as_json()}
    stored(runs, "20260901T093000Z-failover-ef56", 4.0, judgement={"figures": figures})
    said = compare(BASELINE, "20260901")
    (line,) = [one for one in said.output.splitlines() if "recovery_fail_over_s" in one]
    assert line.replace("+5.00", "+5").rstrip(" │|").endswith("+5 s (+125%)")


def test_names_and_outputs_of_others_command_no_terminal(runs: Path) -> None:
    stored(runs, "20260903T093000Z-failover-0000", 4.0, target="\x1b[31mlab\x1b]0;x\x07")
    said = compare(BASELINE)
    assert "\x1b" not in said.output
    assert "\\x1b[31mlab" in said.output


def test_a_real_run_is_read_whole(tmp_path: Path) -> None:
    from chaosdrill.analysis.judgement import judge
    from chaosdrill.runs import read_run
    from tests.synthetic_run import make_run

    directory = make_run(tmp_path)
    judgement = judge(read_run(directory)).as_json()
    said = {"version": 2, "verdict": "passed", "target": "lab", "scale": 0.1, "judgement": judgement}
    (directory / "summary.json").write_text(json.dumps(said))
    found = read_compared_run(directory)
    assert found.measured["recovery_fail_over_s"].value == judgement["figures"]["recovery_fail_over_s"]["value"]
    assert {"fail_over.flag_closed_s", "fail_back.sustained_s", "latency.write.after.p99_s"} <= set(found.measured)


def test_what_differs_by_name_only_is_no_difference() -> None:
    """A scale that was left to its default and is the same; labs that differ by what each chose for itself."""
    known = {"scale": 0.2, "target": "lab", "topology (sha256)": "ab", "variable scale": "", "variable users": 10}
    others = known | {"variable scale": "0.2", "variable topology": "/tmp/x.yaml", "variable users": 20}
    runs = [compared_run(name, {"circumstances": said}) for name, said in (("a", known), ("b", others))]
    assert circumstances(runs) == {"variable users": (10, 20)}
    told = [compared_run(name, {"circumstances": {"variable scale": said}}) for name, said in (("a", 1), ("b", 2))]
    assert circumstances(told) == {"variable scale": (1, 2)}, "nothing tells its effect"


def test_labs_that_are_alike_have_one_hash_of_their_topologies(tmp_path: Path) -> None:
    text = (
        "aws:\n  endpoint_url: http://127.0.0.1:{port}\n  config_file: /tmp/{name}/aws/config\ndns:\n  port: {port}\n"
        "client:\n  instance_id: i-{id}\nrate_per_s: {rate}\npath: {path}\n"
    )
    alike = {"port": 14566, "name": "a", "id": "fe4442e7df5e1c70d", "rate": 20, "path": "/balance"}
    hashes = []
    for change in ({}, {"port": 46647, "name": "b", "id": "66de563dfa8d3f043"}, {"rate": 5}, {"path": "/read"}):
        path = tmp_path / "topology.yaml"
        path.write_text(text.format(**(alike | change)))
        hashes.append(lab_topology_hash(path))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    target = {"event": "target-opened", "topology_sha256": "of the file", "topology_content_sha256": "of a lab"}
    assert summary_fields("x", [target], DRILL)["circumstances"]["topology (sha256)"] == "of a lab"
