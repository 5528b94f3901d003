"""The process of an occurrence's drill: guards, the drill itself, and what is recorded of its end."""

import json
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.coordination.holders import this_process
from chaosdrill.gamedays import commands, occurrence_run
from chaosdrill.gamedays.approvals import approve, start_write
from chaosdrill.gamedays.calendar import ApprovalRule, Calendar, Guards, Occurrence
from chaosdrill.gamedays.commands import chaos_run
from chaosdrill.gamedays.events import Entry, Notification
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.occurrence_run import Claim, OccurrenceDrill
from chaosdrill.paths import VARIABLE
from chaosdrill.runs.tags import tags_of
from tests.small_drills import REPOSITORY
from tests.unit.gamedays_rig import T0, Ledgers, calendar, game_day
from tests.waiting import wait_for

OCCURRENCE = Occurrence("monthly", T0)
DRILL = """
import json, os, pathlib, signal, sys, time
from chaosdrill.history.log import History
directory = pathlib.Path(os.environ["CHAOSDRILL_HOME"]) / "runs" / "20270110T170001Z-failover-ab12"
directory.mkdir(parents=True)
history = History(directory / "history.jsonl")
history.append("drill-opened", run_id=directory.name, occurrence=os.environ["CHAOSDRILL_OCCURRENCE"])
step = dict(activity="fail-over", func="fail_over", phase="method", arguments={"region": "ap-northeast-3"})
history.append("activity-started", **step)
{middle}
history.append("activity-ended", **step, status="succeeded")
history.close()
summary = dict(version=3, verdict="passed", reasons=["every step was done"],
    changes=[dict(activity="of-others", outcome="unknown")])
(directory / "summary.json").write_text(json.dumps(summary))
"""


class Drilled:
    """A claimed occurrence, whose ``chaos run`` is another program."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self.place, self._patch = place, patch
        self.store = Ledgers(place / "ledger.sqlite")
        self.notices: list[Notification] = []
        (place / "failover.yaml").write_text("title: a drill\n")
        patch.setattr("chaosdrill.gamedays.notifications.background.notify", self._notify)
        patch.setattr(occurrence_run, "POLL_S", 0.05)

    def _notify(self, _: Calendar, notices: list[Notification], __: Any) -> None:
        self.notices += notices

    def drill(self, program: str, **facts: Any) -> OccurrenceDrill:
        """Claim the occurrence; its drill is the program."""
        path = self.place / "drill.py"
        path.write_text(textwrap.dedent(program))
        self._patch.setattr(occurrence_run, "chaos_run", lambda *_: [sys.executable, str(path)])
        self._patch.setenv("PYTHONPATH", str(REPOSITORY))
        day = game_day(experiment=self.place / "failover.yaml", **{"topology": None, "tags": ("monthly",), **facts})
        ledger, entry = Ledger(self.store), Entry(OCCURRENCE, "claimed", began_ms=T0)
        token = ledger.claim(entry, this_process())
        file = self.place / "gamedays.yaml"
        return OccurrenceDrill(calendar(day, file=file), self.store, Claim(entry, token))

    def entry(self) -> Entry:
        record = Ledger(self.store).entry(OCCURRENCE)
        assert record is not None
        return record.entry

    def notified(self) -> list[str]:
        return list(dict.fromkeys(one.notice for one in self.notices))


@pytest.fixture
def drilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drilled:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    return Drilled(tmp_path, monkeypatch)


def waiting_for(place: Path) -> str:
    """A middle of a drill that lasts until the test has made a file."""
    return f"while not pathlib.Path({str(place / 'go')!r}).exists(): time.sleep(0.01)"


def test_a_drill_is_recorded_tagged_and_notified_of(drilled: Drilled) -> None:
    drill = drilled.drill(DRILL.replace("{middle}", waiting_for(drilled.place)))
    thread = threading.Thread(target=lambda: wait_for(drilled.notified) and (drilled.place / "go").touch())
    thread.start()
    ended = drill.run()
    thread.join()
    assert (ended.outcome, ended.verdict, ended.run) == ("ran", "passed", "20270110T170001Z-failover-ab12")
    assert replace(drilled.entry(), at_ms=0) == ended
    assert tags_of(drilled.place / "home" / "runs" / ended.run) == ("monthly",)
    assert drilled.notified() == ["started", "transition", "finished"]
    assert not list(drilled.place.rglob("variables.json")), "secrets are among them"
    states = {one.facts["state"]: one.facts for one in drilled.notices if one.notice == "transition"}
    assert set(states) == {"began", "ended"}
    assert (states["began"]["transition"], states["began"]["to"]) == ("failover", "ap-northeast-3")


@pytest.mark.parametrize(
    ("program", "outcome", "code"),
    [
        ("raise SystemExit(1)", "refused", "drill-not-begun"),
        ("import os; os.kill(os.getpid(), 9)", "died", "process-died"),
        (DRILL.replace("{middle}", "os.kill(os.getpid(), 9)"), "died", "process-died"),
    ],
)
def test_a_drill_that_leaves_no_verdict_has_not_run(drilled: Drilled, program: str, outcome: str, code: str) -> None:
    ended = drilled.drill(program).run()
    assert (ended.outcome, ended.code, ended.verdict) == (outcome, code, "")
    assert drilled.entry().outcome == outcome
    assert drilled.notified()[-1] == ("died" if outcome == "died" else "not-run")


def test_a_drill_that_could_not_undo_everything_is_notified_of_before_its_end_is_recorded(
    drilled: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger may be out of reach for minutes, and the process may be killed meanwhile."""
    owing = DRILL.replace("of-others", "fail-back").replace("unknown", "not-undone").replace("{middle}", "")
    drill = drilled.drill(owing)
    record = drill._record

    def record_late(ended: Entry) -> None:
        wait_for(lambda: "rollback-failed" in drilled.notified())
        record(ended)

    monkeypatch.setattr(drill, "_record", record_late)
    assert drill.run().owed == ("fail-back",)
    assert drilled.notified()[-2:] == ["rollback-failed", "finished"]
    assert drilled.entry().owed == ("fail-back",)


@pytest.mark.parametrize("edit", ["", "file", "variable", "approval"])
def test_only_the_plan_that_was_approved_begins(drilled: Drilled, edit: str) -> None:
    """Also when it was edited after the claim, while the guards were checked."""
    facts: dict[str, Any] = {"approval": ApprovalRule(by=("uid:1001",))}
    edited = {"variables": {"users": 1000}} if edit == "variable" else {}
    drill = drilled.drill("import pathlib; pathlib.Path('begun').touch(); raise SystemExit(1)", **facts, **edited)
    if edit != "approval":
        day = game_day(experiment=drilled.place / "failover.yaml", topology=None, **facts)
        given = approve(drilled.store, day, OCCURRENCE, "uid:1001")
        drilled.store.transact([start_write(given, OCCURRENCE)])
    if edit == "file":
        (drilled.place / "failover.yaml").write_text("title: another drill\n")
    ended = drill.run()
    codes = {"": "drill-not-begun", "approval": "approval-missing"}
    assert (ended.outcome, ended.code) == ("refused", codes.get(edit, "approval-void"))
    assert (drilled.place / "begun").exists() is (edit == "")


def test_a_refusal_before_there_is_a_run_is_that_of_the_journal(drilled: Drilled) -> None:
    said = {"verdict": "refused", "reasons": ["lease"], "findings": [{"code": "lease-held"}]}
    drill = drilled.drill("")
    program = f"import pathlib; pathlib.Path({str(drill._directory / 'journal.json')!r}).write_text('''{{}}''')"
    (drilled.place / "drill.py").write_text(program.replace("{}", json.dumps({"chaosdrill": said})))
    ended = drill.run()
    assert (ended.outcome, ended.code, ended.why, ended.run) == ("refused", "lease-held", "lease", "")


def test_a_signal_is_sent_on_once_and_the_drill_ends_in_order(
    drilled: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drill that has received a signal itself would take a second one for the wish to leave its rollbacks out."""
    monkeypatch.setattr(occurrence_run, "FORWARD_AFTER_S", 0.0)
    count = drilled.place / "signals"
    middle = f"""
received = []
def take(*_):
    received.append(1)
    history.append("interrupted", signal="SIGTERM")
signal.signal(signal.SIGTERM, take)
pathlib.Path({str(drilled.place / "ready")!r}).touch()
while not received: time.sleep(0.01)
{waiting_for(drilled.place)}
pathlib.Path({str(count)!r}).write_text(str(len(received)))
"""
    drill, received = drilled.drill(DRILL.replace("{middle}", middle)), []
    receive = drill._received
    monkeypatch.setattr(drill, "_received", lambda *signal: received.append(signal) or receive(*signal))

    def interrupt() -> None:
        wait_for((drilled.place / "ready").exists)
        wait_for(drilled.notified)  # the run is known
        os.kill(os.getpid(), signal.SIGTERM)
        history = drilled.place / "home" / "runs" / "20270110T170001Z-failover-ab12" / "history.jsonl"
        read: Callable[[], bool] = lambda: "interrupted" in history.read_text()  # noqa: E731
        wait_for(read)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: len(received) == 2 and not drill._signals)
        (drilled.place / "go").touch()

    thread = threading.Thread(target=interrupt)
    thread.start()
    ended = drill.run()
    thread.join()
    assert (ended.outcome, count.read_text()) == ("ran", "1")


def test_a_secret_that_is_not_set_refuses(drilled: Drilled) -> None:
    ended = drilled.drill("", variables={"password": {"secret": "NOT_SET_ANYWHERE"}}).run()
    assert (ended.outcome, ended.code) == ("refused", "argument-missing")


def test_variables_objectives_and_system_reach_the_drill(drilled: Drilled, monkeypatch: pytest.MonkeyPatch) -> None:
    topology = drilled.place / "aws.yaml"
    monkeypatch.setattr(commands, "_system", lambda _: {"target": "aws", "topology": str(topology)})
    monkeypatch.setenv("THE_SECRET", "open sesame")
    day = game_day(
        experiment=drilled.place / "failover.yaml",
        variables={"change_ticket": "CHG1", "password": {"secret": "THE_SECRET"}},
        objectives={"rto_s": 300.0},
    )
    values = commands.write_variables(day, drilled.place)
    expected = {"change_ticket": "CHG1", "password": "open sesame", "rto_s": 300.0}
    assert values == {**expected, "target": "aws", "topology": str(topology)}
    assert json.loads((drilled.place / "variables.json").read_text()) == {"configuration": values}
    assert (drilled.place / "variables.json").stat().st_mode & 0o077 == 0
    environment = commands.environment_of(calendar(day), day, OCCURRENCE)
    named = [environment[f"CHAOSDRILL_{name}"] for name in ("TARGET", "TOPOLOGY", "OCCURRENCE")]
    assert named == ["aws", str(topology), OCCURRENCE.key]
    assert str(drilled.place / "variables.json") in chaos_run(day.experiment, drilled.place, "journal")


def probe(tolerance: int) -> dict[str, Any]:
    call = {"type": "process", "path": sys.executable, "arguments": ["-c", "raise SystemExit(0)"]}
    return {"type": "probe", "name": "no-deployment", "tolerance": tolerance, "provider": call}


@pytest.mark.parametrize(("tolerance", "code"), [(0, "drill-not-begun"), (7, "guard-not-met")])
def test_the_probes_of_a_game_day_guard_its_drill(drilled: Drilled, tolerance: int, code: str) -> None:
    ended = drilled.drill("raise SystemExit(1)", guards=Guards(probes=(probe(tolerance),))).run()
    assert (ended.outcome, ended.code) == ("refused", code)


@pytest.mark.parametrize(
    ("printed", "guards", "code"),
    [
        ([{"outcome": "ok", "code": ""}, {"outcome": "warning", "code": "clock-offset"}], Guards(), "drill-not-begun"),
        ([{"outcome": "refuse", "code": "alarm-in-alarm"}], Guards(), "alarm-in-alarm"),
        ([{"outcome": "refuse", "code": "clock-offset"}], Guards(), "clock-offset"),
        ([{"outcome": "refuse", "code": "alarm-in-alarm"}], Guards(preflight=False), "alarm-in-alarm"),
        ([{"outcome": "refuse", "code": "clock-offset"}], Guards(preflight=False), "drill-not-begun"),
        ([{"outcome": "refuse", "code": "alarm-in-alarm"}], Guards(alarms_quiet=False), "drill-not-begun"),
        ("no JSON", Guards(), "guard-unreadable"),
    ],
)
def test_the_preflight_and_the_alarms_guard_a_drill(
    drilled: Drilled, monkeypatch: pytest.MonkeyPatch, printed: Any, guards: Guards, code: str
) -> None:
    preflight = drilled.place / "preflight.py"
    preflight.write_text(f"print({json.dumps(json.dumps(printed))!s})" if printed != "no JSON" else "print('no')")
    run = occurrence_run.check_guards.__globals__["_run"]
    inside = lambda command, *rest: run([sys.executable, str(preflight)], *rest)  # noqa: E731
    monkeypatch.setitem(occurrence_run.check_guards.__globals__, "_run", inside)
    monkeypatch.setattr(commands, "_system", lambda _: {})
    ended = drilled.drill("raise SystemExit(1)", guards=guards, topology=drilled.place / "aws.yaml").run()
    assert (ended.outcome, ended.code) == ("refused", code)
