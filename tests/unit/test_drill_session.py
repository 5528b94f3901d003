"""A session from its opening to its closing, in this process and without a system to drill."""

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.types import Dry

from chaosdrill import history
from chaosdrill.controls import sampling, startup
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.experiment import ExperimentSource
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.settings import Settings
from chaosdrill.controls.shutdown import close
from chaosdrill.controls.startup import _open_run_directory
from chaosdrill.errors import Refused
from chaosdrill.history import whole_files
from chaosdrill.packet_loss import evidence
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.documents import json_document
from tests.small_drills import do, experiment, step
from tests.synthetic_run import RUN_ID, make_run
from tests.unit.test_rebuilding import killed
from tests.unit.test_topology import RIGHT, written
from tests.waiting import wait_for

ON_LAB = Settings("lab", 0.1, None, "", "", "")
SOURCE = ExperimentSource(None, "try-it", ())
NOWHERE = "http://127.0.0.1:9"  # nobody answers there


@pytest.fixture(autouse=True)
def steps_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPS_FILE", str(tmp_path / "steps"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session of an experiment with a sampled steady state and a safeguard, whose method ends with the test."""
    monkeypatch.setattr(sampling, "EVERY_S", 0.01)
    steady = {**step("probe", "steady", "answer", 1, value=1), "sample": True}
    session = Session(experiment([do("work")], steady=[steady]), {}, None)
    session.arguments = Arguments(safeguards=[step("probe", "guard", "answer", 1, value=1)])
    yield session
    session.end_method()


def threads(session: Session) -> set[str]:
    """The names of the threads that the beginning of the method starts."""
    before = set(threading.enumerate())
    session.begin_method()
    return {one.name for one in set(threading.enumerate()) - before}


GUARDING = {"chaosdrill-safeguard-guard", "chaosdrill-answers-guard"}


def test_the_steady_state_is_sampled_during_the_method(sampled: Session) -> None:
    assert threads(sampled) == {"chaosdrill-sample-steady", *GUARDING}
    row = wait_for(lambda: next((one for one in sampled.record.events if one["event"] == "hypothesis-sampled"), {}))
    assert (row["activity"], row["output"], row["tolerance_met"], row["error"]) == ("steady", 1, True, "")


@pytest.mark.parametrize("dry", [Dry.PROBES, Dry.ACTIONS, Dry.ACTIVITIES])
def test_a_dry_run_samples_nothing_and_is_guarded_all_the_same(sampled: Session, dry: Dry) -> None:
    sampled.experiment = {**sampled.experiment, "dry": dry}
    assert threads(sampled) == GUARDING


def test_a_method_without_a_steady_state_is_guarded_and_not_sampled(sampled: Session) -> None:
    sampled.experiment = experiment([do("work")])
    assert threads(sampled) == GUARDING


@pytest.mark.parametrize(
    ("method_ended", "met", "leaving"),
    [(False, True, False), (False, False, True), (False, None, True), (True, True, True), (True, False, True)],
)
def test_after_a_steady_state_that_is_not_there_only_rollbacks_are_left(
    method_ended: bool, met: bool | None, leaving: bool
) -> None:
    """Then a signal ends nothing more, and the rollbacks are not cut short."""
    session = Session(experiment([do("work")], steady=[step("probe", "steady", "answer", 1, value=1)]), {}, None)
    if method_ended:
        session.begin_method()
        session.end_method()
        session.signals.leaving = False
    session.end_hypothesis(met)
    assert session.signals.leaving is leaving


def test_texts_are_kept_as_they_are_written(tmp_path: Path) -> None:
    session = Session({**experiment([do("work")]), "title": "切替訓練"}, {}, None)
    _open_run_directory(session, ON_LAB, SOURCE)
    close(session, {"status": "completed"})
    assert session.directory is not None
    for name in ("summary.json", "journal.json"):
        assert "切替訓練" in (session.directory / name).read_text(), name


def test_what_was_refused_has_its_codes_in_the_journal(tmp_path: Path) -> None:
    session = Session(experiment([do("work")]), {}, None)
    session.record.refused(Refused("another drill is going on", code="drill-going-on"))
    journal: dict[str, Any] = {"status": "completed"}
    said = close(session, journal)
    assert [one["codes"] for one in said["findings"]] == [["drill-going-on"]]
    assert (said["verdict"], said["run_id"], said["judgement"]) == ("refused", None, None)
    assert (journal["status"], journal["chaosdrill"]["findings"]) == ("aborted", said["findings"])
    assert not (tmp_path / "runs").exists()


def test_the_findings_of_a_drill_that_had_a_run_are_in_its_judgement_alone(tmp_path: Path) -> None:
    session = Session(experiment([do("work")]), {}, None)
    _open_run_directory(session, ON_LAB, SOURCE)
    session.record.refused(Refused("the region state is dark", code="region-state-unexpected"))
    said = close(session, None)
    assert session.directory is not None
    assert "findings" not in said
    assert ["region-state-unexpected"] in [one.get("codes") for one in said["judgement"]["findings"]]
    assert json_document(session.directory / "summary.json")["verdict"] == said["verdict"] == "refused"


@pytest.fixture
def touched(tmp_path: Path) -> Iterator[Session]:
    """A session that may have changed something, on a system none of whose parts answers."""
    configuration = {"topology": str(written(tmp_path, RIGHT)), "load_generator_url": NOWHERE}
    session = Session(experiment([do("work")]), configuration, None)
    _open_run_directory(session, ON_LAB, SOURCE)
    session.touched = True
    yield session
    session.give_up()


@pytest.mark.parametrize(
    ("recorded", "counters"),
    [
        ([], []),
        ([evidence.BEFORE, evidence.RUNNING], []),
        ([evidence.HEALED], [{"value": None}]),
        ([evidence.HEALED, evidence.HEALED], [{"value": None}]),
        ([evidence.HEALED, history.TARGET_LOST], []),
    ],
)
def test_at_the_end_the_drops_are_read_once_when_a_fault_was_healed_and_the_target_is_there(
    touched: Session, recorded: list[str], counters: list[Any]
) -> None:
    for event in recorded:
        touched.record.note(event, why="it is recorded")
    close(touched, None)
    after = [row for row in touched.record.events if row["event"] == evidence.AFTER]
    assert [row["dropped"] for row in after] == counters
    assert ["error" in row["load_clock"] for row in after] == [True] * len(counters), "nobody answers there"


def test_a_drill_that_touched_nothing_reads_nothing_at_its_end(touched: Session) -> None:
    touched.touched = False
    touched.record.note(evidence.HEALED)
    close(touched, None)
    assert evidence.AFTER not in [row["event"] for row in touched.record.events]


def test_the_next_drill_makes_the_journals_of_those_that_died(tmp_path: Path) -> None:
    died = make_run(tmp_path / "runs", events_of=killed, stored=False)
    assert not (died / "journal.json").exists()
    session = Session(experiment([do("work")]), {}, None)
    _open_run_directory(session, ON_LAB, SOURCE)
    session.give_up()
    assert json_document(died / "journal.json")["chaosdrill"]["run_id"] == RUN_ID
    assert not (died / "summary.json").exists(), "judging takes seconds: not before a drill begins"


def test_a_journal_that_cannot_be_made_hinders_neither_the_others_nor_the_next_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = make_run(tmp_path / "runs", events_of=killed, stored=False)
    others = [shutil.copytree(died, died.with_name(f"20260501T09300{n}Z-failover-cd34")) for n in range(3)]
    create = whole_files._created

    def refuse(path: Path, private: bool) -> int:
        if path.parent == died:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return create(path, private)

    monkeypatch.setattr(whole_files, "_created", refuse)
    session = Session(experiment([do("work")]), {}, None)
    _open_run_directory(session, ON_LAB, SOURCE)
    session.give_up()
    assert [row["event"] for row in session.record.events] == ["drill-opened"]
    assert [(one / "journal.json").is_file() for one in (died, *others)] == [False, True, True, True]


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd"), RecursionError("deep"), KeyError("at")])
def test_a_run_of_long_ago_that_cannot_be_mended_keeps_no_drill_from_starting(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(runs: Path) -> list[str]:
        raise error

    monkeypatch.setattr(startup, "rebuild_journals", broken)
    startup._end_what_died(tmp_path)
    assert [row.levelname for row in caplog.records] == ["WARNING"]


@pytest.fixture
def dry(tmp_path: Path) -> Iterator[Session]:
    """A drill whose actions are not run."""
    request: Any = {"type": "http", "url": NOWHERE, "method": "POST", "arguments": {"a": 1}}
    steps = [
        do("work"),
        {"type": "action", "name": "call", "provider": request},
        step("probe", "look", "answer", value=1),
    ]
    session = Session({**experiment(steps), "dry": Dry.ACTIVITIES}, {}, None)
    _open_run_directory(session, ON_LAB, SOURCE)
    session.opened = True
    session.enter("method")
    yield session
    session.give_up()


def planned(session: Session) -> list[dict[str, Any]]:
    for activity in session.experiment["method"]:
        session.begin_activity(activity)
        session.end_activity(activity, {"status": "succeeded", "output": None, "duration": 0.0})
    return [row for row in session.record.events if row["event"] == "calls-planned"]


def test_a_dry_run_records_what_each_action_would_call(dry: Session) -> None:
    work, call = planned(dry)
    assert [(one["activity"], one["phase"], one["why"]) for one in (work, call)] == [
        ("work", "method", ""),
        ("call", "method", ""),
    ]
    names = [(one["service"], one["operation"]) for row in (work, call) for one in row["calls"]]
    assert names == [("python", "tests.steps.do"), ("http", f"POST {NOWHERE}")]
    assert work["calls"][0]["parameters"] == {"arguments": {"what": "work"}}


def test_what_cannot_be_known_says_why(dry: Session) -> None:
    provider = {"type": "python", "module": "chaosdrill.routing.actions", "func": "set_routing"}
    provider |= {"arguments": {"region": "standby"}}
    dry.experiment = {**dry.experiment, "method": [{"type": "action", "name": "route", "provider": provider}]}
    (row,) = planned(dry)
    assert (row["calls"], bool(row["why"])) == ([], True), "there is no topology"


@pytest.mark.parametrize("value", [None, Dry.PROBES, Dry.PAUSE])
def test_a_run_whose_actions_are_run_plans_nothing(dry: Session, value: Dry | None) -> None:
    dry.experiment = {**dry.experiment, "dry": value}
    assert planned(dry) == []
