"""A drill that died: its journal and summary are made from its history, and what a drill wrote is never replaced."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.cli import cli
from chaosdrill.history import History, whole_files
from chaosdrill.history.whole_files import write_new
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.journals import journal_of
from chaosdrill.runs.liveness import ELSEWHERE_S, goes_on
from chaosdrill.runs.rebuilding import experiment_in, rebuild_journal, rebuild_journals
from tests.further import examples
from tests.summary_schema import problems_of_summary
from tests.synthetic_run import RUN_ID, make_run, write_history
from tests.unit.test_catalogue import JSON

PROBE = {"activity": "serves", "type": "probe", "module": "m", "func": "f"}
OPENED = {
    **{"s": 0.0, "event": "drill-opened", "run_id": RUN_ID, "title": "T", "versions": {"chaostoolkit-lib": "1.44.0"}},
    **{"origin": {"host": "h"}, "planned": {"steady-state-before": ["serves"]}, "objectives": {}},
}


def step(s: float, phase: str, status: str = "succeeded", **more: Any) -> list[dict[str, Any]]:
    known = {**PROBE, "phase": phase, **{name: more.pop(name) for name in ("activity", "type") if name in more}}
    begun = {"s": s, "event": "activity-started", **known, "arguments": {"a": 1}}
    ended = {"s": s + 0.5, "event": "activity-ended", **known, "status": status, "duration_s": 0.5, "output": 1, **more}
    return [begun, ended] if status else [begun]


def events_of(rows: list[dict[str, Any]], directory: Path) -> list[dict[str, Any]]:
    write_history(directory, rows)
    return [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]


def killed(rows: list[Any]) -> list[Any]:
    return [row for row in rows if row["event"] not in ("drill-closed", "records-collected", "records-stored")]


@pytest.fixture
def died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return make_run(tmp_path / "runs", events_of=killed, stored=False)


def judge(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["runs", "judge", *arguments])


def test_a_journal_has_every_step_with_what_it_answered(tmp_path: Path) -> None:
    rows = [
        OPENED,
        *step(1, "setup"),
        *step(2, "steady-state-before", tolerance_met=True),
        *step(3, "method", activity="act", type="action", output={"done": True}),
        *step(4, "steady-state-during", tolerance_met=True),
        *step(5, "steady-state-during", tolerance_met=False),
        *step(6, "method", "failed", activity="look", error="it is dark", output=None),
        *step(7, "steady-state-after", "failed", error="blind"),
        *step(8, "rollbacks", "", activity="undo"),
    ]
    experiment = {"title": "T", "method": [{"name": "act", "type": "action", "provider": {"type": "python"}}]}
    journal = journal_of(events_of(rows, tmp_path), experiment)
    assert (journal["status"], journal["deviated"], journal["experiment"]) == ("interrupted", True, experiment)
    assert (journal["start"], journal["end"]) == ("2026-05-01T09:30:00.000+00:00", "2026-05-01T09:30:08.000+00:00")
    assert (journal["duration"], journal["node"], journal["chaoslib-version"]) == (8.0, "h", "1.44.0")
    assert journal["chaosdrill"] == {"rebuilt": True, "from": "history.jsonl", "run_id": RUN_ID, "events": 16}
    act, look = journal["run"]
    assert (act["activity"], act["output"], act["duration"]) == (experiment["method"][0], {"done": True}, 0.5)
    assert act["end"] == "2026-05-01T09:30:03.500+00:00"
    assert (look["status"], look["exception"]) == ("failed", ["it is dark"])
    assert look["activity"]["provider"] == {"type": "python", "module": "m", "func": "f", "arguments": {"a": 1}}
    (undo,) = journal["rollbacks"]
    assert (undo["activity"]["name"], undo["status"], undo["output"], "end" in undo) == ("undo", "aborted", None, False)
    states = journal["steady_states"]
    assert [one["steady_state_met"] for one in (states["before"], *states["during"], states["after"])] == [
        *(True, True, False, False)
    ]
    assert states["after"]["probes"][0]["tolerance_met"] is False


def test_a_steady_state_that_was_not_checked_to_its_end_is_neither_met_nor_missed(tmp_path: Path) -> None:
    rows = [OPENED, *step(1, "steady-state-before", "")]
    states = journal_of(events_of(rows, tmp_path), {})["steady_states"]
    assert (states["before"]["steady_state_met"], states["after"], states["during"]) == (None, None, [])
    two = {**OPENED, "planned": {"steady-state-before": ["serves", "answers"]}}
    rows = [two, *step(1, "steady-state-before", tolerance_met=True)]
    assert journal_of(events_of(rows, tmp_path), {})["steady_states"]["before"]["steady_state_met"] is None


def test_who_judges_a_drill_that_died_makes_what_it_did_not_write(died: Path) -> None:
    said = judge()
    assert (said.exit_code, said.stderr.count("\n")) == (1, 1)
    summary = json.loads((died / "summary.json").read_text())
    assert (summary["source"], summary["verdict"], problems_of_summary(summary)) == ("rebuilt", "invalid", [])
    (broken, *_) = [one["text"] for one in summary["judgement"]["findings"] if one["name"] == "history-broken"]
    assert summary["reasons"][0] == broken
    assert summary["judgement"]["figures"]["recovery_fail_over_s"]["value"] is not None
    assert json.loads((died / "journal.json").read_text())["chaosdrill"]["rebuilt"] is True
    assert CliRunner().invoke(cli, ["runs", "verdict"]).stdout.startswith(f"{RUN_ID}: invalid: {broken}")
    shown = json.loads(CliRunner().invoke(cli, ["runs", "show", "--json"]).stdout)
    assert (shown["state"], " died;" in shown["notes"][0]) == ("rebuilt", True)
    before = {path: path.read_bytes() for path in died.rglob("*.json*")}
    assert judge().stderr == ""
    assert {path: path.read_bytes() for path in died.rglob("*.json*")} == before


@pytest.mark.parametrize("name", ["journal.json", "summary.json"])
def test_what_a_drill_wrote_is_never_replaced(died: Path, name: str) -> None:
    (died / name).write_text("the drill's own")
    judge()
    assert (died / name).read_text() == "the drill's own"
    assert sorted(path.name for path in died.glob("*.part")) == []


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    """A drill that has just ended may write its own at the same moment."""
    path = tmp_path / "summary.json"
    write_new(path, "first\ud800\n")
    with pytest.raises(FileExistsError):
        write_new(path, "second\n")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("first\\ud800\n", [path])


def test_a_drill_that_goes_on_is_left_alone(died: Path) -> None:
    drill = History(died / "history.jsonl")
    assert len(judge().stderr.splitlines()) == 1
    assert (rebuild_journals(died.parent), rebuild_journal(died)) == ([], False)
    assert not (died / "journal.json").exists()
    assert not (died / "summary.json").exists()
    drill.close()
    assert rebuild_journals(died.parent) == [RUN_ID]
    assert rebuild_journals(died.parent) == []
    assert not (died / "summary.json").exists()  # judging takes seconds: not before a drill begins


def test_a_drill_goes_on_until_its_process_has_ended_however_it_does(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    program = f"""
import time
from pathlib import Path
from chaosdrill.history import History
from chaosdrill.history.whole_files import write_new
history = History(Path({str(tmp_path / "run" / "history.jsonl")!r}))
history.append("drill-opened")
print("open", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as drill:
        assert drill.stdout is not None
        assert drill.stdout.readline() == "open\n"
        assert goes_on(tmp_path / "run")
        drill.send_signal(signal.SIGKILL)
        drill.wait()
    assert not goes_on(tmp_path / "run")


def test_what_another_machine_wrote_a_moment_ago_is_taken_for_a_drill_that_goes_on(died: Path) -> None:
    history = died / "history.jsonl"

    def on(host: str) -> bool:
        first = {**json.loads(history.read_text().splitlines()[0]), "origin": {"host": host}}
        history.write_text(json.dumps(first) + "\n")
        return goes_on(died)

    assert (on(socket.gethostname()), on("elsewhere")) == (False, True)
    long_ago = history.stat().st_mtime - ELSEWHERE_S - 1
    os.utime(history, (long_ago, long_ago))
    assert not goes_on(died)


def test_where_nothing_can_be_written_it_is_judged_all_the_same(died: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, private: bool) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(whole_files, "_created", refuse)
    said = judge()
    assert os.strerror(errno.EROFS) in said.stderr
    assert said.stdout.startswith(f"{RUN_ID}: invalid\n")
    assert rebuild_journals(died.parent) == []


def test_what_begins_with_no_drill_is_none_that_died(died: Path) -> None:
    (died / "history.jsonl").write_text('{"event": "birthday"}\n')
    assert rebuild_journals(died.parent) == []
    assert judge().stderr == ""


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("experiment.json", '{"title": "x"}', {"title": "x"}),
        ("experiment.yaml", "title: x\nmethod: []\n", {"title": "x", "method": []}),
        ("experiment.yaml", "- 1\n", {}),
        ("experiment.yaml", "{{", {}),
        ("experiment.yaml", "a: &a [1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in ("ab", "bc")), {
            "a": [1], "b": [[1], [1]], "c": [[[1], [1]], [[1], [1]]]
        }),
        ("experiment.yaml", "a: &a0 [1]\n" + "".join(f"k{n}: &a{n + 1} [{f'*a{n},' * 9}]\n" for n in range(30)), {}),
        ("experiment.yaml", "a: &a [*a]\n", {}),
    ],
)  # fmt: skip
def test_the_experiment_as_it_was(tmp_path: Path, name: str, text: str, found: Any) -> None:
    (tmp_path / name).write_text(text)
    assert experiment_in(tmp_path) == found


@pytest.mark.long
@examples(60)
@given(facts=st.lists(st.dictionaries(st.sampled_from([*PROBE, "phase", "status", "output", "error", "tolerance_met",
       "duration_s", "planned", "state", "breaks", "origin", "configuration", "monotonic_s", "at"]), JSON), max_size=4),
       names=st.lists(st.sampled_from(["activity-started", "activity-ended", "region-state", "lab-broken",
                                       "target-opened", "hypothesis-sampled"]), min_size=4, max_size=4),
       phase=st.sampled_from(["method", "steady-state-before", "steady-state-during", "rollbacks"]))  # fmt: skip
def test_whatever_stands_in_a_history_its_summary_is_made(died: Path, facts: Any, names: Any, phase: str) -> None:
    rows = [{"phase": phase, **one, "event": name} for name, one in zip(names, facts, strict=False)]
    lines = [json.dumps(row) for row in ({"event": "drill-opened", **(facts[0] if facts else {})}, *rows)]
    (died / "history.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("journal.json", "summary.json"):
        (died / name).unlink(missing_ok=True)
    said = judge()
    assert (said.exit_code, said.exception) == (1, said.exception if isinstance(said.exception, SystemExit) else None)
    if not goes_on(died):
        assert problems_of_summary(json.loads((died / "summary.json").read_text())) == []
