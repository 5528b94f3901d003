"""The rows that the plugin writes about every request, against what a real server has seen of it."""

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from chaosdrill.client.collecting import collect, finish, marks
from chaosdrill.client.load_generator import LoadGenerator, end_load_generator, open_load_generator
from tests.contract import load_rig
from tests.contract.activities_rig import drill, outside
from tests.contract.load_records_rig import EVERYTHING, REGION, STEADY, Rows, Wayward, files, rows, wayward
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

ISO_TIME = r"\d{4}-\d\d-\d\dT\d\d:"

OK, REFUSED, TIMEOUT, ERROR = 0, 1, 2, 3
OFF_S = 5
LOST_AT_MOST_NS = 2_500_000_000  # 0.5 s, and what a busy machine adds to it


@pytest.fixture(scope="module")
def server() -> Iterator[Wayward]:
    with wayward() as running:
        yield running


@dataclass(frozen=True)
class Seen:
    """What two users of each kind did, and what the server saw of it."""

    generator: LoadGenerator
    rows: Rows
    received: dict[str, int]
    began_ns: int
    ended_ns: int


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, server: Wayward) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("locust")
    with load_rig.listening() as closed:
        port = closed.getsockname()[1]
    script = load_rig.script(directory, EVERYTHING.format(closed=port))
    with load_rig.locust(directory, script) as generator:
        before, began_ns = dict(server.received), time.time_ns()
        generator.swarm(4, 100, server.url)
        wait_for(lambda: server.received["/moved"], lambda n: n - before.get("/moved", 0) >= 6, "several rounds")
        generator.stop()
        wait_for(generator.state, lambda load: load.state == "stopped", "the end")
        finish(generator, directory / "collected", within_s=LONG_S)
        (found,) = files(directory / "collected").values()
        received = {path: count - before.get(path, 0) for path, count in server.received.items()}
        yield Seen(generator, found, received, began_ns, time.time_ns())


@pytest.mark.parametrize("kind", ["plain", "fast"])
class TestOneUser:
    def test_an_answer(self, seen: Seen, kind: str) -> None:
        for one in seen.rows.named(f"{kind} ok"):
            told = (one.method, one.outcome, one.status, one.error, one.size, one.region, one.address, one.resends)
            assert told == ("GET", OK, 200, "", 2, REGION, "127.0.0.1", 0)
            assert seen.began_ns < one.start_ns < one.start_ns + one.duration_us * 1000 < seen.ended_ns

    @pytest.mark.parametrize(
        ("name", "outcome", "status", "error"),
        [
            ("refused", REFUSED, 503, ""),
            ("hangs", TIMEOUT, 0, "TimeoutError"),
            ("closed", ERROR, 0, "ConnectionRefusedError"),
            ("closed-forgiven", OK, 0, "ConnectionRefusedError"),
            ("blamed", REFUSED, 200, "CatchResponseError"),
        ],
    )
    def test_a_failure(self, seen: Seen, kind: str, name: str, outcome: int, status: int, error: str) -> None:
        found = seen.rows.named(f"{kind} {name}")
        assert len(found) >= 2
        assert {(one.outcome, one.status, one.error) for one in found} == {(outcome, status, error)}
        assert {(one.address, one.resends) for one in found} == {("127.0.0.1", 0)}
        if name == "hangs":
            assert min(one.duration_us for one in found) >= 450_000

    def test_a_block_begins_when_it_was_sent_whatever_happens_in_it(self, seen: Seen, kind: str) -> None:
        blocks, inner = seen.rows.named(f"{kind} blamed"), seen.rows.named(f"{kind} inner")
        assert len(blocks) == len(inner) >= 2
        for one in inner:
            assert (one.outcome, one.address, one.resends) == (OK, "127.0.0.1", 0)
            # the block ends 300 ms after the request in it
            assert any(one.start_ns - 200_000_000 < block.start_ns < one.start_ns for block in blocks)

    def test_what_a_script_reports_itself(self, seen: Seen, kind: str) -> None:
        for one in seen.rows.named(f"{kind} settled"):
            assert (one.method, one.outcome, one.status, one.error) == ("SETTLE", ERROR, 0, "RuntimeError")
            assert one.duration_us == 50_000


def test_a_reset_is_an_error_to_http_user_and_a_hidden_resend_to_fast_http_user(seen: Seen) -> None:
    plain, fast = seen.rows.named("plain resets"), seen.rows.named("fast resets")
    assert {(one.outcome, one.status, one.error, one.resends) for one in plain} == {
        (ERROR, 0, "ConnectionResetError", 0)
    }
    assert {(one.outcome, one.status, one.error, one.resends) for one in fast} == {(OK, 200, "", 1)}
    assert len(plain) >= 2
    assert len(fast) >= 2


@pytest.mark.parametrize("path", ["ok", "refused", "hangs", "blamed", "inner", "resets", "moved"])
def test_every_request_that_came_to_the_server_is_a_row_or_a_resend(seen: Seen, path: str) -> None:
    found = [one for kind in ("plain", "fast") for one in seen.rows.named(f"{kind} {path}")]
    redirected = len([one for one in seen.rows.requests if one.name.endswith(" moved")]) if path == "ok" else 0
    assert seen.received[f"/{path}"] == len(found) + redirected + sum(one.resends for one in found)
    if path != "resets":
        assert not any(one.resends for one in found)


class TestThePage:
    def test_tells_the_time(self, seen: Seen) -> None:
        for source, reading in seen.generator.clocks().items():
            assert source in ("locust", seen.rows.header["source"])
            assert abs(reading.offset_ns) <= reading.uncertainty_ns + 1_000_000  # the same machine

    def test_gives_whole_lines_from_an_offset(self, seen: Seen) -> None:
        records = seen.generator.records()
        ((name, size),) = records.files.items()
        assert not records.trouble
        offset, parts = 0, []
        while offset < size:
            parts.append(seen.generator.record_file(name, offset, 300))
            assert parts[-1].endswith(b"\n")
            offset += len(parts[-1])
        assert len(parts) > 10
        whole = (Path(records.directory) / name).read_bytes()
        assert whole.startswith(b"".join(parts))
        longer_than_asked_for = seen.generator.record_file(name, 0, 1)
        assert longer_than_asked_for == whole.splitlines(keepends=True)[0]

    @pytest.mark.parametrize("name", ["../locust.log", "/etc/hostname", "..%2Flocust.log", "", "requests-other.jsonl"])
    def test_gives_nothing_else(self, seen: Seen, name: str) -> None:
        answer = requests.get(f"{seen.generator.url}/chaosdrill/records?file={name}", timeout=LONG_S)
        assert answer.status_code == 400
        assert "requests-locust-" in answer.text, "what is there"


def test_a_drill_collects_what_is_its_own_and_goes_on_where_it_was(server: Wayward, tmp_path: Path) -> None:
    into = tmp_path / "run" / "records"
    with load_rig.locust(tmp_path, load_rig.script(tmp_path, STEADY)) as generator:
        generator.swarm(2, 100, server.url)
        wait_for(lambda: generator.state().now_s, lambda _: _requests(tmp_path) >= 20, "rows before the drill")
        before = marks(generator)
        (name,) = before
        earlier = len(_lines(tmp_path / "records" / name)[: -1 if before[name] else None])
        collect(generator, into, before)
        with open(into / name, "ab") as file:
            file.write(b'["r",17')  # as a process that was killed while it collected leaves it
        wait_for(lambda: _requests(tmp_path), lambda n: n >= earlier + 20, "rows of the drill")
        (collected,) = finish(generator, into, before, within_s=LONG_S)
        whole, mine = (tmp_path / "records" / name).read_bytes(), (into / name).read_bytes()
        header = whole[: whole.index(b"\n") + 1]
        assert mine == header + whole[before[name] :][: len(mine) - len(header)]
        assert (collected.complete, collected.why, collected.bytes) == (True, "", len(mine))
        assert collected.rows == len(rows(into / name).requests) >= 1


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _requests(directory: Path) -> int:
    return sum(len(one.requests) for one in files(directory / "records").values())


@pytest.mark.long
def test_what_a_killed_locust_had_written_is_collected_from_its_directory(server: Wayward, tmp_path: Path) -> None:
    into = tmp_path / "run" / "records"
    with load_rig.locust_process(tmp_path, load_rig.script(tmp_path, STEADY)) as (generator, process):
        generator.records_directory = tmp_path / "records"
        generator.swarm(2, 100, server.url)
        wait_for(lambda: _requests(tmp_path), lambda n: n >= 20, "rows")
        collect(generator, into)
        fetched = sum(len(one.requests) for one in files(into).values())
        wait_for(lambda: _requests(tmp_path), lambda n: n >= fetched + 100, "rows that were not fetched")
        os.kill(process.pid, signal.SIGKILL)
        killed_ns = time.time_ns()
        process.wait()
        (collected,) = finish(generator, into, within_s=LONG_S)
    (there,), (here,) = files(tmp_path / "records").values(), files(into).values()
    assert here == there
    assert len(here.requests) >= fetched + 100
    assert killed_ns - here.until_ns < LOST_AT_MOST_NS
    assert not here.ended
    assert (collected.complete, collected.rows) == (False, len(here.requests))
    assert re.search(ISO_TIME, collected.why), "what it saw after that is missing"


@pytest.mark.long
def test_of_a_killed_master_what_its_workers_had_told_is_collected(server: Wayward, tmp_path: Path) -> None:
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    ports = ["--processes", "2", "--master-bind-port", port, "--master-port", port]
    into = tmp_path / "run" / "records"
    with load_rig.locust_process(tmp_path, load_rig.script(tmp_path, STEADY), *ports) as (generator, process):
        generator.records_directory = tmp_path / "records"
        wait_for(generator.state, lambda load: load.workers == 2, "two workers")
        generator.swarm(4, 100, server.url)
        wait_for(lambda: _requests(tmp_path), lambda n: n >= 100, "rows")
        collect(generator, into)
        workers = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        killed_ns = time.time_ns()
        process.wait()
        collected = finish(generator, into, within_s=LONG_S)
        for worker in workers:  # a minute later they would end by themselves
            worker.kill()
        psutil.wait_procs(workers, 10)
    found = files(into)
    assert len(found) == len(collected) == 2
    assert not any(one.complete for one in collected)
    assert all(killed_ns - one.until_ns < LOST_AT_MOST_NS for one in found.values())


def test_files_of_another_locust_are_not_taken_for_those_of_the_dead_one(server: Wayward, tmp_path: Path) -> None:
    into = tmp_path / "run" / "records"
    with load_rig.locust_process(tmp_path, load_rig.script(tmp_path, STEADY)) as (generator, process):
        generator.records_directory = tmp_path / "records"
        collect(generator, into)
        process.kill()
        process.wait()
    (mine,) = into.glob("*.jsonl")
    (theirs,) = (tmp_path / "records").glob("*.jsonl")
    before = mine.read_text()
    theirs.write_text(theirs.read_text().replace('"source"', '"other": 1, "source"') + '["w",1]\n')
    with fails_with("locust-unreachable"):
        collect(generator, into)
    assert mine.read_text() == before


def test_locust_ends_its_file_in_order_and_its_users_are_all_in_it(server: Wayward, tmp_path: Path) -> None:
    before = server.received["/ok"]
    with load_rig.locust_process(tmp_path, load_rig.script(tmp_path, STEADY)) as (generator, process):
        generator.swarm(2, 100, server.url)
        wait_for(lambda: server.received["/ok"], lambda n: n >= before + 20, "requests")
        process.terminate()
        process.wait(LONG_S)
    (found,) = files(tmp_path / "records").values()
    assert found.ended
    assert len(found.requests) == server.received["/ok"] - before
    (collected,) = finish(None, tmp_path / "records")
    assert (collected.complete, collected.rows) == (True, len(found.requests))


@pytest.mark.long
def test_the_drills_own_locust_writes_into_the_run_directory(server: Wayward, tmp_path: Path) -> None:
    configuration = {"topology": str(load_rig.write_topology(tmp_path / "topology.yaml"))}
    script = str(load_rig.script(tmp_path, STEADY))
    with drill(tmp_path) as one_drill:
        generator = open_load_generator(configuration, None, script, 30)
        try:
            generator.swarm(1, 100, server.url)
            directory = one_drill.directory / "records"
            wait_for(lambda: files(directory), lambda found: any(one.requests for one in found.values()), "rows")
            collect(generator, directory)  # nothing to do
        finally:
            end_load_generator(configuration)
        (collected,) = finish(generator, directory, within_s=LONG_S)
        (found,) = files(directory).values()
    assert found.header["run"] == one_drill.run_id
    assert (collected.complete, collected.rows) == (True, len(found.requests))
    with outside():
        generator = open_load_generator(configuration, None, script, 30)
        directory = Path(generator.records().directory)
        assert directory.is_dir()
        end_load_generator(configuration)
        assert not directory.exists()


@pytest.mark.long
def test_each_of_locusts_own_processes_has_its_file(server: Wayward, tmp_path: Path) -> None:
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    ports = ["--processes", "2", "--master-bind-port", port, "--master-port", port]
    into, before = tmp_path / "run" / "records", server.received["/ok"]
    with load_rig.locust(tmp_path, load_rig.script(tmp_path, STEADY), *ports) as generator:
        wait_for(generator.state, lambda load: load.workers == 2, "two workers")
        generator.swarm(4, 100, server.url)
        wait_for(lambda: server.received["/ok"], lambda n: n >= before + 50, "requests")
        generator.stop()
        wait_for(generator.state, lambda load: load.state == "stopped", "the end")
        collected = finish(generator, into, within_s=LONG_S)
        found = files(into)
        assert [one.why for one in collected if not one.complete] == []
        assert sum(len(one.requests) for one in found.values()) == server.received["/ok"] - before
        assert all(one.requests for one in found.values())
        assert set(found) | {"locust"} == set(generator.clocks())


@pytest.mark.long
def test_a_worker_whose_clock_is_off_and_that_is_killed(server: Wayward, tmp_path: Path) -> None:
    late = tmp_path / "late"
    late.mkdir()
    (late / "sitecustomize.py").write_text(
        "import time\n"
        "seconds, nanoseconds = time.time, time.time_ns\n"
        f"time.time = lambda: seconds() + {OFF_S}\n"
        f"time.time_ns = lambda: nanoseconds() + {OFF_S} * 10**9\n"
    )
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    script, into = load_rig.script(tmp_path, STEADY), tmp_path / "run" / "records"
    worker = ["--worker", "--master-port", port, "-f", f"{load_rig.PLUGIN},{script}"]
    path = os.pathsep.join([str(late), str(Path(load_rig.PLUGIN).parents[2])])
    with (
        load_rig.locust(tmp_path, script, "--master", "--master-bind-port", port) as generator,
        load_rig.process(worker, tmp_path / "good.log") as good,
    ):
        with load_rig.process(worker, tmp_path / "late.log", PYTHONPATH=path) as killed:
            clocks = wait_for(generator.clocks, lambda seen: len(seen) == 3, "the clocks of two workers")
            generator.swarm(4, 100, server.url)
            wait_for(lambda: files(tmp_path / "records"), _both_have_rows, "rows of both")
            killed.kill()
            killed_ns = time.time_ns()
            killed.wait()
        sure = _requests(tmp_path)
        wait_for(lambda: _requests(tmp_path), lambda n: n >= sure + 20, "rows of the other")
        good.terminate()
        good.wait(LONG_S)
        wait_for(lambda: files(tmp_path / "records").values(), lambda seen: any(f.ended for f in seen), "the end")
        collected = {one.file: one for one in finish(generator, into, within_s=0)}
    page = clocks.pop("locust")
    off, right = sorted(clocks, key=lambda source: -clocks[source].offset_ns)
    for source, expected_s in ((off, OFF_S), (right, 0)):
        reading = clocks[source]
        assert abs(reading.offset_ns - expected_s * 10**9) <= reading.uncertainty_ns + 1_000_000
        assert page.uncertainty_ns < reading.uncertainty_ns < 2_000_000_000
    found = files(into)
    assert (found[off].ended, found[right].ended) == (False, True)
    assert killed_ns + OFF_S * 10**9 - found[off].until_ns < LOST_AT_MOST_NS
    assert re.search(ISO_TIME, collected[f"requests-{off}.jsonl"].why)
    assert collected[f"requests-{right}.jsonl"].complete


def _both_have_rows(found: dict[str, Rows]) -> bool:
    return len(found) == 2 and all(one.requests for one in found.values())
