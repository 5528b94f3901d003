"""Coordination without a table: its file, its items' forms, and the process that holds a lease."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chaosdrill.coordination import clock, holders, items
from chaosdrill.coordination.clock import ServiceClock
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.holders import is_proven_dead, this_process
from chaosdrill.coordination.interface import CLOCK_BOUND_MS, LeaseRequest
from chaosdrill.coordination.items import ItemWrite
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.coordination.table import update_of
from chaosdrill.history import register_secret
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.paths import VARIABLE
from tests.failing import fails_with

KEY = ("run#1", "lease")


def request_of(run: str) -> LeaseRequest:
    return LeaseRequest(run, "drill", ("1/domain/a", "1/global-cluster/b"), 60_000, 13_000, this_process(), "e", "end")


def test_a_lease_and_its_item_say_the_same() -> None:
    lease = items.new_lease(request_of("1"), request_of("1").resources, "f" * 32, 1_000_000)
    (*_, write) = items.acquisition(lease, {}, (), 1_000_000, "me@here 1")
    assert items.lease_of(items.written(write, {})) == lease
    assert (lease.expires_ms, lease.free_at_ms) == (1_060_000, 1_060_000 + 13_000 + CLOCK_BOUND_MS)


def test_every_item_says_who_wrote_it_and_who_can_read_it() -> None:
    lease = items.new_lease(request_of("1"), request_of("1").resources, "f" * 32, 1_000_000)
    undo = OwedUndo("s", "fail_over", "system", "fail_back", "", {})
    writes = [
        *items.acquisition(lease, {}, (), 1_000_000, "me@here 1"),
        items.owing_write(lease, 1, undo, "a", 1_000_000, "me@here 1")[0],
        items.note_write("approval", "1/step", {}, 1_000_000, "me@here 1"),
    ]
    for write in writes:
        written = items.written(write, {})
        assert (written["schema"], written["by"], written["at"]) == (1, "me@here 1", "1970-01-01T00:16:40.000Z")
        assert written["needs"]
        assert items.NOT_NEWER in write.when or items.IS_NEW in write.when


def test_what_a_later_version_adds_to_an_undo_is_left_out() -> None:
    undo = OwedUndo("s", "fail_over", "system", "fail_back", "", {})
    lease = items.new_lease(request_of("1"), request_of("1").resources, "f" * 32, 1_000_000)
    item = items.written(items.owing_write(lease, 1, undo, "a", 1_000_000, "me")[0], {})
    later = {**item, "undo": json.dumps({**json.loads(item["undo"]), "added": 1})}
    assert items.undo_of(later).undo == undo


def test_an_older_item_is_read() -> None:
    assert items.require_readable({"PK": "run#1"}, "the table") == {"PK": "run#1"}


@pytest.mark.parametrize("attribute", ["token", "expires_ms", "holder", "resources", "state"])
def test_an_item_that_lacks_something_is_not_read_as_a_free_system(tmp_path: Path, attribute: str) -> None:
    store = FileStore(tmp_path)
    coordination = ItemCoordination(store)
    lease = coordination.acquire(request_of("1"))
    store.update(ItemWrite(items.lease_key("1"), {}, (attribute,)))
    with fails_with("coordination-invalid"):
        coordination.read(lease.resources)
    with fails_with("coordination-invalid"):
        coordination.acquire(request_of("2"))


@pytest.mark.parametrize("value", ["newest", ["2"], {"S": "2"}])
def test_a_schema_that_is_no_number_is_invalid(value: object) -> None:
    with fails_with("coordination-invalid"):
        items.require_readable({"PK": "run#1", "SK": "lease", "schema": value}, "the table")


def test_no_secret_is_kept(tmp_path: Path) -> None:
    register_secret("s3cr3t-of-the-test")
    coordination = ItemCoordination(FileStore(tmp_path))
    undo = OwedUndo(
        "s", "start_load", "load", "stop_load", "", {"url": "x?token=abcdefgh", "key": "s3cr3t-of-the-test"}
    )
    coordination.owe(coordination.acquire(request_of("1")), 1, undo)
    coordination.ask_approval("1", 1, "s", "Is s3cr3t-of-the-test right?", 1000)
    kept = (tmp_path / "items.json").read_text()
    assert "right?" in kept
    assert "s3cr3t-of-the-test" not in kept
    assert "abcdefgh" not in kept


def test_files_lie_in_the_home_and_reading_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    coordination = ItemCoordination(FileStore())
    assert coordination.read(["1/domain/a"]).leases == ()
    assert not (tmp_path / "coordination").exists()
    coordination.acquire(request_of("1"))
    assert (tmp_path / "coordination" / "items.json").stat().st_mode & 0o077 == 0


def test_items_whose_time_is_up_are_removed(tmp_path: Path) -> None:
    store, now_s = FileStore(tmp_path), int(time.time())
    for name, ttl in (("old", now_s - 60), ("new", now_s + 3_600)):
        store.update(ItemWrite(("note", name), {"ttl": ttl}))
    store.update(ItemWrite(("note", "forever"), {"a": 1}))
    assert [item["SK"] for item in store.partition("note")] == ["forever", "new"]


@pytest.mark.parametrize("content", ["", "[", "{}x", "[1]", '[{"PK": "a"}]'])
def test_a_file_that_cannot_be_read_is_never_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "items.json").write_text(content)
    coordination = ItemCoordination(FileStore(tmp_path))
    with fails_with("coordination-unreachable"):
        coordination.read(["1/domain/a"])
    with fails_with("coordination-unreachable"):
        coordination.acquire(request_of("1"))
    assert (tmp_path / "items.json").read_text() == content


def test_a_directory_that_is_a_file_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "coordination").write_text("")
    with fails_with("coordination-unreachable"):
        ItemCoordination(FileStore(tmp_path / "coordination")).acquire(request_of("1"))


def test_a_transaction_is_written_as_a_whole(tmp_path: Path) -> None:
    FileStore(tmp_path).transact([ItemWrite(("a", "1"), {"n": 1}), ItemWrite(("b", "2"), {"n": 2})])
    assert [item["PK"] for item in json.loads((tmp_path / "items.json").read_text())] == ["a", "b"]


def test_every_name_of_an_expression_has_a_placeholder() -> None:
    write = ItemWrite(
        ("run#1", "lease"),
        {"state": "held", "expires_ms": 5, "resources": frozenset({"b", "a"})},
        ("ttl",),
        (items.NOT_NEWER, (items.equals("token", "t"),), (items.present("PK"),)),
    )
    assert update_of(write, "the-table") == {
        "TableName": "the-table",
        "Key": {"PK": {"S": "run#1"}, "SK": {"S": "lease"}},
        "UpdateExpression": "SET #state = :v0, #expires_ms = :v1, #resources = :v2 REMOVE #ttl",
        "ConditionExpression": "(attribute_not_exists(#schema) OR #schema <= :v3) AND (#token = :v4)"
        " AND (attribute_exists(#PK))",
        "ExpressionAttributeNames": {
            f"#{name}": name for name in ("state", "expires_ms", "resources", "ttl", "schema", "token", "PK")
        },
        "ExpressionAttributeValues": {
            ":v0": {"S": "held"},
            ":v1": {"N": "5"},
            ":v2": {"SS": ["a", "b"]},
            ":v3": {"N": "1"},
            ":v4": {"S": "t"},
        },
    }


def test_the_services_time_is_the_latest_that_a_response_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    local = iter([5_000, 6_000, 8_000, 9_000, 9_000])
    monkeypatch.setattr(clock, "boot_time_ms", lambda: next(local))
    seen = ServiceClock()
    assert seen.now_ms() is None
    for header in ({"date": "Thu, 01 Jan 1970 00:01:40 GMT"}, {"date": "Thu, 01 Jan 1970 00:01:42 GMT"}):
        seen.notice(header)  # the first is 95 s ahead of the local clock, the second 96 s
    seen.notice({"date": "Thu, 01 Jan 1970 00:01:43 GMT"})  # 95 s: it was on its way for longer
    assert seen.now_ms() == 9_000 + 96_000
    for header in ({}, {"date": "yesterday"}, {"date": ""}):
        seen.notice(header)
    assert seen.now_ms() == 9_000 + 96_000


def test_old_responses_do_not_tell_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local clock that is too fast would carry the estimate away with it."""
    monkeypatch.setattr(clock, "boot_time_ms", lambda: 5_000)
    seen = ServiceClock()
    seen.notice({"date": "Thu, 01 Jan 1970 00:01:40 GMT"})
    for _ in range(clock._RESPONSES):
        seen.notice({"date": "Thu, 01 Jan 1970 00:01:39 GMT"})
    assert seen.now_ms() == 99_000


def test_a_holder_that_lives_is_not_dead() -> None:
    assert not is_proven_dead(this_process())


def test_a_holder_is_dead_when_its_process_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    holder = replace(this_process(), pid=child.pid, started=float(fields[19]))
    assert not is_proven_dead(holder)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_proven_dead(holder), "it waits for its parent"
    child.communicate()
    assert is_proven_dead(holder)


def test_another_process_of_the_same_number_does_not_make_a_holder_live() -> None:
    assert is_proven_dead(replace(this_process(), started=this_process().started - 1))


def test_a_process_that_another_time_namespace_shows_with_another_beginning_is_not_dead() -> None:
    seen_from_there = replace(this_process(), started=this_process().started - 1, time_namespace="time:[1]")
    assert not is_proven_dead(seen_from_there)
    gone = replace(seen_from_there, pid=2**22 - 1)
    assert is_proven_dead(gone), "its number is the same there"


@pytest.mark.parametrize("elsewhere", [{"boot_id": "another"}, {"pid_namespace": "pid:[1]"}, {"started": 0.0}])
def test_a_holder_elsewhere_is_not_known_to_be_dead(elsewhere: dict[str, object]) -> None:
    gone = replace(this_process(), started=1.0)
    assert is_proven_dead(gone)
    assert not is_proven_dead(replace(gone, **elsewhere))  # type: ignore[arg-type]


def test_a_machine_that_does_not_name_itself_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "_boot_id", lambda: "")
    assert not is_proven_dead(replace(this_process(), started=1.0))
