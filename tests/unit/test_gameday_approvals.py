"""Approvals of game days: only the plan that was approved runs, by somebody else, and until it is revoked."""

import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.items import ItemWrite
from chaosdrill.coordination.store import ConditionFailed
from chaosdrill.gamedays.approvals import (
    BY_HAND_MS,
    MINUTE_MS,
    NAMESPACE,
    approve,
    decide,
    next_by_hand,
    read_approvals,
    read_decision,
    revoke,
    start_write,
)
from chaosdrill.gamedays.calendar import ApprovalRule, GameDay, Occurrence, Schedule, Window
from chaosdrill.gamedays.identities import is_allowed, is_same, normalized
from chaosdrill.gamedays.plans import plan_digest, plan_of
from tests.failing import fails_with
from tests.unit.test_signing import made_key

ALICE, BOB, CAROL = "uid:1001", "uid:1002", "uid:1003"
ZONE = ZoneInfo("Asia/Tokyo")
SSO = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Ops_0a1b/{}@example.com"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def game_day(tmp_path: Path) -> GameDay:
    (tmp_path / "failover.yaml").write_text("title: failover\n")
    (tmp_path / "topology.yaml").write_text("home: tokyo\n")
    return GameDay(
        id="monthly",
        name="Monthly failover",
        owner="sre",
        experiment=tmp_path / "failover.yaml",
        topology=tmp_path / "topology.yaml",
        schedule=Schedule(ZONE, cron="0 2 * * 6"),
        window=Window(time(2), time(5)),
        worst_case_min=60,
        variables={"users": 10, "regions": ["tokyo", "osaka"], "key": {"secret": "KEY"}},
        approval=ApprovalRule(by=(ALICE, BOB)),
    )


@pytest.fixture
def occurrence(store: FileStore) -> Occurrence:
    return Occurrence("monthly", (store.now_ms() // MINUTE_MS + 600) * MINUTE_MS)


def code(store: FileStore, game_day: GameDay, occurrence: Occurrence, operator: str = CAROL, **how: bool) -> str:
    return read_decision(store, game_day, occurrence, operator, **how).code


def edited(path: str) -> Callable[[GameDay], GameDay]:
    def edit(game_day: GameDay) -> GameDay:
        file: Path = getattr(game_day, path)
        file.write_bytes(file.read_bytes() + b" ")
        return game_day

    return edit


def replaced(**fields: object) -> Callable[[GameDay], GameDay]:
    return lambda game_day: dataclasses.replace(game_day, **fields)  # type: ignore[arg-type]


EDITS: dict[str, Callable[[GameDay], GameDay]] = {
    "experiment": edited("experiment"),
    "topology": edited("topology"),
    "no topology": replaced(topology=None),
    "a value": replaced(variables={"users": 11, "regions": ["tokyo", "osaka"], "key": {"secret": "KEY"}}),
    "its type": replaced(variables={"users": "10", "regions": ["tokyo", "osaka"], "key": {"secret": "KEY"}}),
    "an order": replaced(variables={"users": 10, "regions": ["osaka", "tokyo"], "key": {"secret": "KEY"}}),
    "a secret": replaced(variables={"users": 10, "regions": ["tokyo", "osaka"], "key": {"secret": "OTHER"}}),
    "a variable more": replaced(
        variables={"users": 10, "regions": ["tokyo", "osaka"], "key": {"secret": "KEY"}, "new": None}
    ),
    "no variables": replaced(variables={}),
    "zone": replaced(schedule=Schedule(ZoneInfo("Asia/Seoul"), cron="0 2 * * 6")),
    "earliest": replaced(window=Window(time(2, 1), time(5))),
    "latest end": replaced(window=Window(time(2), time(5, 0, 1))),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_any_edit_of_the_plan_voids_an_approval(
    edit: Callable[[GameDay], GameDay], store: FileStore, game_day: GameDay, occurrence: Occurrence
) -> None:
    approve(store, game_day, occurrence, ALICE)
    assert code(store, game_day, occurrence) == ""
    assert code(store, edit(game_day), occurrence) == "approval-void"


EXPERIMENT = """\
title: a-title.txt
configuration: {locustfile: load/users.py, folder: load}
method:
  - type: action
    provider:
      func: start_load
      arguments: {locustfile: "${locustfile}", more: ["${folder}/more.py"], at: @place/at.py}
  - type: probe
    provider: {type: process, path: bin/check, arguments: "--data data.json --quiet"}
"""
NAMED = ("load/users.py", "load/more.py", "at.py", "bin/check", "data.json", "experiments/beside.csv", "load/of-day.py")


@pytest.fixture
def naming(game_day: GameDay, tmp_path: Path) -> GameDay:
    """A game day whose experiment and variables name files."""
    experiment = tmp_path / "experiments/failover.yaml"
    for name in (*NAMED, "experiments/failover.yaml", "a-title.txt", "unnamed.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("as it was\n")
    experiment.write_text(EXPERIMENT.replace("@place", str(tmp_path)) + "runtime: {read: [beside.csv, absent.csv]}\n")
    variables = {**game_day.variables, "script": "load/of-day.py"}
    return dataclasses.replace(game_day, experiment=experiment, directory=tmp_path, variables=variables)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("is_removed", [False, True])
def test_an_edit_of_a_file_that_the_experiment_names_voids_an_approval(
    name: str, is_removed: bool, store: FileStore, naming: GameDay, occurrence: Occurrence, tmp_path: Path
) -> None:
    approve(store, naming, occurrence, ALICE)
    assert code(store, naming, occurrence) == ""
    file = tmp_path / name
    file.unlink() if is_removed else file.write_text("edited\n")
    assert code(store, naming, occurrence) == "approval-void"
    file.write_text("as it was\n")
    assert code(store, naming, occurrence) == ""


def test_a_file_that_is_added_where_the_experiment_names_one_voids_an_approval(
    store: FileStore, naming: GameDay, occurrence: Occurrence, tmp_path: Path
) -> None:
    approve(store, naming, occurrence, ALICE)
    for name in ("unnamed.py", "a-title.txt", "other.py"):
        (tmp_path / name).write_text("edited\n")
        assert code(store, naming, occurrence) == "", f"{name} is named nowhere"
    (tmp_path / "absent.csv").write_text("added\n")
    assert code(store, naming, occurrence) == "approval-void"


def test_the_plan_of_the_same_files_is_the_same_on_every_machine(naming: GameDay, tmp_path: Path) -> None:
    other = tmp_path / "another"
    shutil.copytree(tmp_path, other, ignore=shutil.ignore_patterns("another"))
    text = naming.experiment.read_text()
    moved = dataclasses.replace(naming, experiment=other / "experiments/failover.yaml", directory=other)
    relative = text.replace(f"{tmp_path}/", "")
    for day in (naming, moved):
        day.experiment.write_text(relative)
    assert plan_digest(dataclasses.replace(moved, topology=naming.topology)) == plan_digest(naming)


def test_a_plan_without_named_files_has_the_digest_that_it_always_had(game_day: GameDay) -> None:
    """So that an approval that was given before chaosdrill knew of these files still counts."""
    assert set(plan_of(game_day)) == {"experiment", "topology", "variables", "window"}
    assert plan_digest(dataclasses.replace(game_day, topology=None)) == (
        "sha256:8321384a63ff32a1948ff900c36c6fde1f8663a3146d582a73a31295d0e447f8"
    )


def test_what_is_no_part_of_the_plan_may_change(
    store: FileStore, game_day: GameDay, occurrence: Occurrence, tmp_path: Path
) -> None:
    approve(store, game_day, occurrence, ALICE)
    (tmp_path / "moved.yaml").write_bytes(game_day.experiment.read_bytes())
    variables = dict(reversed(game_day.variables.items()))
    same = replaced(name="Renamed", owner="ops", experiment=tmp_path / "moved.yaml", variables=variables)(game_day)
    assert code(store, same, occurrence) == ""


def test_an_approval_is_of_one_occurrence(store: FileStore, game_day: GameDay, occurrence: Occurrence) -> None:
    approve(store, game_day, occurrence, ALICE)
    other = Occurrence("monthly", occurrence.planned_ms + MINUTE_MS)
    assert code(store, game_day, other) == "approval-missing"
    given = read_approvals(store, occurrence)
    assert decide(game_day.approval, other, given[0].digest, CAROL, given).code == "approval-missing"


def test_who_starts_a_drill_does_not_approve_it(store: FileStore, game_day: GameDay, occurrence: Occurrence) -> None:
    approve(store, game_day, occurrence, ALICE)
    assert code(store, game_day, occurrence, operator=ALICE) == "approval-own"
    approve(store, game_day, occurrence, BOB)
    assert code(store, game_day, occurrence, operator=ALICE) == ""
    assert read_decision(store, game_day, occurrence, ALICE).approval == read_approvals(store, occurrence)[1]


def test_only_those_of_the_calendar_approve(store: FileStore, game_day: GameDay, occurrence: Occurrence) -> None:
    with fails_with("approval-not-allowed"):
        approve(store, game_day, occurrence, CAROL, name="Alice")
    with fails_with("approval-not-allowed"):
        approve(store, replaced(approval=None)(game_day), occurrence, ALICE)
    approve(store, game_day, occurrence, ALICE)
    assert code(store, replaced(approval=ApprovalRule(by=(BOB,)))(game_day), occurrence) == "approval-not-allowed"
    assert code(store, replaced(approval=None)(game_day), occurrence) == ""


def test_an_approval_that_comes_too_late_does_not_count(
    store: FileStore, game_day: GameDay, occurrence: Occurrence
) -> None:
    approve(store, game_day, occurrence, ALICE)
    strict = replaced(approval=ApprovalRule(by=(ALICE,), until_min=700))(game_day)
    assert code(store, strict, occurrence) == "approval-late"
    with fails_with("approval-late"):
        approve(store, strict, occurrence, ALICE)


def test_an_approval_is_revocable_until_the_start(store: FileStore, game_day: GameDay, occurrence: Occurrence) -> None:
    with fails_with("approval-missing"):
        revoke(store, occurrence, CAROL)
    approve(store, game_day, occurrence, ALICE)
    standing = read_decision(store, game_day, occurrence, CAROL).approval
    assert standing is not None
    revoke(store, occurrence, CAROL)
    assert code(store, game_day, occurrence) == "approval-missing"
    with pytest.raises(ConditionFailed):
        store.transact([start_write(standing, occurrence)])  # it was read before it was revoked
    approve(store, game_day, occurrence, ALICE)
    again = read_decision(store, game_day, occurrence, CAROL).approval
    assert again is not None
    store.transact([start_write(again, occurrence)])
    with fails_with("approval-started"):
        revoke(store, occurrence, CAROL)
    with fails_with("approval-started"):
        approve(store, game_day, occurrence, ALICE)
    with pytest.raises(ConditionFailed):
        store.transact([start_write(again, occurrence)])


def test_an_approval_that_was_replaced_starts_nothing(
    store: FileStore, game_day: GameDay, occurrence: Occurrence
) -> None:
    first = approve(store, game_day, occurrence, ALICE)
    approve(store, edited("experiment")(game_day), occurrence, ALICE)
    with pytest.raises(ConditionFailed):
        store.transact([start_write(first, occurrence)])


def test_a_run_by_hand_is_approved_before_its_instant_is_known(
    store: FileStore, game_day: GameDay, occurrence: Occurrence, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(store, game_day, next_by_hand("monthly"), ALICE)
    assert code(store, game_day, occurrence) == "approval-missing"  # the schedule's needs one of its own
    assert code(store, game_day, occurrence, ALICE, by_hand=True) == "approval-own"
    strict = replaced(approval=ApprovalRule(by=(ALICE,), until_min=10_000))(game_day)
    assert code(store, strict, occurrence, by_hand=True) == ""
    found = read_decision(store, game_day, occurrence, CAROL, by_hand=True).approval
    assert found is not None
    monkeypatch.setattr(FileStore, "now_ms", lambda self: found.at_ms + BY_HAND_MS + 1)
    assert code(store, game_day, occurrence, by_hand=True) == "approval-missing"
    monkeypatch.undo()
    store.transact([start_write(found, occurrence)])
    assert code(store, game_day, occurrence, by_hand=True) == "approval-missing"  # it was of one run only
    approve(store, game_day, next_by_hand("monthly"), ALICE)
    assert code(store, game_day, occurrence, by_hand=True) == ""
    assert code(store, edited("experiment")(game_day), occurrence, by_hand=True) == "approval-void"
    revoke(store, next_by_hand("monthly"), CAROL)
    assert code(store, game_day, occurrence, by_hand=True) == "approval-missing"


def test_a_signed_approval_is_of_the_keys_owner(
    store: FileStore, game_day: GameDay, occurrence: Occurrence, tmp_path: Path
) -> None:
    key = made_key(tmp_path / "id")
    listed = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True).stdout
    signer = f"ssh:{listed.split()[1]}"
    signed = replaced(approval=ApprovalRule(by=(signer,)))(game_day)
    given = approve(store, signed, occurrence, CAROL, key=key)
    assert (given.by, given.account) == (signer, CAROL)
    assert code(store, signed, occurrence) == ""  # the schedule's account wrote it down; the key is another's
    assert code(store, signed, occurrence, by_hand=True) == "approval-own"
    with fails_with("approval-not-allowed"):
        approve(store, signed, occurrence, CAROL, key=made_key(tmp_path / "other"))

    (tmp_path / "signers").write_text(f"alice {key.with_suffix('.pub').read_text()}")
    (tmp_path / "signature").write_text(given.signature)
    words = ["ssh-keygen", "-Y", "verify", "-f", f"{tmp_path}/signers", "-I", "alice", "-n", NAMESPACE]
    words += ["-s", f"{tmp_path}/signature"]
    assert not subprocess.run(words, input=given.statement.encode(), capture_output=True, check=False).returncode


@pytest.mark.parametrize("attribute", ["statement", "signature", "digest"])
def test_a_forged_approval_does_not_count(
    attribute: str, store: FileStore, game_day: GameDay, occurrence: Occurrence, tmp_path: Path
) -> None:
    key = made_key(tmp_path / "id")
    rule = ApprovalRule(by=(f"ssh:{_fingerprint(key)}",))
    signed = replaced(approval=rule)(game_day)
    honest = approve(store, signed, occurrence, CAROL, key=key)
    changed = edited("experiment")(signed)
    forged = {"digest": plan_digest(changed), "signature": "", "statement": honest.statement.replace("02:00", "03:00")}
    item_key = start_write(honest, occurrence).key
    store.update(ItemWrite(item_key, {attribute: forged[attribute]}))
    if attribute == "digest":
        assert code(store, changed, occurrence) == "approval-signature-invalid"
    else:
        assert code(store, signed, occurrence) == "approval-signature-invalid"


def _fingerprint(key: Path) -> str:
    words = ["ssh-keygen", "-lf", f"{key}.pub"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[1]


def test_files_that_cannot_be_read_are_no_plan(store: FileStore, game_day: GameDay, occurrence: Occurrence) -> None:
    approve(store, game_day, occurrence, ALICE)
    game_day.experiment.unlink()
    with fails_with("plan-unreadable"):
        read_decision(store, game_day, occurrence, CAROL)
    with fails_with("plan-unreadable"):
        plan_digest(replaced(topology=None, experiment=game_day.topology, variables={"at": object()})(game_day))


def test_an_item_that_is_invalid_approves_nothing(store: FileStore, game_day: GameDay, occurrence: Occurrence) -> None:
    given = approve(store, game_day, occurrence, ALICE)
    store.update(ItemWrite(start_write(given, occurrence).key, {}, ("digest",)))
    with fails_with("coordination-invalid"):
        read_decision(store, game_day, occurrence, CAROL)
    store.update(ItemWrite(start_write(given, occurrence).key, {"schema": 2, "needs": "9.0"}))
    with fails_with("coordination-newer"):
        read_decision(store, game_day, occurrence, CAROL)


def test_a_role_is_one_principal_and_a_user_of_identity_center_is_one() -> None:
    role = "arn:aws:iam::111122223333:role/team/Deploy"
    sessions = [f"arn:aws:sts::111122223333:assumed-role/Deploy/{name}" for name in ("alice", "bob")]
    assert is_same(sessions[0], sessions[1])
    assert is_same(sessions[0], role)
    assert not is_same(sessions[0], "arn:aws:sts::444455556666:assumed-role/Deploy/alice")
    assert not is_same(SSO.format("alice"), SSO.format("bob"))
    assert normalized(SSO.format("alice")) == SSO.format("alice")

    everybody = ("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0a1b",)
    assert is_allowed(SSO.format("alice"), everybody)
    assert is_allowed(SSO.format("alice"), (SSO.format("alice"),))
    assert not is_allowed(SSO.format("alice"), (SSO.format("bob"),))
    assert is_allowed(sessions[0], (role,))
    assert not is_allowed("uid:10", ("uid:1", "uid:100"))
