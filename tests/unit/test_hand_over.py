"""A drill that ends in the other region on purpose leaves its undo to its successor, and to no other drill."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.analysis.summary_fields import handed_over_of
from chaosdrill.controls import context, hand_over, lease
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.experiment import ExperimentSource
from chaosdrill.controls.experiment_checks import check_experiment
from chaosdrill.controls.hand_over import hand_over_undos, pay_accepted_undos, problems_of_hand_over
from chaosdrill.controls.lease import give_back_lease, take_lease
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.startup import _open_run_directory
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import LeaseRequest
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.errors import BadInput, Refused
from chaosdrill.paths import RUNS_VARIABLE
from tests.failing import fails_with
from tests.small_drills import HOME_SERVES, do, experiment
from tests.unit.test_drill_session import ON_LAB

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
AWAY = f"serving({STANDBY})"
RIGHT = {"to": "failback", "within_days": 14}
RESOURCE = "1/global-cluster/bank"
MOVE = {"activity": "fail-over", "module": "chaosdrill.failover.actions", "func": "fail_over", "phase": "method"}
RULE = {"activity": "rule-off", "module": "chaosdrill.automatic_failover.actions", "phase": "method"}
RULE["func"] = "disable_automatic_failover"
LOSS = {"activity": "lose", "module": "chaosdrill.packet_loss.actions", "func": "inject_packet_loss", "phase": "method"}
MOVES = {"undone_by": "fail_back", "part": "failover", "role": "orchestrator", "number": 1}
DISABLES = {"undone_by": "enable_automatic_failover", "part": "automatic_failover", "role": "trigger", "number": 2}
LOSES = {"undone_by": "heal_packet_loss", "part": "packet_loss", "role": "fault", "number": 3}


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("failback", AWAY),
        ({}, AWAY),
        ({"to": "failback"}, AWAY),
        ({**RIGHT, "until": "2027-01-01"}, AWAY),
        ({**RIGHT, "to": "experiments/failback.yaml"}, AWAY),
        ({**RIGHT, "to": "failback.yaml"}, AWAY),
        ({**RIGHT, "to": 7}, AWAY),
        ({**RIGHT, "to": "try-it"}, AWAY),
        *(({**RIGHT, "within_days": days}, AWAY) for days in (0, -1, 367, "soon", True, None, float("nan"))),
        *((RIGHT, end) for end in ("", HOME_SERVES, "dark", None)),
    ],
)
def test_a_hand_over_that_cannot_be_is_a_problem(given: Any, end: Any) -> None:
    assert problems_of_hand_over(given, HOME_SERVES, end, "try-it")


@pytest.mark.parametrize("given", [None, RIGHT, {**RIGHT, "within_days": "0.5"}, {"to": "${next}", "within_days": 1}])
def test_one_that_can_be_is_none(given: Any) -> None:
    assert problems_of_hand_over(given, HOME_SERVES, AWAY, "try-it") == []


def test_it_is_found_before_a_drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = experiment([do("work")], control={"hand_over": {"to": "try-it", "within_days": 0}})
    with pytest.raises(BadInput) as bad:
        check_experiment(what, dict(what["configuration"]), None, ExperimentSource(None, "try-it", ()))
    assert [code for code in bad.value.codes if code == "hand-over-invalid"] == ["hand-over-invalid"] * 3


def requested(run: str, purpose: Any, resources: Any, **more: Any) -> LeaseRequest:
    return LeaseRequest(run, purpose, resources, 60_000, 1_000, this_process(), **more)


class Drilled:
    """Drills of one system that are opened and closed one after another, with what they would record."""

    def __init__(self, coordination: ItemCoordination) -> None:
        self.coordination = coordination

    def open(self, name: str, **control: Any) -> Session:
        session = Session(experiment([do("work")]), {}, None)
        session.arguments = Arguments(**control)
        _open_run_directory(session, ON_LAB, ExperimentSource(None, name, ()))
        session.record.note("target-opened", home=HOME)
        try:
            take_lease(session, name, "", session.stop_requested, session.lease_lost)
        except Refused:
            session.give_up()
            raise
        return session

    def do(self, session: Session, step: dict[str, Any], owes: dict[str, Any]) -> None:
        session.record.note("activity-started", **step, type="action", arguments={}, **owes)
        session._publish_undo(step["activity"], owes["number"])
        session.record.note("activity-ended", **step, status="succeeded", output={"done": True})

    def close(self, session: Session, state: str, lost: bool = False) -> None:
        declared = session.arguments.end or session.arguments.expect
        session.record.note("end-state", state=state, expected=declared)
        if lost:
            session.record.note("lease-lost")
        pay_accepted_undos(session)
        session.pay_undos()
        hand_over_undos(session)
        give_back_lease(session)
        session.give_up()

    def owed(self) -> list[tuple[str, str, str]]:
        return [(one.undo.step, one.state, one.to) for one in self.coordination.read([RESOURCE]).owed]


@pytest.fixture
def drilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drilled:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    coordination = ItemCoordination(FileStore(tmp_path / "coordination"))
    system = SimpleNamespace(topology=SimpleNamespace(coordination=None, target="lab"))
    monkeypatch.setattr(context, "system_of", lambda *_: system)
    for module in (hand_over, lease):
        monkeypatch.setattr(module, "coordination_of", lambda _: coordination)
    monkeypatch.setattr(lease, "lease_keys", lambda _: (RESOURCE,))
    monkeypatch.setattr(lease, "lease_request", lambda _, *asked, **more: requested(*asked, **more))
    return Drilled(coordination)


def stay(drilled: Drilled, state: str = AWAY, lost: bool = False) -> Session:
    """A drill that fails over, to stay."""
    first = drilled.open("stay", expect=HOME_SERVES, end=AWAY, hand_over=RIGHT)
    drilled.do(first, MOVE, MOVES)
    drilled.close(first, state, lost)
    return first


def test_only_its_successor_accepts_it_and_pays_it_at_home(drilled: Drilled) -> None:
    first = stay(drilled)
    assert drilled.owed() == [("fail-over", "handed-over", "failback")]
    (told,) = handed_over_of(first.record.events)
    assert (told["step"], told["undo"], told["to"]) == ("fail-over", "fail_back", "failback")
    with fails_with("undo-owed"):
        drilled.open("stay")
    back = drilled.open("failback", expect=AWAY, end=HOME_SERVES)
    drilled.do(back, {**MOVE, "activity": "fail-back", "func": "fail_back"}, {**MOVES, "undone_by": "fail_over"})
    drilled.close(back, HOME_SERVES)
    assert drilled.owed() == [], "neither what was handed over, nor the way back that paid it"


def test_a_successor_that_does_not_come_home_pays_nothing(drilled: Drilled) -> None:
    stay(drilled)
    drilled.close(drilled.open("failback", expect=AWAY, end=HOME_SERVES), AWAY)
    assert drilled.owed() == [("fail-over", "handed-over", "failback")]


@pytest.mark.parametrize(("state", "lost"), [("dark", False), (AWAY, True)])
def test_what_did_not_end_as_declared_stays_owed(drilled: Drilled, state: str, lost: bool) -> None:
    stay(drilled, state, lost)
    assert drilled.owed() == [("fail-over", "owed", "")]
    with fails_with("undo-owed"):
        drilled.open("failback")


def test_without_hand_over_the_undo_refuses_the_failback_too(drilled: Drilled) -> None:
    session = drilled.open("stay", expect=HOME_SERVES, end=AWAY)
    drilled.do(session, MOVE, MOVES)
    drilled.close(session, AWAY)
    with fails_with("undo-owed"):
        drilled.open("failback")


def test_a_fault_is_never_left_on_purpose(drilled: Drilled) -> None:
    session = drilled.open("stay", expect=HOME_SERVES, end=AWAY, hand_over=RIGHT)
    drilled.do(session, MOVE, MOVES)
    drilled.do(session, RULE, DISABLES)
    drilled.do(session, LOSS, LOSES)
    drilled.close(session, AWAY)
    assert drilled.owed() == [
        ("fail-over", "handed-over", "failback"),
        ("rule-off", "handed-over", "failback"),
        ("lose", "owed", ""),
    ]
