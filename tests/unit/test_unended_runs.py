"""Drills of this machine without an end, the dates of what was handed over, and what a lease covers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.cli.status import duration
from chaosdrill.history import History
from chaosdrill.parts.registry import lease_keys
from chaosdrill.rescue.status import is_past
from chaosdrill.runs.unended import SystemFile, unended_runs
from chaosdrill.topology import load_topology
from tests.synthetic_run import write_history
from tests.unit.test_init import TEMPLATE

OPENED = {"s": 0.0, "event": "drill-opened", "target": "aws", "configuration": {"topology": "/aws.yaml"}}
MOVE = {
    "s": 1.0,
    "event": "activity-started",
    "activity": "fail over",
    "module": "chaosdrill.failover.actions",
    "func": "fail_over",
    "phase": "method",
    "arguments": {},
}
SYSTEM = SystemFile("aws", Path("/aws.yaml"), "f" * 64)


def stored(runs: Path, name: str, *events: dict[str, Any], verdict: str = "") -> None:
    """A run as a drill that died left it, or one that ended."""
    (runs / name).mkdir(parents=True)
    write_history(runs / name, list(events))
    if verdict:
        (runs / name / "summary.json").write_text(json.dumps({"version": 3, "verdict": verdict, "source": "drill"}))


def found(runs: Path, system: SystemFile | None = SYSTEM) -> list[tuple[str, str]]:
    return [(one.run, one.state) for one in unended_runs(runs, system)]


def test_a_drill_that_died_counts_until_a_later_one_has_ended(tmp_path: Path) -> None:
    stored(tmp_path, "1", OPENED, MOVE)
    assert found(tmp_path) == [("1", "died")]
    stored(tmp_path, "2", OPENED | {"configuration": {"topology": "/other.yaml"}}, verdict="passed")
    stored(tmp_path, "3", OPENED, verdict="refused")
    assert found(tmp_path) == [("1", "died")], "neither another system nor a refused drill says anything of it"
    stored(tmp_path, "4", OPENED, verdict="passed")
    assert found(tmp_path) == found(tmp_path, None) == []


def test_a_drill_that_died_and_owes_nothing_is_not_shown(tmp_path: Path) -> None:
    stored(tmp_path, "1", OPENED)
    assert found(tmp_path) == []


def test_a_drill_that_goes_on_is_shown_with_its_step(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    stored(tmp_path, "2", OPENED, verdict="passed")
    history = History(tmp_path / "1" / "history.jsonl")
    for event in (OPENED | {"origin": {"operator": "alice", "host": "here"}}, MOVE):
        history.append(str(event["event"]), **{key: one for key, one in event.items() if key not in ("s", "event")})
    (one,) = unended_runs(tmp_path, SYSTEM)
    history.close()
    assert (one.state, one.by, one.stage, one.step) == ("live", "alice@here", "method", "fail over")
    assert [undo.undo for undo in one.owed] == ["fail_back"]


@pytest.mark.parametrize(
    ("topology", "sha256", "target", "is_known"),
    [
        ("/aws.yaml", "", "aws", True),
        ("/copy.yaml", SYSTEM.sha256, "aws", True),
        ("/copy.yaml", "0" * 64, "aws", False),
        ("/aws.yaml", SYSTEM.sha256, "lab", False),
    ],
)
def test_a_run_is_recognised_by_its_topology(
    tmp_path: Path, topology: str, sha256: str, target: str, is_known: bool
) -> None:
    opened = OPENED | {"target": target, "configuration": {"topology": topology}}
    stored(tmp_path, "1", opened, {"s": 0.5, "event": "target-opened", "topology_sha256": sha256}, MOVE)
    assert bool(found(tmp_path)) is is_known


def test_runs_on_the_lab_are_recognised_by_the_content_alone(tmp_path: Path) -> None:
    """Each lab writes the same path; what an earlier lab was left with has ended with it."""
    lab = SystemFile("lab", Path("/lab.yaml"), "f" * 64)
    opened = OPENED | {"target": "lab", "configuration": {"topology": "/lab.yaml"}}
    for name, sha256 in (("1", "0" * 64), ("2", lab.sha256)):
        stored(tmp_path, name, opened, {"s": 0.5, "event": "target-opened", "topology_sha256": sha256}, MOVE)
    assert found(tmp_path, lab) == [("2", "died")]
    assert found(tmp_path, None) == []


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2026-11-29", True),
        ("2026-11-30", False),
        ("2026-11-30T11:59:59Z", True),
        ("2026-11-30T12:30:00", False),
        ("2026-11-30T12:30:00+09:00", True),
        ("", True),
        ("next week", True),
    ],
)
def test_a_date_counts_until_its_end_and_one_that_is_none_is_past(until: str, expected: bool) -> None:
    assert is_past(until, datetime(2026, 11, 30, 12, tzinfo=UTC)) is expected


def test_a_lease_covers_the_resources_of_every_part_in_every_account() -> None:
    topology = load_topology(TEMPLATE)
    keys = lease_keys(topology)
    assert keys == tuple(sorted(set(keys)))
    assert {key.split("/")[0] for key in keys} == set(topology.accounts)
    assert f"{topology.accounts[0]}/global-cluster/{topology.database.global_cluster}" in keys
    assert f"{topology.accounts[0]}/domain/{topology.domain}" in keys


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_500, "2 h 5 min")])
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
