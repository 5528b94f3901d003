"""Coordination behaves alike in files and in a table: one holder, undos that stay owed, requests that arrive."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from botocore.config import Config
from click.testing import CliRunner

from chaosdrill.aws import System, deadlines, sessions, system_of
from chaosdrill.cli import cli
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import CLOCK_BOUND_MS, Coordination, Lease, LeaseRequest
from chaosdrill.coordination.items import (
    IS_NEW,
    Condition,
    ItemWrite,
    absent,
    equals,
    lease_key,
    note_key,
    present,
    resource_key,
    run_partition,
    undo_key,
)
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.coordination.table import TableStore
from chaosdrill.errors import CannotSee, Refused
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.paths import VARIABLE
from chaosdrill.topology.model import CoordinationTable
from tests.contract.activities_rig import drill
from tests.contract.lab_aws import LabAws, get
from tests.failing import fails_with
from tests.waiting import LONG_S

RACERS = 8
TRIES = 2  # of one call
HOUR_MS = 3_600_000
EXPIRED_MS = -HOUR_MS  # the service's clock is known to some seconds only
UNDO = OwedUndo(
    "lose packets", "inject_packet_loss", "fault", "heal_packet_loss", "2026-11-30T10:00:00Z", {"percent": 10}
)


class LosesAnswers:
    """A store whose answer to the next write is lost, after it was made or before."""

    def __init__(self, store: ItemStore, made: bool) -> None:
        self._store, self._made = store, made
        self.left = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __str__(self) -> str:
        return str(self._store)

    def transact(self, writes: Any) -> None:
        self._lose(lambda: self._store.transact(writes))

    def update(self, write: Any) -> Any:
        return self._lose(lambda: self._store.update(write))

    def _lose(self, write: Callable[[], Any]) -> Any:
        if not self.left:
            return write()
        self.left -= 1
        if self._made:
            write()
        raise CannotSee("the answer was lost", code="coordination-unreachable")


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's endpoint may have little time: nothing here is about how long a response takes."""
    patient = Config(connect_timeout=LONG_S, read_timeout=LONG_S, retries={"total_max_attempts": TRIES})
    monkeypatch.setattr(sessions, "_COORDINATION", sessions._COORDINATION.merge(patient))
    monkeypatch.setattr("chaosdrill.coordination.table.CALL_S", TRIES * 2 * LONG_S)


@pytest.fixture(params=["files", "sqlite", "table"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ItemStore:
    if request.param == "sqlite":
        monkeypatch.setattr(SqliteStore, "synchronous", "OFF")
        return SqliteStore(tmp_path / "items.sqlite")
    if request.param == "files":
        return FileStore(tmp_path)
    lab: LabAws = request.getfixturevalue("aws_session")
    return table_store(lab)


def table_store(lab: LabAws) -> TableStore:
    system = system_of({"topology": str(lab.plan.topology_file)})
    assert system.topology.coordination is not None
    return TableStore(system.coordination_client(system.topology.coordination.region), system.topology.coordination)


class Table:
    """Coordination in the lab's table."""

    def __init__(self, lab: LabAws) -> None:
        self._lab, self.store = lab, table_store(lab)
        self.coordination = ItemCoordination(self.store)

    def breaks(self, **fault: Any) -> None:
        fault = {"service": "dynamodb", "region": "us-west-2", **fault}
        assert get(f"{self._lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200

    def hits(self) -> list[int]:
        """:returns: how many calls each fault has met."""
        return [fault["hits"] for fault in get(f"{self._lab.url}/chaosdrill/faults")[1]["faults"]]


@pytest.fixture
def table(aws_session: LabAws) -> Iterator[Table]:
    """The lab's table, and how to break it."""
    yield Table(aws_session)
    get(f"{aws_session.url}/chaosdrill/faults", method="DELETE")


@pytest.fixture
def resource() -> str:
    """A resource that no other test uses: the table is shared."""
    return f"123456789012/global-cluster/bank-{time.monotonic_ns()}"


@pytest.fixture
def coordination(store: ItemStore) -> Coordination:
    return ItemCoordination(store)


def run_of(resource: str, name: str = "first") -> str:
    return f"{resource.partition('bank-')[2]}-{name}"


def request_of(resource: str, name: str = "first", *more: str, lease_ms: int = HOUR_MS, **facts: Any) -> LeaseRequest:
    """:returns: what the run ``name`` of this test asks for."""
    known = {"purpose": "drill", "experiment": "failover.yaml", "end": "serving(ap-northeast-1)"} | facts
    run = run_of(resource, name)
    return LeaseRequest(
        run=run, resources=(resource, *more), lease_ms=lease_ms, attempt_ms=7_000, holder=this_process(), **known
    )


def test_a_lease_is_read_as_it_was_taken(coordination: Coordination, resource: str) -> None:
    assert coordination.read([resource]).leases == ()
    lease = coordination.acquire(request_of(resource))
    state = coordination.read([resource])
    assert state.holding() == (lease,)
    assert lease.holder == this_process()
    assert (lease.end, lease.experiment, lease.purpose) == ("serving(ap-northeast-1)", "failover.yaml", "drill")
    assert state.now_ms < lease.expires_ms < lease.free_at_ms


def test_of_racing_runs_one_wins(store: ItemStore, resource: str) -> None:
    def race(number: int) -> Lease | str:
        try:
            return ItemCoordination(store).acquire(request_of(resource, str(number), f"{resource}-{number}"))
        except Exception as error:  # noqa: BLE001 - compared below
            return getattr(error, "code", repr(error))

    with ThreadPoolExecutor(RACERS) as pool:
        results = list(pool.map(race, range(RACERS)))
    winners = [one for one in results if isinstance(one, Lease)]
    assert [one for one in results if not isinstance(one, Lease)] == ["lease-held"] * (RACERS - 1)
    assert ItemCoordination(store).read([resource]).holding() == tuple(winners)
    losers = [f"{resource}-{number}" for number, one in enumerate(results) if not isinstance(one, Lease)]
    assert ItemCoordination(store).read(losers).leases == (), "who lost holds nothing"


def test_one_shared_resource_refuses(coordination: Coordination, resource: str) -> None:
    coordination.acquire(request_of(resource, "first", f"{resource}-a"))
    with fails_with("lease-held"):
        coordination.acquire(request_of(f"{resource}-a", "second", f"{resource}-b"))
    coordination.acquire(request_of(f"{resource}-b", "third"))


def test_a_run_has_one_lease(coordination: Coordination, resource: str) -> None:
    coordination.release(coordination.acquire(request_of(resource)))
    with fails_with("lease-held"):
        coordination.acquire(request_of(resource))


def test_a_released_resource_is_free(coordination: Coordination, resource: str) -> None:
    lease = coordination.acquire(request_of(resource))
    coordination.release(lease)
    coordination.release(lease)
    assert coordination.read([resource]).leases == ()
    second = coordination.acquire(request_of(resource, "second"))
    coordination.release(lease)
    assert coordination.read([resource]).holding() == (second,)


def test_a_lease_is_released_though_an_item_of_it_was_removed_by_hand(store: ItemStore, resource: str) -> None:
    coordination, other = ItemCoordination(store), f"{resource}-a"
    lease = coordination.acquire(request_of(resource, "first", other))
    store.update(ItemWrite(resource_key(other), {}, ("run", "token", "owing")))
    coordination.release(lease)
    assert coordination.read([resource, other]).leases == ()
    coordination.acquire(request_of(resource, "second", other))


def test_an_expired_lease_is_taken_over_by_name_only(coordination: Coordination, resource: str) -> None:
    stale = coordination.acquire(request_of(resource, "first", f"{resource}-a", lease_ms=EXPIRED_MS))
    with fails_with("lease-held"):
        coordination.acquire(request_of(resource, "second"))
    taken = coordination.take_over(request_of(resource, "second"), stale)
    assert taken.resources == stale.resources, "it covers what the other run held"
    assert [lease.run for lease in coordination.read([f"{resource}-a"]).holding()] == [taken.run]
    with fails_with("lease-lost"):
        coordination.renew(stale)
    with fails_with("lease-lost"):
        coordination.owe(stale, 1, UNDO)
    coordination.release(stale)
    assert coordination.read(taken.resources).holding() == (taken,)
    with fails_with("lease-held", "lease-held"):
        coordination.take_over(request_of(resource, "third"), stale)


def test_a_lease_that_was_renewed_is_not_taken_over(coordination: Coordination, resource: str) -> None:
    stale = coordination.acquire(request_of(resource, lease_ms=EXPIRED_MS))
    renewed = coordination.renew(replace(stale, lease_ms=HOUR_MS), stage="method", step="fail over")
    assert (renewed.stage, renewed.step) == ("method", "fail over")
    with fails_with("lease-held"):
        coordination.take_over(request_of(resource, "second"), stale)
    assert coordination.read([resource]).holding() == (renewed,)


def test_of_racing_takers_one_wins(store: ItemStore, resource: str) -> None:
    stale = ItemCoordination(store).acquire(request_of(resource, lease_ms=EXPIRED_MS))

    def race(number: int) -> str:
        try:
            return ItemCoordination(store).take_over(request_of(resource, str(number)), stale).run
        except Exception as error:  # noqa: BLE001 - compared below
            return getattr(error, "code", repr(error))

    with ThreadPoolExecutor(RACERS) as pool:
        results = list(pool.map(race, range(RACERS)))
    assert results.count("lease-held") == RACERS - 1
    assert {lease.run for lease in ItemCoordination(store).read([resource]).holding()} == set(results) - {"lease-held"}


def test_an_owed_undo_refuses_every_drill_until_it_is_paid(coordination: Coordination, resource: str) -> None:
    lease = coordination.acquire(request_of(resource))
    coordination.owe(lease, 1, UNDO)
    coordination.owe(lease, 2, replace(UNDO, step="second"))
    coordination.pay(lease.run, 1, lease.run)
    coordination.pay(lease.run, 1, "another")
    coordination.release(lease)
    state = coordination.read([resource])
    assert [(one.number, one.undo.step, one.state) for one in state.owed] == [(2, "second", "owed")]
    assert [one.state for one in state.leases] == ["released"], "who owes is shown"
    with fails_with("undo-owed"):
        coordination.acquire(request_of(resource, "second"))
    with fails_with("undo-owed"):
        coordination.acquire(request_of(resource, "second", pays=[lease.run]))
    rescue = coordination.acquire(request_of(resource, "rescue", purpose="rescue", pays=[lease.run]))
    coordination.pay(lease.run, 2, rescue.run)
    coordination.release(rescue)
    assert coordination.read([resource]).owed == coordination.read([resource]).leases == ()
    coordination.acquire(request_of(resource, "second"))


def test_a_rescue_that_pays_nothing_leaves_the_undo_owed(coordination: Coordination, resource: str) -> None:
    stale = coordination.acquire(request_of(resource, lease_ms=EXPIRED_MS))
    coordination.owe(stale, 1, UNDO)
    with fails_with("undo-owed"):
        coordination.take_over(request_of(resource, "second"), stale)
    rescue = coordination.take_over(request_of(resource, "rescue", purpose="rescue", pays=[stale.run]), stale)
    coordination.release(rescue)
    assert [(one.run, one.undo) for one in coordination.read([resource]).owed] == [(stale.run, UNDO)]


def test_an_undo_is_owed_anew_under_its_number(coordination: Coordination, resource: str) -> None:
    lease = coordination.acquire(request_of(resource))
    coordination.owe(lease, 1, UNDO)
    coordination.pay(lease.run, 1, lease.run)
    coordination.owe(lease, 1, replace(UNDO, ids={"ap-northeast-1": ["EXP1"]}))
    owed = coordination.read([resource]).owed
    assert [(one.state, one.paid_by, one.undo.ids) for one in owed] == [("owed", "", {"ap-northeast-1": ["EXP1"]})]


def test_only_its_successor_accepts_what_was_handed_over(coordination: Coordination, resource: str) -> None:
    lease = coordination.acquire(request_of(resource))
    coordination.owe(lease, 1, UNDO)
    coordination.hand_over(lease.run, 1, "failback.yaml", "2027-01-31")
    coordination.release(lease)
    owed = coordination.read([resource]).owed
    assert [(one.state, one.to, one.until) for one in owed] == [("handed-over", "failback.yaml", "2027-01-31")]
    for experiment in ("failover.yaml", "failback.yaml"):
        with fails_with("undo-owed"):
            coordination.acquire(request_of(resource, "other", experiment=experiment))
    with fails_with("undo-owed"):
        coordination.acquire(request_of(resource, "other", pays=[lease.run]))
    successor = coordination.acquire(request_of(resource, "next", experiment="failback.yaml", pays=[lease.run]))
    coordination.pay(lease.run, 1, successor.run)
    coordination.release(successor)
    assert coordination.read([resource]).owed == ()
    with fails_with("undo-not-owed"):
        coordination.hand_over(lease.run, 1, "failback.yaml", "2027-01-31")


@pytest.mark.parametrize("purpose", ["sweep", "settlement"])
def test_what_changes_nothing_of_a_handed_over_undo_begins_beside_it(
    coordination: Coordination, resource: str, purpose: str
) -> None:
    lease = coordination.acquire(request_of(resource))
    coordination.owe(lease, 1, UNDO)
    coordination.release(lease)
    with fails_with("undo-owed"):
        coordination.acquire(request_of(resource, "early", purpose=purpose))
    coordination.hand_over(lease.run, 1, "failback.yaml", "2027-01-31")
    coordination.release(coordination.acquire(request_of(resource, "late", purpose=purpose)))
    assert [(one.run, one.state) for one in coordination.read([resource]).owed] == [(lease.run, "handed-over")]
    with fails_with("undo-owed"):
        coordination.acquire(request_of(resource, "rescue", purpose="rescue"))


def test_the_next_renewal_shows_a_stop_request(coordination: Coordination, resource: str) -> None:
    lease = coordination.acquire(request_of(resource))
    coordination.request_stop(lease.run, "alice", "customers call")
    coordination.request_stop(lease.run, "bob", "me, too")
    stop = coordination.renew(lease).stop
    assert stop is not None
    assert (stop.by, stop.why) == ("alice", "customers call")


@pytest.mark.parametrize("how", ["never", "expired", "released"])
def test_a_run_that_is_not_live_cannot_be_stopped(coordination: Coordination, resource: str, how: str) -> None:
    if how != "never":
        lease = coordination.acquire(request_of(resource, lease_ms=-1 if how == "expired" else HOUR_MS))
        if how == "released":
            coordination.release(lease)
    with fails_with("run-not-live"):
        coordination.request_stop(run_of(resource), "alice", "")


def test_of_two_answers_to_a_request_the_first_stays(coordination: Coordination, resource: str) -> None:
    run = run_of(resource)
    asked = coordination.ask_approval(run, 1, "fail-over", "", HOUR_MS)
    state = coordination.read_run(run)
    assert state.approvals == (asked,)
    assert asked.until_ms > state.now_ms
    first = coordination.answer_approval(run, 1, "approved", "alice@laptop")
    assert (first.state, first.by, bool(first.at)) == ("approved", "alice@laptop", True)
    assert coordination.answer_approval(run, 1, "refused", "bob@laptop") == first
    assert coordination.read_run(run).approvals == (first,)
    with fails_with("approval-not-pending"):
        coordination.answer_approval(run, 2, "approved", "alice@laptop")


def test_of_racing_answers_all_learn_which_stands(store: ItemStore, resource: str) -> None:
    run = run_of(resource)
    ItemCoordination(store).ask_approval(run, 1, "fail-over", "Now?", HOUR_MS)

    def answer(number: int) -> Any:
        state = "approved" if number % 2 else "refused"
        return ItemCoordination(store).answer_approval(run, 1, state, str(number))  # type: ignore[arg-type]

    with ThreadPoolExecutor(RACERS) as pool:
        assert len(set(pool.map(answer, range(RACERS)))) == 1


def test_notes_are_kept_and_replaced(coordination: Coordination, resource: str) -> None:
    assert coordination.note("confirmation", resource) is None
    for experiment in ("first", "second"):
        coordination.put_note("confirmation", resource, {"experiment": experiment, "steps": [1]})
    assert coordination.note("confirmation", resource) == {"experiment": "second", "steps": [1]}
    assert coordination.note("approval", resource) is None


@pytest.mark.parametrize("made", [True, False])
def test_a_write_without_an_answer_counts_when_it_was_made(store: ItemStore, resource: str, made: bool) -> None:
    good = ItemCoordination(store)
    lease = good.acquire(request_of(resource))
    good.owe(lease, 1, UNDO)
    writes: dict[str, Callable[[Coordination], object]] = {
        "acquire": lambda one: one.acquire(request_of(f"{resource}-2", "second")),
        "owe": lambda one: one.owe(lease, 2, UNDO),
        "hand over": lambda one: one.hand_over(lease.run, 1, "failback.yaml", "2027-01-31"),
        "stop": lambda one: one.request_stop(lease.run, "alice", ""),
        "pay": lambda one: one.pay(lease.run, 1, "first"),
        "note": lambda one: one.put_note("approval", resource, {"by": "alice"}),
        "release": lambda one: one.release(lease),
    }
    for name, write in writes.items():
        losing = LosesAnswers(store, made)
        if made:
            write(ItemCoordination(losing))
        else:
            with fails_with("coordination-unreachable"):
                write(ItemCoordination(losing))
            write(good)
        assert losing.left == 0, f"{name} wrote nothing"
    state = good.read([resource, f"{resource}-2"])
    assert [one.number for one in state.owed] == [2]
    states = {run_of(resource): "released", run_of(f"{resource}-2", "second"): "held"}
    assert {one.run: one.state for one in state.leases} == states


NEWER_ITEMS = {
    "lease": lambda resource: lease_key(run_of(resource)),
    "undo": lambda resource: undo_key(run_of(resource), 1),
    "holder": resource_key,
}


@pytest.mark.parametrize("kind", NEWER_ITEMS)
def test_an_item_of_a_newer_schema_refuses(store: ItemStore, resource: str, kind: str) -> None:
    coordination = ItemCoordination(store)
    lease = coordination.acquire(request_of(resource))
    coordination.owe(lease, 1, UNDO)
    make_newer(store, NEWER_ITEMS[kind](resource))
    with fails_with("coordination-newer"):
        coordination.read([resource])
    with fails_with("coordination-newer") as refused:
        coordination.acquire(request_of(resource, "second"))
    assert "7.1.0" in str(refused.value), "it names the version that is needed"


def test_no_write_changes_an_item_of_a_newer_schema(store: ItemStore, resource: str) -> None:
    coordination = ItemCoordination(store)
    lease = coordination.acquire(request_of(resource))
    coordination.owe(lease, 1, UNDO)
    coordination.put_note("approval", resource, {})
    for key in (lease_key(lease.run), undo_key(lease.run, 1), note_key("approval", resource)):
        make_newer(store, key)
    before = store.partition(run_partition(lease.run))
    for write in (
        lambda: coordination.renew(lease),
        lambda: coordination.owe(lease, 1, UNDO),
        lambda: coordination.pay(lease.run, 1, "first"),
        lambda: coordination.hand_over(lease.run, 1, "failback.yaml", ""),
        lambda: coordination.request_stop(lease.run, "alice", ""),
        lambda: coordination.put_note("approval", resource, {}),
        lambda: coordination.release(lease),
    ):
        with fails_with("coordination-newer"):
            write()
    assert store.partition(run_partition(lease.run)) == before


def make_newer(store: ItemStore, key: tuple[str, str]) -> None:
    """Write an item as a later version of chaosdrill would."""

    store.update(ItemWrite(key, {"schema": 2, "needs": "7.1.0"}))


def test_an_undo_that_is_owed_during_the_release_is_not_lost(store: ItemStore, resource: str) -> None:
    coordination = ItemCoordination(store)
    lease = coordination.acquire(request_of(resource))
    releasing = ItemCoordination(_Between(store, lambda: coordination.owe(lease, 1, UNDO)))
    releasing.release(lease)
    assert [one.number for one in coordination.read([resource]).owed] == [1]


def test_an_undo_that_is_owed_during_a_take_over_is_not_lost(store: ItemStore, resource: str) -> None:
    coordination = ItemCoordination(store)
    stale = coordination.acquire(request_of(resource, lease_ms=EXPIRED_MS))
    taking = ItemCoordination(_Between(store, lambda: coordination.owe(stale, 1, UNDO)))
    with fails_with("undo-owed"):
        taking.take_over(request_of(resource, "second"), stale)
    assert [one.number for one in coordination.read([resource]).owed] == [1]


class _Between(LosesAnswers):
    """A store where something happens once between what a transaction read and its writes."""

    def __init__(self, store: ItemStore, happens: Callable[[], None]) -> None:
        super().__init__(store, made=True)
        self._happens = happens

    def transact(self, writes: Any) -> None:
        if self.left:
            self.left -= 1
            self._happens()
        self._store.transact(writes)


def test_a_failed_condition_writes_nothing(store: ItemStore, resource: str) -> None:

    there, new = (resource, "there"), (resource, "new")
    store.update(ItemWrite(there, {"n": 1, "texts": frozenset({"b", "a"}), "ttl": 4_000_000_000}))
    with pytest.raises(ConditionFailed):
        store.transact([ItemWrite(new, {"n": 1}), ItemWrite(there, {"n": 2}, when=(IS_NEW,))])
    assert store.get([there, new])[0] == {
        "PK": resource,
        "SK": "there",
        "n": 1,
        "texts": frozenset({"a", "b"}),
        "ttl": 4_000_000_000,
    }
    assert store.get([there, new])[1] is None


def random_write(random: Random, partition: str) -> ItemWrite:
    names, values = ("a", "b", "c"), (1, 2, "x", "y", frozenset({"x"}), frozenset({"x", "y"}))
    conditions = (
        lambda: absent(random.choice(names)),
        lambda: present(random.choice(names)),
        lambda: equals(random.choice(names), random.choice(values)),
        lambda: Condition(random.choice(names), "at-most", random.choice((1, 2))),
    )
    sets = {name: random.choice(values) for name in random.sample(names, random.randint(1, 2))}
    removes = tuple({random.choice(names)} - set(sets))
    choices = [[random.choice(conditions)() for _ in range(random.randint(1, 2))] for _ in range(random.randint(0, 2))]
    return ItemWrite((partition, random.choice("12")), sets, removes, tuple(map(tuple, choices)))


def outcome_of(store: ItemStore, *writes: ItemWrite) -> Any:
    try:
        return store.update(*writes) if len(writes) == 1 else store.transact(writes)
    except ConditionFailed:
        return "a condition failed"


@pytest.mark.parametrize("seed", range(4))
def test_both_stores_make_the_same_writes(table: Table, resource: str, tmp_path: Path, seed: int) -> None:
    random, files = Random(seed), FileStore(tmp_path)
    refused = 0
    for _ in range(25):
        write, other = random_write(random, resource), random_write(random, resource)
        outcome = outcome_of(files, write)
        assert outcome_of(table.store, write) == outcome, write
        refused += outcome == "a condition failed"
        if write.key != other.key:
            assert outcome_of(table.store, write, other) == outcome_of(files, write, other), (write, other)
    assert files.partition(resource) == table.store.partition(resource) != []
    assert 0 < refused < 25, "some writes are made, and some are not"


class Intrinsic(yaml.SafeLoader):
    """CloudFormation's, whose functions stand for themselves."""


Intrinsic.add_multi_constructor("!", lambda loader, suffix, node: suffix)


def test_the_template_describes_the_table_that_the_lab_has(aws_session: LabAws) -> None:
    printed = CliRunner().invoke(cli, ["init", "--coordination"]).stdout
    (resource,) = yaml.load(printed, Intrinsic)["Resources"].values()
    wanted = resource["Properties"]
    client = aws_session.client("dynamodb", "us-west-2")
    name = aws_session.topology["coordination"]["table"]
    table = client.describe_table(TableName=name)["Table"]
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert {key: table[key] for key in ("KeySchema", "AttributeDefinitions", "DeletionProtectionEnabled")} == {
        key: wanted[key] for key in ("KeySchema", "AttributeDefinitions", "DeletionProtectionEnabled")
    }
    assert table["BillingModeSummary"]["BillingMode"] == wanted["BillingMode"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == (
        wanted["TimeToLiveSpecification"]["AttributeName"],
        "ENABLED",
    )
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert wanted["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert {"StreamSpecification", "Replicas"} & {*wanted, *table} == set(), "an ordinary table, without a stream"
    assert (resource["Type"], resource["DeletionPolicy"]) == ("AWS::DynamoDB::Table", "Retain")


@pytest.mark.parametrize("kind", ["denied", "reset", "server-error"])
def test_a_table_that_cannot_be_reached_is_never_a_free_one(table: Table, resource: str, kind: str) -> None:
    lease = table.coordination.acquire(request_of(resource))
    table.breaks(kind=kind)
    for call in (
        lambda: table.coordination.read([resource]),
        lambda: table.coordination.acquire(request_of(resource, "second")),
        lambda: table.coordination.renew(lease),
        lambda: table.coordination.owe(lease, 1, UNDO),
        lambda: table.coordination.note("approval", resource),
    ):
        with pytest.raises(CannotSee) as caught:
            call()
        assert caught.value.code == "coordination-unreachable"


def test_a_table_that_does_not_exist_is_named_with_its_remedy(table: Table, resource: str) -> None:
    missing = TableStore(table.store._client, CoordinationTable("missing", "us-west-2"))
    with fails_with("coordination-unreachable") as caught:
        ItemCoordination(missing).read([resource])
    assert "chaosdrill init --coordination" in str(caught.value)


def test_an_answer_that_the_network_loses_does_not_lose_the_write(table: Table, resource: str) -> None:
    """The last try's answer, too: then the item is read."""
    table.coordination.read([resource])
    table.breaks(kind="lost-answer", operation="TransactWriteItems", calls=TRIES)
    lease = table.coordination.acquire(request_of(resource))
    assert table.hits() == [TRIES]
    table.breaks(kind="lost-answer", operation="UpdateItem", calls=1)
    renewed = table.coordination.renew(lease)
    table.breaks(kind="lost-answer", operation="TransactWriteItems", calls=TRIES)
    table.coordination.owe(renewed, 1, UNDO)
    table.breaks(kind="lost-answer", operation="UpdateItem", calls=TRIES)
    table.coordination.pay(lease.run, 1, "first")
    table.breaks(kind="lost-answer", operation="TransactWriteItems", calls=TRIES)
    table.coordination.release(renewed)
    assert table.hits() == [TRIES, 1, TRIES, TRIES, TRIES]
    assert table.coordination.read([resource]).leases == ()


def test_the_deadline_of_a_step_does_not_end_a_renewal(
    table: Table, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = table.coordination.acquire(request_of(resource))
    monkeypatch.setattr(deadlines, "LEAST_S", 0.0)
    table.breaks(kind="server-error", operation="UpdateItem", calls=1)
    with deadlines.within(0):
        assert table.coordination.renew(lease).expires_ms >= lease.expires_ms
    assert table.hits() == [1], "it was tried again"


def test_coordination_is_no_change_of_the_drilled_system(table: Table, resource: str, tmp_path: Path) -> None:
    with drill(tmp_path) as one:
        table.coordination.renew(table.coordination.acquire(request_of(resource)))
        assert one.history.events("aws-call") == []


def test_a_topology_names_where_it_coordinates(rig_topology: Callable[..., Any], resource: str) -> None:
    lease = coordination_of(rig_topology()).acquire(request_of(resource))
    assert coordination_of(rig_topology()).read([resource]).holding() == (lease,)
    assert coordination_of(rig_topology(without="coordination")).read([resource]).holding() == ()


@pytest.fixture
def rig_topology(aws_session: LabAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., System]:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))

    def system(without: str = "") -> System:
        path = tmp_path / f"topology-without-{without}.json"
        path.write_text(json.dumps({key: value for key, value in aws_session.topology.items() if key != without}))
        return system_of({"topology": str(path)})

    return system


def test_times_are_those_of_the_table(table: Table, resource: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose clock is wrong by a year holds its lease as long as others."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 365 * 86_400)
    ticks = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: ticks() - 365 * 86_400 * 10**9)
    lease = table.coordination.acquire(request_of(resource, lease_ms=0))
    state = table.coordination.read([resource])
    assert -CLOCK_BOUND_MS <= state.now_ms - lease.expires_ms < LONG_S * 1000
    assert abs(real() * 1000 - state.now_ms) < LONG_S * 1000


def test_what_a_live_run_owes_is_left_to_it_and_what_an_expired_one_owes_to_a_rescue(
    coordination: Coordination, resource: str
) -> None:
    """As long as its driver lives nobody is sent to rescue it."""
    for name, lease_ms in (("live", HOUR_MS), ("expired", -HOUR_MS)):
        held = coordination.acquire(request_of(f"{resource}-{name}", name, lease_ms=lease_ms))
        coordination.owe(held, 1, UNDO)
        with pytest.raises(Refused) as refused:
            coordination.acquire(request_of(f"{resource}-{name}", "second"))
        assert ("chaosdrill rescue" in str(refused.value)) == (name == "expired")
