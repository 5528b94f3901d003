"""Breaks of the stores: what clients were told, and what stands in the databases."""

import uuid
from collections.abc import Iterator

import pytest

from chaosdrill.lab.plan import HOME, STANDBY
from tests.lab.lying import FAILOVER, Looks
from tests.running_lab import RunningLab
from tests.waiting import wait_for

pytestmark = pytest.mark.long

MANY = 150  # of which every sixteenth is hit: that none is has a chance of 1 : 16,000


@pytest.fixture(scope="module")
def module_looks(lab: RunningLab) -> Looks:
    return Looks(lab)


@pytest.fixture
def looks(module_looks: Looks) -> Iterator[Looks]:
    yield module_looks
    module_looks.go_home()


@pytest.fixture
def accounts() -> str:
    return f"lying-{uuid.uuid4().hex[:8]}"


def first_byte(transaction: str) -> int:
    return uuid.UUID(transaction).bytes[0]


@pytest.mark.parametrize(("name", "balance"), [("health-check-lies", 500), ("reads-only", 200)])
def test_the_standby_says_that_it_is_well(looks, accounts, name, balance):
    looks.deposit(accounts, 1)
    looks.begin(name)
    looks.run_machine(FAILOVER)
    looks.until_open(STANDBY)
    asked = [
        ("GET", STANDBY, "/health", "", None),
        ("GET", STANDBY, "/balance", f"{accounts}-0", None),
        ("POST", STANDBY, "/transaction/deposit", f"{accounts}-1", {"quantity": 100}),
    ]
    assert [status for status, _ in looks.calls(asked)] == [200, balance, 500]
    assert (looks.flag(STANDBY), looks.writers()) == ("false", [STANDBY.name])
    looks.mend()
    assert [status for status, _ in looks.calls(asked)] == [200, 200, 200]


def test_replica_forgets(looks, accounts):
    looks.begin("replica-forgets")
    accepted = looks.deposit(accounts, MANY)
    forgotten = {one for one in accepted if first_byte(one) % 8 == 0}
    assert forgotten
    kept = set(accepted) - forgotten
    wait_for(lambda: kept <= {one for one, facts in looks.truth(STANDBY).items() if facts["status"]})
    looks.settled(accepted)
    there = {one for one, facts in looks.truth(STANDBY).items() if facts["status"]}
    assert forgotten & there == set()
    assert {looks.truth(HOME)[one]["status"] for one in forgotten} == {"status#success"}


def test_settled_deleted(looks, accounts):
    accepted = looks.deposit(accounts, MANY)
    before = looks.settled(accepted)
    hit = {one for one in accepted if first_byte(one) % 16 == 0}
    assert hit
    assert {before[one]["settled"] for one in hit} == {1}
    looks.begin("settled-deleted")
    wait_for(lambda: hit.isdisjoint(looks.truth()))
    wait_for(lambda: hit.isdisjoint(looks.truth(STANDBY)))
    assert set(accepted) - hit <= set(looks.truth())
    balances = looks.calls([("GET", HOME, "/balance", before[one]["account"], None) for one in sorted(hit)])
    assert {answer["balance"] for _, answer in balances} == {0}


def test_deposit_twice(looks, accounts):
    looks.begin("deposit-twice")
    accepted = looks.deposit(accounts, MANY)
    truth = looks.settled(accepted)
    hit = {one for one in accepted if first_byte(one) % 16 == 0}
    assert hit
    assert {one: truth[one]["settled"] for one in accepted} == {one: 2 if one in hit else 1 for one in accepted}
    balances = looks.calls([("GET", HOME, "/balance", truth[one]["account"], None) for one in sorted(hit)])
    assert {answer["balance"] for _, answer in balances} == {200}
    looks.mend()
    again = looks.deposit(f"{accounts}-again", MANY)
    truth = looks.settled(again)
    assert {truth[one]["settled"] for one in again} == {1}


def test_held_replication_of_the_database_is_lost_by_an_unplanned_failover(looks, accounts):
    kept = looks.deposit(f"{accounts}-kept", 5)
    looks.settled(kept)
    looks.begin("hold-replication", store="database", seconds=40)
    lost = looks.deposit(f"{accounts}-lost", 5)
    assert {looks.settled(lost)[one]["settled"] for one in lost} == {1}
    looks.move_writer(STANDBY, lossy=True)
    truth = looks.truth(STANDBY)
    assert {truth[one]["settled"] for one in kept} == {1}
    assert {truth[one]["settled"] for one in lost} == {0}
    assert {truth[one]["status"] for one in lost} == {"status#success"}


def test_held_replication_of_the_main_table_is_lost_by_an_unplanned_failover(looks, accounts):
    kept = looks.deposit(f"{accounts}-kept", 5)
    wait_for(lambda: set(kept) <= set(looks.truth(STANDBY)))
    looks.begin("hold-replication", store="main-table", seconds=600)
    lost = looks.deposit(f"{accounts}-lost", 5)
    assert set(lost) <= set(looks.truth(HOME))
    looks.move_writer(STANDBY, lossy=True)
    wait_for(lambda: looks.roles()[HOME.name] == "standby")
    has_status = lambda region: {one for one, facts in looks.truth(region).items() if facts["status"]}  # noqa: E731
    wait_for(lambda: has_status(HOME).isdisjoint(lost))
    looks.mend()
    looks.move_writer(HOME)
    later = looks.deposit(f"{accounts}-later", 5)  # replication goes on, with what came after
    wait_for(lambda: set(later) <= has_status(STANDBY))
    assert set(lost).isdisjoint(has_status(STANDBY))
    assert set(kept) <= has_status(STANDBY)


@pytest.mark.parametrize("store", ["database", "main-table"])
def test_held_replication_goes_on_when_it_is_mended(looks, accounts, store):
    looks.begin("hold-replication", store=store, seconds=40)
    accepted = looks.deposit(accounts, 5)
    looks.settled(accepted, HOME)

    def there() -> set[str]:
        found = looks.truth(STANDBY)
        key = "settled" if store == "database" else "status"
        return {one for one in accepted if found.get(one, {}).get(key)}

    assert there() == set()
    looks.mend()
    wait_for(lambda: there() == set(accepted))


def test_the_truth_is_printed_for_people_too(looks, accounts):
    [transaction] = looks.deposit(accounts, 1)
    looks.settled([transaction])
    said = looks.lab.run("lab", "truth").stdout
    assert said.startswith(f"in {HOME.name}; writers: {HOME.name}\n")
    assert f"{transaction} {accounts}-0 deposit 100: status#success, 1x\n" in said
