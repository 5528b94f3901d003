"""The drill control in real runs of `chaos run`, with small experiments on a lab that stays."""

import getpass
import json
import os
import platform
import pty
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.controls.exit_code import EXIT_CODES
from chaosdrill.history import read_history
from tests import small_drills
from tests.further import first_of
from tests.running_lab import RunningLab
from tests.small_drills import Drill, Ran, do, experiment, step, undo
from tests.waiting import LONG_S, wait_for

WORK_AND_BACK: Any = {"method": [do("work")], "rollbacks": [undo("unwork", "work")]}


@pytest.fixture
def run(lab: RunningLab, tmp_path: Path) -> Any:
    def run(what: Mapping[str, Any], *options: str, **variables: str) -> Ran:
        return small_drills.run(tmp_path, what, *options, CHAOSDRILL_HOME=str(lab.home), **variables)

    return run


@pytest.fixture
def start(lab: RunningLab, tmp_path: Path) -> Any:
    def start(what: Mapping[str, Any], *options: str, **variables: str) -> Drill:
        return Drill(tmp_path, what, *options, CHAOSDRILL_HOME=str(lab.home), **variables)

    return start


def ended(ran: Ran) -> dict[str, str]:
    return {row["activity"]: row["status"] for row in ran.events if row["event"] == "activity-ended"}


def test_a_drill_passes_and_leaves_its_run(run: Any, lab: RunningLab) -> None:
    steady = [step("probe", "steady", "answer", 1, value=1)]
    ran = run(experiment(**WORK_AND_BACK, steady=steady, control={"setup": [do("prepare")]}))
    assert (ran.exit_code, ran.verdict) == (0, "passed"), ran.stderr
    assert ran.steps == ["do prepare", "answer 1", "do work", "answer 1", "undo unwork"]
    assert (ran.journal["status"], ran.journal["chaosdrill"]["verdict"]) == ("completed", "passed")
    said = json.loads((ran.run_directory / "summary.json").read_text())
    assert (said["version"], said["verdict"], said["experiment"], said["source"]) == (3, "passed", "try-it", "drill")
    once = [{"value": 1, "met": True, "times": 1}]
    assert said["hypothesis"] == [{"probe": "steady", "tolerance": 1, "before": once, "during": [], "after": once}]
    assert said["circumstances"]["scale"] == 0.1
    versions = {name: said["circumstances"].get(f"version of {name}") for name in ("chaosdrill", "locust", "python")}
    assert versions == {
        "chaosdrill": metadata.version("chaosdrill"),
        "locust": metadata.version("locust"),
        "python": platform.python_version(),
    }
    assert (ran.run_directory / "experiment.yaml").read_text() == (ran.directory / "try-it.yaml").read_text()
    kept = json.loads((ran.run_directory / "journal.json").read_text())
    assert (kept["status"], kept["run"]) == (ran.journal["status"], ran.journal["run"])
    assert (ran.run_directory / "topology.yaml").read_bytes() == (lab.home / "lab" / "topology.yaml").read_bytes()
    opened = next(row for row in ran.events if row["event"] == "drill-opened")
    assert opened["origin"] == {"operator": getpass.getuser(), "host": socket.gethostname(), "git": None}
    assert re.fullmatch(r"\d{8}T\d{6}Z-try-it-[0-9a-f]{4}", ran.run_directory.name)
    assert list(ran.last_lines) == ["verdict", "why", "recovery", "report", "details"]
    assert ran.last_lines["report"] == str(ran.run_directory / "report.html")
    assert ran.last_lines["details"] == f"chaosdrill runs show {ran.run_directory.name}"
    assert (ran.run_directory / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((ran.run_directory / "summary.json").read_text())["report"] == "report.html"
    work = [(row["event"], row["phase"]) for row in ran.events if row.get("activity") == "work"]
    assert work == [("activity-started", "method"), ("activity-ended", "method")]
    assert ran.region_states == ["serving(ap-northeast-1)"]


JSON_PROBE = {
    "type": "probe",
    "name": "instances",
    "provider": {"type": "process", "path": "echo", "arguments": '\'{"up": ["a", "b"]}\''},
}


@pytest.mark.long
@pytest.mark.parametrize(("count", "verdict"), first_of([(2, "passed"), (3, "failed")]))
def test_a_jsonpath_tolerance_is_kept_and_judged_like_every_other(run: Any, count: int, verdict: str) -> None:
    """Before, during and after the method, and in it."""
    up = {"type": "jsonpath", "path": "$.up[*]", "count": 2, "target": "stdout"}
    steady = [{**JSON_PROBE, "sample": True, "tolerance": up}]
    checked = {**JSON_PROBE, "name": "checked", "tolerance": {**up, "count": count}}
    ran = run(experiment([step("action", "long", "wait", seconds=6), checked], steady=steady))
    assert ran.verdict == verdict, ran.stderr
    (checks,) = json.loads((ran.run_directory / "summary.json").read_text())["hypothesis"]
    assert (checks["probe"], checks["tolerance"]) == ("instances", up)
    assert [reading["met"] for reading in checks["before"]] == [True]
    assert [reading["met"] for reading in checks["during"]] == [True]
    ended = [row for row in ran.events if row["event"] == "activity-ended" and row["activity"] == "checked"]
    assert [(row["tolerance_met"], row["tolerance"]["count"]) for row in ended] == [(count == 2, count)]
    assert "jsonpath" in (ran.run_directory / "report.html").read_text()


@pytest.mark.long
def test_the_control_given_twice_says_so_as_its_verdict(run: Any, tmp_path: Path) -> None:
    """Also in Chaos Toolkit's settings: nothing is begun, and the verdict names the cause."""
    what = experiment(**WORK_AND_BACK, control={"setup": [do("prepare")]})
    settings = tmp_path / "controls.json"
    settings.write_text(json.dumps({"drill": what["controls"][0]}))
    ran = run(what, "--control-file", str(settings))
    assert (ran.exit_code, ran.verdict, ran.steps) == (EXIT_CODES["refused"], "refused", [])
    assert ran.journal["chaosdrill"]["verdict"] == "refused"
    assert "chaosdrill.controls.drill" in ran.said("why")


@pytest.mark.parametrize("module", first_of(["chaosdrill.controls", "chaosdrill", "chaosdrill.controls.lifecycle"]))
@pytest.mark.parametrize("options", [(), pytest.param(("--no-validation",), marks=pytest.mark.long)])
def test_a_module_without_hooks_is_no_control(run: Any, module: str, options: tuple[str, ...]) -> None:
    what = experiment(**WORK_AND_BACK)
    what["controls"][0]["provider"]["module"] = module
    ran = run(what, *options, "--rollback-strategy", "always")
    assert (ran.exit_code, ran.steps) == (1, []), ran.stderr
    assert f" {module} " in ran.stderr
    assert "chaosdrill.controls.drill" in ran.stderr, "what to write"
    assert "Traceback" not in ran.stderr


@pytest.mark.long
def test_a_report_that_cannot_be_written_changes_nothing_of_the_verdict(run: Any, lab: RunningLab) -> None:
    in_the_way = f"for run in {lab.home}/runs/*; do mkdir -p $run/report.html; done"
    provider = {"type": "process", "path": "sh", "arguments": ["-c", in_the_way]}
    ran = run(experiment(method=[{"type": "action", "name": "in-the-way", "provider": provider}]))
    assert (ran.exit_code, ran.verdict) == (0, "passed"), ran.stderr
    assert (ran.events[-1]["event"], ran.events[-1]["verdict"]) == ("drill-closed", "passed")
    assert "report.html" in ran.last_lines["report"]
    assert ran.last_lines["report"].endswith(f"`chaosdrill report {ran.run_directory.name}`"), "what makes it again"


@pytest.mark.long
def test_names_that_are_not_the_topology_s_are_refused(run: Any) -> None:
    configuration = {"target": "lab", "scale": 0.1, "domain": "api.example.org", "standby_region": "us-west-2"}
    ran = run(experiment(**WORK_AND_BACK, configuration=configuration))
    assert (ran.verdict, ran.steps) == ("refused", [])
    assert small_drills.error_codes(ran) == ["topology-mismatch"] * 2
    assert all(name in ran.why for name in ("'api.example.org'", "'api.example.com'", "'us-west-2'"))


@pytest.mark.long
def test_what_this_run_did_not_do_is_not_undone(run: Any) -> None:
    """Not what a step found done already, and not what was never begun, even if the rollback bears the step's name."""
    method = [step("action", "close", "idle"), step("action", "break", "fail", why="no luck"), do("rest")]
    ran = run(experiment(method, [undo("open", "close"), undo("rest", "rest")]))
    assert (ran.exit_code, ran.verdict) == (3, "failed")
    assert ran.steps == ["idle", "fail"]
    outputs = [row["output"] for row in ran.events if row["event"] == "activity-ended" and row["phase"] == "rollbacks"]
    assert outputs == [
        {"done": False, "why": f"this run did not do {name!r}, so there is nothing to undo"}
        for name in ("close", "rest")
    ]


@pytest.mark.long
def test_a_steady_state_that_is_checked_all_the_time_is_a_phase_of_its_own(run: Any) -> None:
    steady = [step("probe", "steady", "answer", 1, value=1)]
    what = experiment([step("action", "long", "wait", seconds=3)], steady=steady)
    ran = run(what, "--hypothesis-strategy", "continuously", "--hypothesis-frequency", "0.1")
    assert (ran.exit_code, ran.verdict) == (0, "passed"), ran.said("why")
    phases = [row["phase"] for row in ran.events if row["event"] == "activity-ended" and row["activity"] == "steady"]
    assert phases.count("steady-state-during") > 3
    assert (phases[0], phases.count("steady-state-after")) == ("steady-state-before", 1)


@pytest.mark.long
def test_home_must_serve_or_nothing_is_touched(run: Any) -> None:
    blocking = step("probe", "home-serves-again", "word_in_file", "x", path="/no/such/file")
    what = experiment([do("work")], [undo("unwork", "work"), blocking], control={"expect": "serving(ap-northeast-3)"})
    ran = run(what)
    assert (ran.exit_code, ran.verdict, ran.steps) == (5, "refused", [])
    assert small_drills.error_codes(ran) == ["region-state-unexpected"]
    assert all(f"serving({region})" in ran.why for region in ("ap-northeast-1", "ap-northeast-3"))
    assert not [row for row in ran.events if row["event"] == "activity-started"]


STOPS = [
    (step("action", "break", "fail", why="no luck"), "step-failed", "failed"),
    (step("probe", "check", "answer", 2, value=1), "check-missed", "failed"),
    (step("probe", "check", "blind", 2), "step-failed", "invalid"),
    (
        step("probe", "check", "answer", {"type": "range", "range": [1, 2]}, value="nothing"),
        "step-failed",
        "invalid",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize(("bad", "name"), first_of([(bad, name) for bad, name, _ in STOPS]))
def test_a_bad_step_stops_the_method_but_not_the_rollbacks(run: Any, bad: Any, name: str) -> None:
    back = [step("action", "stumble", "fail", why="also bad"), undo("unwork", "work"), undo("unrest", "rest")]
    ran = run(experiment([do("work"), bad, do("rest")], back))
    assert (ran.exit_code, ran.verdict) == (3, "failed")  # a rollback failed, too
    assert "do rest" not in ran.steps
    assert ran.steps[-2:] == ["fail", "undo unwork"]
    assert small_drills.has_finding(ran, name, bad["name"])
    assert small_drills.has_finding(ran, "step-failed", "stumble")


@pytest.mark.long
@pytest.mark.parametrize(("bad", "verdict"), [(bad, verdict) for bad, _, verdict in STOPS])
def test_a_bad_step_is_the_verdict_when_everything_was_undone(run: Any, bad: Any, verdict: str) -> None:
    assert run(experiment([do("work"), bad], [undo("unwork", "work")])).verdict == verdict


@pytest.mark.long
def test_a_steady_state_that_does_not_hold_refuses_and_undoes_the_setup(run: Any) -> None:
    control = {"setup": [do("prepare")]}
    steady = [step("probe", "steady", "answer", 2, value=1)]
    ran = run(experiment([do("work")], [undo("unwork", "work"), undo("clear", "prepare")], steady, control))
    assert (ran.exit_code, ran.verdict) == (5, "refused")
    assert ran.steps == ["do prepare", "answer 1", "undo clear"]
    (missed,) = [one for one in small_drills.findings(ran) if one["verdict"] == "refused"]
    assert (missed["name"], "steady" in missed["text"]) == ("check-missed", True)


@pytest.mark.long
def test_a_setup_that_fails_ends_the_drill(run: Any) -> None:
    control = {"setup": [do("prepare"), step("action", "load", "fail", why="no workers")]}
    ran = run(experiment([do("work")], [undo("clear", "prepare")], control=control))
    assert (ran.exit_code, ran.verdict) == (4, "invalid")
    assert ran.steps == ["do prepare", "fail", "undo clear"]


@pytest.mark.long
def test_a_value_no_tolerance_reads_does_not_end_the_run_without_rollbacks(run: Any) -> None:
    """Chaos Toolkit alone ends with a traceback here: no rollbacks, no journal."""
    steady = [step("probe", "steady", "answer", {"type": "regex", "pattern": "x"}, value="nothing")]
    what = experiment([do("work")], [undo("clear", "prepare")], steady, {"setup": [do("prepare")]})
    ran = run(what)
    assert (ran.exit_code, ran.verdict) == (4, "invalid")
    assert ran.steps[-1] == "undo clear"
    assert ran.journal["status"] == "aborted"


@pytest.mark.long
def test_odd_outputs_and_secrets_harm_neither_journal_nor_history(run: Any) -> None:
    secrets = {"bank": {"pin": {"type": "env", "key": "BANK_PIN", "default": ""}}}
    odd = step("action", "odd", "answer_oddly", text="${pin}")
    ran = run(experiment([odd], secrets=secrets), BANK_PIN="swordfish")
    assert (ran.exit_code, ran.verdict) == (0, "passed"), ran.stderr
    (output,) = [row["output"] for row in ran.events if row["event"] == "activity-ended"]
    said = {"bytes": "base64:/w==", "set": [1, 2], "path": "/x", "('a', 1)": "nan", "said": "<***>"}
    assert output == said
    for file in (ran.run_directory / "history.jsonl", ran.directory / "journal.json"):
        assert "swordfish" not in file.read_text()
    assert ran.journal["run"][0]["output"]["set"] == [1, 2]


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.long)])
def test_a_signal_in_the_method_leads_to_the_rollbacks(start: Any, name: str) -> None:
    what = experiment(
        [do("work"), step("action", "long", "wait", seconds=600), do("rest")],
        [undo("unwork", "work"), step("action", "back", "wait", seconds=1), undo("unrest", "rest")],
    )
    drill = start(what)
    drill.wait_for_step("wait 600")
    drill.signal(name)
    drill.wait_for_step("wait 1")
    drill.signal(name)  # once more, while rollbacks run: they go on
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (6, "interrupted"), ran.stderr
    assert ran.steps == ["do work", "wait 600", "undo unwork", "wait 1", "waited"]
    interrupted = [(row["signal"], row["phase"]) for row in ran.events if row["event"] == "interrupted"]
    assert interrupted[0] == (name, "method")
    assert ran.journal["status"] == "interrupted"
    assert "the rollbacks continue" in ran.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_the_rollbacks_does_not_skip_any(start: Any, name: str) -> None:
    drill = start(experiment([do("work")], [step("action", "back", "wait", seconds=1), undo("unwork", "work")]))
    drill.wait_for_step("wait 1")
    drill.signal(name)
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (6, "interrupted")
    assert ran.steps == ["do work", "wait 1", "waited", "undo unwork"]


@pytest.mark.long
@pytest.mark.parametrize("third", ["SIGINT", "SIGTERM"])
def test_a_third_signal_gives_the_rollbacks_up_and_what_is_not_undone_is_named(start: Any, third: str) -> None:
    method = [do("work"), do("rest"), step("action", "long", "wait", seconds=600)]
    back = [step("action", "back", "wait", seconds=900), undo("unwork", "work"), undo("unrest", "rest")]
    drill = start(experiment(method, [*back, undo("unplan", "long")]))
    drill.wait_for_step("wait 600")
    drill.signal("SIGINT")
    drill.wait_for_step("wait 900")
    hint: Any = lambda: (drill.directory / "stderr").read_text().count("the rollbacks continue")  # noqa: E731
    drill.signal("SIGINT")
    wait_for(hint, bool, "the hint")
    drill.signal(third)
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (6, "interrupted")
    assert ran.steps == ["do work", "do rest", "wait 600", "wait 900"]
    assert [row["signal"] for row in ran.events if row["event"] == "interrupted"] == ["SIGINT", "SIGINT", third]
    left = [one for one in small_drills.findings(ran) if one["name"] == "rollback-not-run"]
    for step_name in ("work", "rest", "long"):
        assert any(re.search(rf"\b{step_name}\b", one["text"]) for one in left)
    assert hint() == 1, "not printed again after leaving"


@pytest.mark.long
@pytest.mark.parametrize(("word", "verdict"), [("bad", "failed"), (None, "invalid")])
def test_a_safeguard_stops_the_method(start: Any, tmp_path: Path, word: str | None, verdict: str) -> None:
    sign = tmp_path / "sign"
    sign.write_text("good")
    guard = {**step("probe", "guard", "word_in_file", "good", path=str(sign)), "frequency": 0.2}
    method = [do("work"), step("action", "long", "wait", seconds=600), do("rest")]
    drill = start(experiment(method, [undo("unwork", "work")], control={"safeguards": [guard]}))
    drill.wait_for_step("wait 600")
    if word is None:
        sign.unlink()  # unreadable counts as tripped
    else:
        sign.write_text(word)
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (EXIT_CODES[verdict], verdict), ran.stderr
    assert ran.steps == ["do work", "wait 600", "undo unwork"]
    assert small_drills.has_finding(ran, "safeguard-tripped", "guard")


@pytest.mark.long
def test_a_safeguard_that_hangs_cannot_see(run: Any, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    os.mkfifo(sign)  # nobody writes, so whoever opens it to read waits for ever
    guard = {**step("probe", "guard", "word_in_file", "good", path=str(sign)), "timeout_s": 1}
    method = [step("action", "long", "wait", seconds=600), do("rest")]
    ran = run(experiment(method, [undo("unlong", "long")], control={"safeguards": [guard]}))
    assert (ran.exit_code, ran.verdict) == (4, "invalid"), ran.stderr
    assert ran.steps == ["wait 600", "undo unlong"]
    assert small_drills.has_finding(ran, "safeguard-tripped", "guard", "1 s")


@pytest.mark.long
def test_a_safeguard_may_need_to_miss_more_than_once(run: Any, tmp_path: Path) -> None:
    guard = {**step("probe", "guard", "answer", 1, value=2), "frequency": 0.1, "in_a_row": 1000}
    ran = run(experiment([step("action", "long", "wait", seconds=3)], control={"safeguards": [guard]}))
    assert (ran.exit_code, ran.verdict) == (0, "passed")
    assert ran.steps.count("answer 2") > 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (("--dry", "activities"), "dry-run", "activities"),
        (("--hypothesis-strategy", "before-method-only"), "step-not-run", "steady"),
    ],
)
def test_what_was_left_out_is_not_passed(run: Any, options: tuple[str, ...], name: str, value: str) -> None:
    steady = [step("probe", "steady", "answer", 1, value=1)]
    ran = run(experiment([do("work")], [undo("unwork", "work")], steady), *options)
    assert (ran.exit_code, ran.verdict) == (4, "invalid")
    assert small_drills.has_finding(ran, name, value)


@pytest.mark.long
def test_a_background_step_that_fails_stops_the_method(run: Any) -> None:
    # it fails when the long step has begun, or there would be nothing to undo
    broken = {**step("action", "break", "fail", why="no luck", after="wait 600"), "background": True}
    ran = run(experiment([broken, step("action", "long", "wait", seconds=600), do("rest")], [undo("back", "long")]))
    assert (ran.exit_code, ran.verdict) == (3, "failed")
    assert ran.steps[-1] == "undo back"
    assert "waited" not in ran.steps


@pytest.mark.long
def test_a_drill_ends_although_a_step_in_the_background_does_not(run: Any) -> None:
    beside = {**step("action", "beside", "wait", seconds=10 * LONG_S), "background": True}
    broken = step("action", "break", "fail", why="no luck", after=f"wait {10 * LONG_S}")
    ran = run(experiment([beside, broken], [undo("back", "beside")]))
    assert (ran.exit_code, ran.verdict) == (3, "failed")
    assert ran.steps[-1] == "undo back"


@pytest.mark.long
def test_a_second_drill_waits_for_nobody(start: Any, run: Any, lab: RunningLab, tmp_path: Path) -> None:
    over = tmp_path / "over"
    drill = start(experiment([step("action", "long", "wait_for_file", path=str(over))]))
    drill.wait_for_step("wait for file")
    other = tmp_path / "other"
    other.mkdir()
    second = small_drills.run(other, experiment([do("work")]), CHAOSDRILL_HOME=str(lab.home))
    assert (second.exit_code, second.verdict, second.steps) == (5, "refused", [])
    assert small_drills.error_codes(second) == ["drill-going-on"]
    assert str(drill.process.pid) in second.why
    over.touch()
    assert drill.end().verdict == "passed"


@pytest.mark.long
def test_on_a_terminal_one_line_is_rewritten_and_log_lines_stay_whole(lab: RunningLab, tmp_path: Path) -> None:
    over = tmp_path / "over"
    (tmp_path / "try-it.yaml").write_text(
        json.dumps(experiment([step("action", "long", "wait_for_file", path=str(over))]))
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", "try-it.yaml"],
        cwd=tmp_path,
        env={
            **lab.environment,
            "PYTHONPATH": str(small_drills.REPOSITORY),
            "STEPS_FILE": str(tmp_path / "steps"),
            "TERM": "xterm",
            "COLUMNS": "100",
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    with _reading(ours) as parts:
        wait_for(lambda: SHOWN in b"".join(parts).decode(), what="the step on the line of progress")
        over.touch()
    written = b"".join(parts).decode()
    assert process.wait(LONG_S) == 0, written
    shown = re.split(r"\r\x1b\[2K|\r?\n", written)
    status = [line for line in shown if re.match(r" +\d+ s \| ", line)]
    assert any(SHOWN in line for line in status), shown
    assert all(len(line) < 100 for line in status)
    logs = [line for line in shown if " INFO]" in line]
    assert any(line.split()[-2:] == ["Action:", "long"] for line in logs), logs
    assert all(re.match(r"(\x1b\[\d+m)?\[\d{4}-\d\d-\d\d ", line) for line in logs), logs
    last = [line.partition(":")[0] for line in shown[-6:]]
    assert last == ["verdict", "why", "recovery", "report", "details", ""], shown


SHOWN = "step 1 of 1: long | serving(ap-northeast-1)"


@contextmanager
def _reading(descriptor: int) -> Iterator[list[bytes]]:
    """Read a terminal until its other end is closed; what was read so far is in the list."""
    parts: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # that is how a terminal ends
            while part := os.read(descriptor, 65536):
                parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    yield parts
    reader.join(LONG_S)
    os.close(descriptor)


SMALL_DISK = 'mount -t tmpfs -o size=2g none "$0" && { "$@"; code=$?; cp -a "$0" "$0.kept"; exit $code; }'


@pytest.mark.long
def test_a_disk_that_is_full_keeps_nothing_from_being_undone(lab: RunningLab, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    fills = f"mount -o remount,size=100k {runs}; cat /dev/zero > {runs}/zero; true"  # the preflight wants more room
    fill = {"type": "process", "path": "sh", "arguments": ["-c", fills]}
    what = experiment(
        method=[do("work"), {"type": "action", "name": "fill", "provider": fill}, {**do("more"), "name": "m" * 5000}],
        rollbacks=[undo("unmore", "m" * 5000), undo("unwork", "work")],
    )  # the name is longer than what is left of the last block of the history
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, str(runs)]
    drill = Drill(tmp_path, what, inside=inside, CHAOSDRILL_HOME=str(lab.home), CHAOSDRILL_RUNS=str(runs))
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (EXIT_CODES["invalid"], "invalid"), ran.stderr
    assert ran.steps == ["do work", "undo unwork"], "nothing is begun that cannot be recorded, and all is undone"
    assert "Traceback" not in ran.stderr + ran.stdout
    assert list(ran.last_lines) == ["verdict", "why", "report", "details"]
    (kept,) = (runs.parent / "runs.kept").glob("*-try-it-*")
    events = {row["event"] for row in read_history(kept / "history.jsonl")}
    assert ("drill-opened" in events, "cut-off" in events) == (True, False), "whole lines, and no half one at the end"
    assert not (kept / "summary.json").exists()
