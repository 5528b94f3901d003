"""A Locust that a drill attaches to, whose page lies: it writes no file of the run but rows, and reads none of ours."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chaosdrill.client import collecting, locust_page
from chaosdrill.client.collecting import collect, finish
from chaosdrill.client.heartbeat_records import BEATS, LEDGER, HeartbeatFiles
from chaosdrill.client.locust_rest import LoadGenerator
from chaosdrill.errors import DrillError
from tests.contract.activities_rig import drill
from tests.failing import fails_with
from tests.waiting import LONG_S

NAME = "requests-locust-1.jsonl"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
EVIDENCE = {"beats.jsonl": b'["b",1]\n', "ledger.jsonl": b'{"row": "write"}\n', "notes.txt": b"ours\n"}


def header(**other: str) -> str:
    return json.dumps({"chaosdrill": "requests", "source": "locust-1", "run": "", **other}) + "\n"


class Page(http.server.ThreadingHTTPServer):
    """Says what a test lets it say of its records."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.records: Any = {"directory": "/nowhere", "files": {}}
        self.content: dict[str, str] = {}
        self.endless = False
        self.silent_after: int | None = None  # requests
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Whoever asked is gone."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        if self.server.silent_after is not None:
            self.server.silent_after -= 1
            if self.server.silent_after < 0:
                return
        asked = parse_qs(urlsplit(self.path).query)
        self.send_response(200)
        self.end_headers()
        if "file" not in asked:
            self.wfile.write(json.dumps(self.server.records).encode())
            return
        offset = int(asked["offset"][0])
        self.wfile.write(self.server.content.get(asked["file"][0], "")[offset:].encode())
        while self.server.endless:
            self.wfile.write(b'["w",1]\n' * 8_000)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.endless = False
        server.shutdown()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The records of a run, with the heartbeat's evidence."""
    into = tmp_path / "run" / "records"
    into.mkdir(parents=True)
    for name, content in EVIDENCE.items():
        (into / name).write_bytes(content)
    return into


def untouched(run: Path, *more: str) -> None:
    """Nothing is there but the evidence as it was, and the files named."""
    found = {str(path.relative_to(run.parent)): path for path in run.parent.rglob("*") if path.is_file()}
    assert set(found) == {f"records/{name}" for name in (*EVIDENCE, *more)}
    assert {name: (run / name).read_bytes() for name in EVIDENCE} == EVIDENCE


@pytest.mark.parametrize(
    "name",
    [
        "beats.jsonl",
        "ledger.jsonl",
        "../history.jsonl",
        "requests-/../../history.jsonl",
        "/tmp/requests-a.jsonl",
        "requests-..jsonl/x",
        "requests-a.jsonl\n",
        "requests-é.jsonl",
        "requests-.jsonl",
        f"requests-{'a' * 300}.jsonl",
        "",
    ],
)
def test_a_name_that_is_none_of_rows_is_refused(page: Page, run: Path, name: str) -> None:
    page.records = {"directory": str(run), "files": {NAME: 10, name: 1000}}
    page.content = {NAME: header(), name: header()}
    with fails_with("load-records-refused"):
        collect(LoadGenerator(page.url), run)
    untouched(run)
    assert finish(LoadGenerator(page.url), run) == ()


@pytest.mark.parametrize(
    "content",
    [
        KEY,
        "[]\n",
        "{}\n",
        header(source="locust-2"),
        header(run="20260101T000000Z-another-abcd"),
        '{"chaosdrill": "requests", "run": ""}\n',
        header(padding="x" * 20_000),
    ],
)
@pytest.mark.parametrize("skip", [0, 3])
def test_a_file_that_does_not_begin_as_one_of_this_run_is_refused(
    page: Page, run: Path, content: str, skip: int
) -> None:
    page.records, page.content = {"directory": "/x", "files": {NAME: 1000}}, {NAME: content + '["r",1]\n'}
    with fails_with("load-records-refused"):
        collect(LoadGenerator(page.url), run, {NAME: skip})
    untouched(run)


def test_rows_of_this_run_are_taken_over(page: Page, tmp_path: Path, run: Path) -> None:
    with drill(tmp_path) as one_drill:
        content = header(run=one_drill.run_id) + '["w",1]\n'
        page.records, page.content = {"directory": "/x", "files": {NAME: len(content)}}, {NAME: content}
        collect(LoadGenerator(page.url), run)
    assert (run / NAME).read_text() == content


@pytest.mark.parametrize("name", ["id_ed25519", NAME])
def test_no_directory_that_the_page_names_is_read(page: Page, run: Path, tmp_path: Path, name: str) -> None:
    """It tells the first line of a file, which is known of a key, falls silent, and the rest would be read here."""
    theirs = tmp_path / "home"
    theirs.mkdir()
    first = KEY if name != NAME else header()
    (theirs / name).write_text(first + "secret\n")
    page.records, page.content = {"directory": str(theirs), "files": {name: len(first)}}, {name: first}
    generator = LoadGenerator(page.url, timeout_s=LONG_S)
    with suppress(DrillError):
        collect(generator, run)
    page.silent_after = 0
    with pytest.raises(DrillError):
        collect(generator, run)
    assert not any("secret" in path.read_text() for path in run.iterdir())
    untouched(run, *([NAME] if name == NAME else []))


def test_a_page_does_not_say_that_its_rows_are_here_already(page: Page, run: Path) -> None:
    page.records, page.content = {"directory": str(run), "files": {NAME: len(header())}}, {NAME: header()}
    generator = LoadGenerator(page.url)
    for _ in range(2):
        collect(generator, run)
        assert (run / NAME).read_text() == header()
        (run / NAME).unlink()


def test_a_link_in_the_directory_of_a_dead_locust_is_not_followed(page: Page, run: Path, tmp_path: Path) -> None:
    page.records, page.content = {"directory": "/x", "files": {NAME: len(header())}}, {NAME: header()}
    generator = LoadGenerator(page.url)
    generator.records_directory = tmp_path / "records"
    collect(generator, run)
    generator.records_directory.mkdir()
    (tmp_path / "ours").write_text(header() + "secret\n")
    (generator.records_directory / NAME).symlink_to(tmp_path / "ours")
    page.silent_after = 0
    with fails_with("locust-unreachable"):
        collect(generator, run)
    untouched(run, NAME)


def test_a_response_without_an_end_ends(page: Page, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locust_page, "MOST_READ", 1_000_000)
    page.records, page.content = {"directory": "/x", "files": {NAME: 10**15}}, {NAME: header()}
    page.endless = True
    with fails_with("locust-response-unexpected"):
        collect(LoadGenerator(page.url), run)
    untouched(run)


def test_rows_beyond_what_a_run_can_have_are_refused(page: Page, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_BYTES", 1_000)
    other = NAME.replace("1", "2")
    page.records = {"directory": "/x", "files": {NAME: 10**9, other: 10**9}}
    page.content = {NAME: header() + "x" * 700, other: header(source="locust-2") + "x" * 700}
    with fails_with("load-records-refused"):
        collect(LoadGenerator(page.url), run)
    assert sum(path.stat().st_size for path in run.glob("requests-*")) <= 1_000


def test_more_files_than_a_load_can_have_are_refused(page: Page, run: Path) -> None:
    page.records = {"directory": "/x", "files": {f"requests-locust-{number}.jsonl": 1 for number in range(2_000)}}
    with fails_with("load-records-refused"):
        collect(LoadGenerator(page.url), run)
    untouched(run)


@pytest.mark.parametrize(
    "records",
    [
        None,
        [],
        "text",
        {},
        {"directory": "/x"},
        {"directory": 1, "files": {}},
        {"directory": "/x", "files": [NAME]},
        {"directory": "/x", "files": {NAME: "10"}},
        {"directory": "/x", "files": {NAME: -1}},
        {"directory": "/x", "files": {NAME: True}},
    ],
)
def test_a_response_that_is_no_list_of_files_is_said_to_be_none(page: Page, run: Path, records: Any) -> None:
    page.records = records
    with fails_with("locust-response-unexpected"):
        collect(LoadGenerator(page.url), run)
    untouched(run)


@pytest.mark.parametrize("name", ["requests-locust-1.jsonl", "../history.jsonl", "notes.txt", "x.jsonl"])
def test_a_client_host_adds_to_no_file_but_the_heartbeats_own(run: Path, name: str) -> None:
    kept = HeartbeatFiles(run, (BEATS, LEDGER))
    with fails_with("client-response-unexpected"):
        kept.append(name, b"theirs\n")
    untouched(run)
