"""Two drills for one system, from two homes with a copy of its topology each: one begins, the other is refused."""

from pathlib import Path

import pytest

from chaosdrill.aws.guard import changes_something
from chaosdrill.coordination import coordination_of
from chaosdrill.parts.registry import lease_keys
from tests.contract.activities_rig import Rig
from tests.contract.aws_drills import (
    aws_topology,
    calls_since,
    codes,
    confirm_elsewhere,
    flag,
    last_call,
    on_aws,
    statuses,
    system_at,
)
from tests.small_drills import Drill, step
from tests.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

NAMES = ("first", "second")
CONDITION_FAILED = 400


@pytest.fixture
def topologies(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A copy for each machine; a rehearsal is confirmed on a third one."""
    rig.go_home()
    for name in NAMES:
        (tmp_path / name).mkdir()
    found = {name: aws_topology(rig, tmp_path / name / "aws.yaml") for name in NAMES}
    confirm_elsewhere(found["first"], tmp_path / "third", monkeypatch)
    return found


def test_of_two_drills_from_two_homes_one_begins_and_the_other_writes_nothing(
    rig: Rig, topologies: dict[str, Path], tmp_path: Path
) -> None:
    go_on, before = tmp_path / "go-on", last_call(rig)
    waits = step("action", "waits", "wait_for_file", path=str(go_on))
    drills = {
        name: Drill(
            path.parent,
            on_aws(path, [flag("open", False), waits], [flag("close", True, undo_of="open")]),
            CHAOSDRILL_HOME=str(path.parent / "home"),
            AWS_SDK_UA_APP_ID=name,
        )
        for name, path in topologies.items()
    }
    (refused,) = wait_for(lambda: [name for name, one in drills.items() if one.process.poll() is not None])
    (began,) = set(NAMES) - {refused}
    drills[began].wait_for_step("wait for file")
    go_on.touch()
    ran = {name: drill.end() for name, drill in drills.items()}
    assert statuses(ran[began]) == {"succeeded"}, ran[began].why
    assert (ran[refused].verdict, codes(ran[refused])[0], ran[refused].steps) == ("refused", "lease-held", [])
    assert ran[began].run_directory.name in ran[refused].why
    written = {
        name: [one for one in calls_since(rig, before, name) if changes_something(one["operation"])] for name in NAMES
    }
    assert {one["operation"] for one in written[began]} >= {"TransactWriteItems", "UpdateItem"}
    # it may have tried to take the lease at the same moment
    lost = [one for one in written[refused] if one["operation"] == "TransactWriteItems"]
    assert written[refused] == lost
    assert {one["status"] for one in lost} <= {CONDITION_FAILED}
    system = system_at(topologies[began])
    state = coordination_of(system).read(lease_keys(system.topology))
    assert (state.leases, state.owed) == ((), ())
