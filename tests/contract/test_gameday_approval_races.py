"""Approvals and findings in every store; a start and a revocation at the same moment exclude each other."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from chaosdrill.aws import System
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.errors import Refused
from chaosdrill.gamedays.approvals import MINUTE_MS, approve, read_approvals, read_decision, revoke, start_write
from chaosdrill.gamedays.calendar import ApprovalRule, GameDay, Occurrence, Schedule, Window
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.findings import Assignment
from chaosdrill.gamedays.identities import principal_of_process
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.observations import Observation, ShownFinding
from chaosdrill.gamedays.run_observations import assign, findings_of, observe, recorded
from tests.contract.activities_rig import Rig
from tests.contract.test_coordination import busy_machine, store
from tests.failing import fails_with
from tests.unit.test_gameday_findings import FIRST, failing, stored

__all__ = ["busy_machine", "store"]
ALICE, CAROL = "uid:1001", "uid:1003"


@pytest.fixture
def game_day(tmp_path: Path) -> GameDay:
    (tmp_path / "failover.yaml").write_text("title: failover\n")
    return GameDay(
        id=f"weekly-{uuid.uuid4().hex[:8]}",  # the table is shared
        name="Weekly failover",
        owner="sre",
        experiment=tmp_path / "failover.yaml",
        topology=None,
        schedule=Schedule(ZoneInfo("UTC"), cron="0 2 * * 6"),
        window=Window(time(2), time(5)),
        worst_case_min=60,
        approval=ApprovalRule(by=(ALICE,)),
    )


def test_a_start_and_a_revocation_exclude_each_other(store: ItemStore, game_day: GameDay) -> None:
    """Whichever comes first, a drill has not started with an approval that is revoked."""
    began = revoked = 0
    for number in range(6):
        occurrence = Occurrence(game_day.id, (store.now_ms() // MINUTE_MS + 600 + number) * MINUTE_MS)
        approve(store, game_day, occurrence, ALICE)
        approval = read_decision(store, game_day, occurrence, CAROL).approval
        assert approval is not None

        def start(occurrence: Occurrence = occurrence, write: object = start_write(approval, occurrence)) -> bool:
            claimed = Entry(occurrence, "claimed")
            return bool(Ledger(store).claim(claimed, None, [write]))  # type: ignore[list-item]

        def withdraw(occurrence: Occurrence = occurrence) -> bool:
            try:
                return bool(revoke(store, occurrence, CAROL))
            except (ConditionFailed, Refused):
                return False

        with ThreadPoolExecutor(2) as pool:
            order = (start, withdraw) if number % 2 else (withdraw, start)
            done = {job.__name__: pool.submit(job) for job in order}
        has_begun, was_revoked = (done[name].result() for name in ("start", "withdraw"))
        assert has_begun != was_revoked
        (kept,) = read_approvals(store, occurrence)
        assert kept.state == ("started" if has_begun else "revoked")
        assert (Ledger(store).entry(occurrence) is not None) == has_begun
        began, revoked = began + has_begun, revoked + was_revoked
    assert began + revoked == 6


def test_findings_and_their_assignment_are_kept(store: ItemStore, tmp_path: Path) -> None:
    system = f"system-{uuid.uuid4().hex[:8]}"
    observe(store, system, stored(tmp_path / "runs", FIRST, **failing()))
    (kept,) = recorded(store, system)
    assert (kept.run, [one.name for one in kept.shown]) == (FIRST, ["lost-writes"])
    (found,) = findings_of(store, system, [kept], "sre")
    assign(store, found, Assignment(owner="suzuki", ticket="CHG-1"))
    (found,) = findings_of(store, system, recorded(store, system), "sre")
    assert (found.owner, found.ticket, found.is_open) == ("suzuki", "CHG-1", True)
    assert findings_of(store, f"{system}-other", [Observation("r", "", "", "", None, "passed", shown=())], "sre") == []
    assert isinstance(kept.shown[0], ShownFinding)


def test_on_aws_a_person_is_an_sts_principal_and_in_the_lab_a_user_of_the_machine(rig: Rig, tmp_path: Path) -> None:
    here = f"uid:{os.getuid()}"
    assert principal_of_process(None) == here
    lab = rig.other_topology(tmp_path / "lab.yaml", version=1)
    assert principal_of_process(Path(lab["topology"])) == here
    aws = rig.other_topology(tmp_path / "aws.yaml", target="aws", time_scale=1)
    assert principal_of_process(Path(aws["topology"])).startswith("arn:aws:")


def test_a_principal_that_sts_does_not_name_is_not_guessed(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = rig.other_topology(tmp_path / "aws.yaml", target="aws", time_scale=1)

    class Expired:
        def get_caller_identity(self) -> dict[str, str]:
            raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "GetCallerIdentity")

    monkeypatch.setattr(System, "client", lambda *words, **named: Expired())
    with fails_with("principal-unreadable"):
        principal_of_process(Path(aws["topology"]))
