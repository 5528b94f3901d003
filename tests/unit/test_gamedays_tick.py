"""Ticks over a real ledger: each occurrence is started once, and every outcome is recorded."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.coordination.holders import this_process
from chaosdrill.errors import CannotSee
from chaosdrill.gamedays import occurrence_run
from chaosdrill.gamedays.approvals import approve, revoke
from chaosdrill.gamedays.calendar import ApprovalRule, Calendar, Channel, Occurrence
from chaosdrill.gamedays.decisions import GRACE_MS, MINUTE_MS
from chaosdrill.gamedays.events import Entry, Notification
from chaosdrill.gamedays.launch import CLAIM_VARIABLE, directory_of, launch
from chaosdrill.gamedays.ledger import Ledger, Pause, Record
from chaosdrill.gamedays.notifications import Deliveries, notify
from chaosdrill.gamedays.tick import Ticked, tick
from chaosdrill.gamedays.tick_inputs import BEGINS_WITHIN_MS, SILENT_MS, end_of
from chaosdrill.history.log import History
from chaosdrill.paths import VARIABLE
from chaosdrill.runs.tags import tags_of
from tests.failing import fails_with
from tests.unit.gamedays_rig import T0, Ledgers, calendar, game_day, use_rules
from tests.waiting import wait_for
from tests.webhooks import webhook_receiver

OCCURRENCE = Occurrence("monthly", T0)


class Ticker:
    """A calendar, a ledger, and the drills that ticks start."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.store = Ledgers(place / "ledger.sqlite")
        self.ledger = Ledger(self.store)
        self.started: list[tuple[Occurrence, str]] = []
        (place / "failover.yaml").write_text("title: a drill\n")
        self.calendar = self.of()

    def of(self, *instants: int, **facts: Any) -> Calendar:
        day = game_day("monthly", *instants, experiment=self.place / "failover.yaml", topology=None, **facts)
        return calendar(day, file=self.place / "gamedays.yaml")

    def start(self, _: Calendar, occurrence: Occurrence, token: str) -> None:
        self.started.append((occurrence, token))

    def tick(self, time_ms: int, **facts: Any) -> Ticked:
        self.store.time_ms = time_ms
        return tick(self.calendar, self.store, **{"start": self.start, **facts})

    def entry(self, occurrence: Occurrence = OCCURRENCE) -> Entry:
        record = self.ledger.entry(occurrence)
        assert record is not None
        return record.entry


@pytest.fixture
def ticker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ticker:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    use_rules(monkeypatch)
    return Ticker(tmp_path)


def test_a_tick_claims_and_starts_what_is_due_once(ticker: Ticker) -> None:
    assert ticker.tick(T0 - MINUTE_MS).launched == ()
    assert ticker.tick(T0 + 2_000).launched == (OCCURRENCE,)
    assert ticker.tick(T0 + 3_000).launched == ()
    ((occurrence, token),) = ticker.started
    entry = ticker.entry()
    assert (occurrence, entry.outcome, entry.by) == (OCCURRENCE, "claimed", "schedule")
    assert entry.digest.startswith("sha256:")
    assert ticker.ledger.begin(OCCURRENCE, token, this_process())


def test_a_tick_that_launches_nothing_leaves_drills_to_others_and_records_what_they_missed(ticker: Ticker) -> None:
    ticker.tick(T0 - MINUTE_MS)
    assert ticker.tick(T0, launches=False).launched == ()
    ticker.tick(T0 + GRACE_MS + MINUTE_MS, launches=False)
    assert (ticker.started, ticker.entry().outcome) == ([], "missed")


def test_a_drill_that_cannot_be_started_is_recorded(ticker: Ticker) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no more processes")

    ticker.tick(T0 - MINUTE_MS)
    (recorded,) = ticker.tick(T0, start=fail).recorded
    assert (recorded.code, ticker.entry().outcome) == ("launch-failed", "refused")


def left_variables(occurrence: Occurrence = OCCURRENCE) -> Path:
    """Write the variables of a drill, as a process that is killed then does."""
    path = directory_of(occurrence) / "variables.json"
    path.write_text("{}")
    return path


@pytest.mark.parametrize("by_hand", [False, True])
def test_variables_of_a_process_that_was_killed_are_removed(ticker: Ticker, by_hand: bool) -> None:
    ticker.tick(T0 - MINUTE_MS)
    ticker.tick(T0)
    assert ticker.ledger.begin(OCCURRENCE, ticker.started[0][1], dead_process())
    path = left_variables()
    if by_hand:
        occurrence_run.claim(ticker.calendar, Occurrence("monthly", T0 - MINUTE_MS), ticker.store, by="uid:1000")
    else:
        ticker.tick(T0 + MINUTE_MS)
    assert not path.exists()


@pytest.mark.parametrize("has_begun", [False, True])
def test_variables_of_a_drill_are_there_until_it_has_read_them(ticker: Ticker, has_begun: bool) -> None:
    ticker.tick(T0 - MINUTE_MS)
    ticker.tick(T0)
    assert ticker.ledger.begin(OCCURRENCE, ticker.started[0][1], this_process())
    path = left_variables()
    if has_begun:
        run_directory(ticker.place / "home")
    ticker.tick(T0 + MINUTE_MS)
    assert path.exists() != has_begun


@pytest.mark.parametrize("age_s", [86_300, 86_500])
def test_variables_of_another_calendar_are_removed_after_a_day(ticker: Ticker, age_s: int) -> None:
    path = left_variables(Occurrence("of-another", T0))
    written_s = path.stat().st_mtime - age_s
    os.utime(path, (written_s, written_s))
    ticker.tick(T0)
    assert path.exists() == (age_s < 86_400)


def test_an_experiment_that_cannot_be_read_refuses(ticker: Ticker) -> None:
    ticker.tick(T0 - MINUTE_MS)
    (ticker.place / "failover.yaml").unlink()
    ticker.tick(T0)
    assert (ticker.started, ticker.entry().code) == ([], "plan-unreadable")


def test_a_claim_that_nothing_begins_is_recorded_as_died(ticker: Ticker) -> None:
    ticker.tick(T0 - MINUTE_MS)
    ticker.tick(T0)
    ticker.tick(T0 + BEGINS_WITHIN_MS)
    assert ticker.entry().outcome == "claimed"
    ticker.tick(T0 + BEGINS_WITHIN_MS + 1)
    assert (ticker.entry().outcome, ticker.entry().code) == ("died", "not-begun")
    assert ticker.tick(T0 + 2 * BEGINS_WITHIN_MS).launched == (), "it is not started again"


def dead_process() -> Any:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    holder = replace(this_process(), pid=child.pid, started=float(started))
    child.communicate(b"\n")
    return holder


def run_directory(home: Path, summary: dict[str, Any] | None = None) -> Path:
    directory = home / "runs" / "20270110T170001Z-failover-ab12"
    directory.mkdir(parents=True)
    history = History(directory / "history.jsonl")
    history.append("drill-opened", run_id=directory.name, occurrence=OCCURRENCE.key)
    history.close()
    if summary:
        (directory / "summary.json").write_text(json.dumps({"version": 3, **summary}))
    return directory


def test_a_process_of_this_machine_that_ended_is_dead_and_one_that_lives_is_not(ticker: Ticker) -> None:
    entry = Entry(OCCURRENCE, "claimed", began_ms=T0)
    assert end_of(Record(entry, "t", this_process(), T0), T0 + SILENT_MS) is None
    dead = end_of(Record(entry, "t", dead_process(), T0), T0)
    assert dead is not None
    assert (dead.outcome, dead.code) == ("died", "process-died")


def test_a_process_of_another_machine_is_dead_when_it_is_silent(ticker: Ticker) -> None:
    record = Record(Entry(OCCURRENCE, "claimed"), "t", replace(this_process(), boot_id="another"), T0)
    assert end_of(record, T0 + SILENT_MS) is None
    silent = end_of(record, T0 + SILENT_MS + 1)
    assert silent is not None
    assert silent.outcome == "died"


def test_a_drill_goes_on_without_the_process_that_records_its_end(ticker: Ticker) -> None:
    record = Record(Entry(OCCURRENCE, "claimed", began_ms=T0), "t", dead_process(), T0)
    directory = run_directory(ticker.place / "home")
    with (directory / "history.jsonl").open("a"):
        pass
    history = History(directory / "history.jsonl")  # whoever writes it holds its lock
    try:
        assert end_of(record, T0) is None
    finally:
        history.close()
    dead = end_of(record, T0)
    assert dead is not None
    assert (dead.outcome, dead.run) == ("died", directory.name)


@pytest.mark.parametrize(("verdict", "outcome"), [("passed", "ran"), ("invalid", "ran"), ("refused", "refused")])
def test_a_drill_that_ended_without_its_process_has_its_verdict(ticker: Ticker, verdict: str, outcome: str) -> None:
    record = Record(Entry(OCCURRENCE, "claimed", began_ms=T0), "t", dead_process(), T0)
    figures = {"error_s": {"value": 7.0}}
    judgement = {"figures": figures, "findings": [{"code": "lease-held"}]}
    directory = run_directory(
        ticker.place / "home", {"verdict": verdict, "reasons": ["a reason"], "judgement": judgement}
    )
    ended = end_of(record, T0)
    assert ended is not None
    assert (ended.outcome, ended.verdict, ended.run) == (outcome, verdict, directory.name)
    assert (ended.error_seconds, ended.fis_minutes, ended.why) == (7.0, 0.0, "a reason")
    assert ended.code == ("lease-held" if verdict == "refused" else "")


def test_a_tick_notifies_of_a_drill_that_ended_without_its_process(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over: list[Notification] = []
    monkeypatch.setattr("chaosdrill.gamedays.tick.notify", lambda _, notices, __: handed_over.extend(notices))
    others = [{"activity": "fail-over", "outcome": "as-meant"}, {"activity": "of-others", "outcome": "unknown"}]
    changes = [{"activity": "fail-back", "outcome": "not-undone"}, *others]
    ticker.calendar = ticker.of(tags=("monthly",))
    directory = run_directory(ticker.place / "home", {"verdict": "failed", "reasons": ["r"], "changes": changes})
    ticker.ledger.claim(Entry(OCCURRENCE, "claimed", began_ms=T0), dead_process())
    ticker.tick(T0)
    last = {one.key: one for one in handed_over}  # of two with one key the last one is sent
    assert [one.notice for one in last.values()] == ["rollback-failed", "finished"]
    assert [one.facts["owed"] for one in last.values() if one.notice == "rollback-failed"] == [["fail-back"]]
    assert all(one.facts["reason"] == "r" for one in last.values()), "with everything that the run says"
    assert (ticker.entry().verdict, ticker.entry().owed) == ("failed", ("fail-back",))
    assert tags_of(directory) == ("monthly",)


@pytest.mark.parametrize("was_sent", [False, True])
def test_a_failed_rollback_is_notified_of_once_also_when_its_process_is_killed_after_it_has_recorded_the_end(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch, was_sent: bool
) -> None:
    """The run is on another machine: what the tick says, it says by the ledger alone."""
    monkeypatch.setenv("SIGNING_KEY", f"whsec_{base64.b64encode(b'k' * 24).decode()}")
    ticker.tick(T0 - MINUTE_MS)
    ticker.tick(T0)
    token = ticker.started[0][1]
    ended = Entry(OCCURRENCE, "ran", run="r1", verdict="failed", began_ms=T0, owed=("fail-back", "heal"))
    with webhook_receiver() as receiver:
        settings = {"url": receiver.url, "signing_key": {"secret": "SIGNING_KEY"}}
        ticker.calendar = replace(ticker.calendar, channels={"pager": Channel("pager", "webhook", settings)})
        if was_sent:
            facts = {"run": "r1", "owed": ["fail-back", "heal"]}
            notify(ticker.calendar, [Notification("rollback-failed", OCCURRENCE, facts)], Deliveries(ticker.store))
        assert ticker.ledger.finish(ended, token)
        ticker.tick(T0 + MINUTE_MS)
        ticker.tick(T0 + 2 * MINUTE_MS)
        (message,) = (json.loads(body)["data"] for _, body in receiver.received)
    assert (message["notice"], message["priority"]) == ("rollback-failed", "urgent")
    assert (message["facts"]["owed"], message["facts"]["run"]) == (["fail-back", "heal"], "r1")
    assert "chaosdrill rescue r1" in message["text"]


def test_a_drill_that_goes_on_without_its_process_is_notified_of_by_ticks(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over: list[Notification] = []
    monkeypatch.setattr("chaosdrill.gamedays.tick.notify", lambda _, notices, __: handed_over.extend(notices))
    directory = run_directory(ticker.place / "home")
    ticker.ledger.claim(Entry(OCCURRENCE, "claimed", began_ms=T0), dead_process())
    history = History(directory / "history.jsonl")  # whoever writes it holds its lock
    try:
        step = {"activity": "fail-over", "func": "fail_over", "phase": "method"}
        history.append("activity-started", **step)
        ticker.tick(T0)
        history.append("activity-ended", **step, status="succeeded")
    finally:
        history.close()
    assert [one.notice for one in handed_over] == ["started", "transition"]
    assert handed_over[0].facts == {"run": directory.name, "by": "schedule"}
    (directory / "summary.json").write_text(json.dumps({"version": 3, "verdict": "passed", "reasons": ["r"]}))
    ticker.tick(T0 + MINUTE_MS)
    ended = [(one.notice, one.facts.get("state")) for one in handed_over[2:]]
    assert ended == [("transition", "began"), ("transition", "ended"), ("finished", None)]


def test_the_faults_of_a_run_use_minutes_of_fis_that_have_begun(ticker: Ticker) -> None:
    directory = run_directory(ticker.place / "home", {"verdict": "passed", "reasons": ["r"]})
    events = [
        {"event": "fault-started", "at": "2027-01-10T17:00:10.000Z"},
        {"event": "fault-started", "at": "2027-01-10T17:02:00.000Z"},
        {"event": "fault-healed", "at": "2027-01-10T17:03:00.000Z"},
    ]
    with (directory / "history.jsonl").open("a") as history:
        history.writelines(json.dumps(event) + "\n" for event in events)
    ended = end_of(Record(Entry(OCCURRENCE, "claimed", began_ms=T0), "t", dead_process(), T0), T0)
    assert ended is not None
    assert (ended.fis_minutes, ended.error_seconds) == (3 + 1, None)


def needs_approval(ticker: Ticker) -> None:
    ticker.calendar = ticker.of(approval=ApprovalRule(("uid:4711",)))


def test_an_approval_is_used_by_the_claim_and_an_edit_voids_it(ticker: Ticker) -> None:
    needs_approval(ticker)
    ticker.tick(T0 - MINUTE_MS)
    approve(ticker.store, ticker.calendar.game_days["monthly"], OCCURRENCE, "uid:4711")
    (ticker.place / "failover.yaml").write_text("title: another drill\n")
    ticker.tick(T0)
    assert (ticker.started, ticker.entry().outcome, ticker.entry().code) == ([], "expired", "approval-void")


def test_an_approved_occurrence_begins_and_its_approval_can_no_longer_be_revoked(ticker: Ticker) -> None:
    needs_approval(ticker)
    ticker.tick(T0 - MINUTE_MS)
    approve(ticker.store, ticker.calendar.game_days["monthly"], OCCURRENCE, "uid:4711")
    assert ticker.tick(T0).launched == (OCCURRENCE,)
    with fails_with("approval-started"):
        revoke(ticker.store, OCCURRENCE, "uid:4711")


def test_who_starts_a_drill_cannot_be_determined_so_nothing_begins(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> str:
        raise CannotSee("STS does not respond", code="principal-unreadable")

    monkeypatch.setattr("chaosdrill.gamedays.tick_inputs.principal_of_process", fail)
    needs_approval(ticker)
    ticker.tick(T0 - MINUTE_MS)
    ticker.tick(T0)
    assert (ticker.started, ticker.entry().code) == ([], "principal-unreadable")


def test_a_run_of_another_scheduler_claims_by_the_rules_of_a_tick(ticker: Ticker) -> None:
    with fails_with("occurrence-not-planned"):
        occurrence_run.claim(ticker.calendar, OCCURRENCE, ticker.store)
    ticker.tick(T0 - MINUTE_MS, launches=False)
    ticker.store.time_ms = T0 - 1
    with fails_with("occurrence-not-due"):
        occurrence_run.claim(ticker.calendar, OCCURRENCE, ticker.store)
    ticker.store.time_ms = T0 + MINUTE_MS
    claimed = occurrence_run.claim(ticker.calendar, OCCURRENCE, ticker.store)
    assert isinstance(claimed, occurrence_run.Claim)
    assert occurrence_run.claim(ticker.calendar, OCCURRENCE, ticker.store) == ticker.entry(), (
        "another one does not run it"
    )
    assert ticker.tick(T0 + 2 * MINUTE_MS).launched == ()


def test_a_late_run_of_another_scheduler_is_recorded_as_missed(ticker: Ticker) -> None:
    ticker.tick(T0 - MINUTE_MS, launches=False)
    ticker.store.time_ms = T0 + GRACE_MS + MINUTE_MS
    missed = occurrence_run.claim(ticker.calendar, OCCURRENCE, ticker.store)
    assert isinstance(missed, Entry)
    assert (missed.outcome, ticker.entry().outcome) == ("missed", "missed")


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_run_by_hand_obeys_the_same_rules_and_is_recorded_as_such(ticker: Ticker, is_paused: bool) -> None:
    ticker.store.time_ms = T0 + 7 * MINUTE_MS
    if is_paused:
        ticker.ledger.pause("monthly", Pause(T0, T0 + 8 * MINUTE_MS))
    occurrence = Occurrence("monthly", T0 + 7 * MINUTE_MS)
    found = occurrence_run.claim(ticker.calendar, occurrence, ticker.store, by="uid:1000")
    entry = ticker.entry(occurrence)
    assert entry.by == "uid:1000"
    assert isinstance(found, Entry) == is_paused
    assert (entry.outcome, entry.code) == (("refused", "paused") if is_paused else ("claimed", ""))


def test_only_the_process_that_was_launched_takes_a_claim_over(ticker: Ticker) -> None:
    ticker.tick(T0 - MINUTE_MS)
    ticker.tick(T0)
    with fails_with("claim-taken"):
        occurrence_run.take_claim(OCCURRENCE, ticker.store, "another")
    assert occurrence_run.take_claim(OCCURRENCE, ticker.store, ticker.started[0][1]).entry.occurrence == OCCURRENCE


def test_a_launched_process_has_a_session_of_its_own_and_its_claim(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os; print(os.getsid(0) == os.getpid(), os.environ['{CLAIM_VARIABLE}'], flush=True)"
    monkeypatch.setattr("chaosdrill.gamedays.launch.run_command", lambda *_: [sys.executable, "-c", code])
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    launch(ticker.calendar, OCCURRENCE, "the-token")
    read: Callable[[], str] = lambda: (directory_of(OCCURRENCE) / "run.log").read_text()  # noqa: E731
    assert wait_for(read).split() == ["True", "the-token"]


@pytest.mark.parametrize("makes_scopes", [True, False])
def test_a_tick_in_a_service_of_systemd_starts_a_drill_in_a_scope_where_it_can(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch, makes_scopes: bool
) -> None:
    """systemd ends everything that a service has started when the service ends."""
    programs = ticker.place / "bin"
    programs.mkdir()
    systemd_run = programs / "systemd-run"
    scope = 'while [ "${1#--}" != "$1" ]; do shift; done\nIN_SCOPE=yes exec "$@"\n'
    systemd_run.write_text("#!/bin/sh\n" + (scope if makes_scopes else "exit 1\n"))
    systemd_run.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("INVOCATION_ID", "of the tick")
    monkeypatch.setattr("chaosdrill.gamedays.launch.SYSTEMD", programs)
    code = "import os; print(os.environ.get('IN_SCOPE', 'no'), flush=True)"
    monkeypatch.setattr("chaosdrill.gamedays.launch.run_command", lambda *_: [sys.executable, "-c", code])
    launch(ticker.calendar, OCCURRENCE, "the-token")
    read: Callable[[], str] = lambda: (directory_of(OCCURRENCE) / "run.log").read_text()  # noqa: E731
    assert wait_for(read).strip() == ("yes" if makes_scopes else "no")
