"""What others wrote, answered or returned: read within bounds, or refused in one way, however it is made."""

import base64
import json
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.analysis.judgement import judge
from chaosdrill.client.host import remote_program
from chaosdrill.client.host.agent_responses import encoded
from chaosdrill.client.host.pythons import parsed
from chaosdrill.errors import BadInput
from chaosdrill.heartbeat.status_checks import field_of
from chaosdrill.history import History, to_json_safe
from chaosdrill.history.secrets import hide_secrets_in_file
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.records.rows import BEATS
from chaosdrill.rehearsal.bundle import load
from chaosdrill.rehearsal.rehearse import rehearse
from chaosdrill.runs import documents, find_run, read_run
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.jsonl import json_lines
from chaosdrill.runs.records import parsing
from chaosdrill.runs.records.parsing import LONGEST_LINE, parse
from chaosdrill.runs.verifying import verify_run
from tests.failing import fails_with
from tests.further import first_of
from tests.synthetic_run import make_run

DEEP = b"[" * 200_000
MANY = 10_000
short = "{!r:.20}".format  # an id of what is parametrized
DENSE = {
    "lists": b"[" + b"[]," * MANY + b"[]]",
    "objects": b"[" + b"{}," * MANY + b"{}]",
    "numbers": b"[" + b"1.5," * MANY + b"1]",
    "lines": b"\n" * MANY,
}


# Files of a run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", DENSE.values(), ids=DENSE)
def test_json_that_would_take_more_memory_than_it_may_is_not_read(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(b'{"a":' + data + b"}")
    lines = tmp_path / "ledger.jsonl"
    lines.write_bytes(data + b"\n")
    monkeypatch.setattr(documents, "MOST_MEMORY", 5 * len(data))
    assert json_document(path) == {}
    with pytest.raises(OSError, match="in memory"):
        json_lines(lines)


@pytest.mark.parametrize("name", first_of(["history.jsonl", "summary.json", "journal.json", "records/ledger.jsonl"], 2))
@pytest.mark.parametrize("data", first_of([DEEP, *DENSE.values(), b"1" * 100_000, b'{"a": ' * 100_000], 3), ids=short)
def test_a_run_with_such_a_file_is_judged_and_verified(name: str, data: bytes, tmp_path: Path) -> None:
    run = make_run(tmp_path, stored=False)
    (run / name).write_bytes(data)
    assert judge(read_run(run)).verdict != "passed" or name in ("summary.json", "journal.json")
    verify_run(run)


@pytest.mark.parametrize(
    "header", [DEEP + b"\n", b"x" * 3 * LONGEST_LINE, b'{"a": ' * 100_000 + b"\n"], ids=["d", "l", "o"]
)
def test_raw_records_begin_with_a_header_or_are_none(header: bytes, tmp_path: Path) -> None:
    run = make_run(tmp_path, stored=False)
    (run / "records" / "beats.jsonl").write_bytes(header)
    assert judge(read_run(run)).verdict != "passed"


def header() -> bytes:
    return json.dumps({"chaosdrill": "beats", "version": 1, "source": "heartbeat"}).encode() + b"\n"


def test_a_raw_line_without_an_end_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece of it used to be put behind all pieces before it, in time and memory that grow with the square."""
    monkeypatch.setattr(parsing, "PIECE_BYTES", LONGEST_LINE)
    path = tmp_path / "beats.jsonl"
    path.write_bytes(header() + b"x" * 8 * LONGEST_LINE + b"\n")
    with open(path, "rb") as file:
        raw = parse(file, BEATS)
    assert (raw.rows, 0 < raw.bad <= 9) == (0, True)
    with open(path, "rb") as file:
        pieces = [len(line) for lines in parsing._pieces(file, parsing.Raw()) for line in lines]
    assert max(pieces) <= 2 * LONGEST_LINE


def test_rows_beside_the_beats_are_as_many_as_there_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MOST_OTHERS", 10)
    path = tmp_path / "beats.jsonl"
    path.write_bytes(header() + b'["d",1]\n' * 8 + b"".join(b'["w",%d]\n' % (n * 10**11) for n in range(10)))
    with open(path, "rb") as file:
        raw = parse(file, BEATS)
    assert (len(raw.lookups) + len(raw.silences), raw.bad > 0) == (10, True)


# What a step returned -------------------------------------------------------------------------------------------------


def circular(times: int) -> Any:
    value: list[Any] = []
    value += [value] * times
    return value


def deep(levels: int) -> Any:
    value: Any = "end"
    for _ in range(levels):
        value = {"a": [value]}
    return value


class Mean:
    def __str__(self) -> str:
        raise ZeroDivisionError


RETURNED = {
    "a number of 10,000 digits": 10**10_000,
    "a negative one": -(10**10_000),
    "such a key": {10**10_000: 1},
    "itself": circular(1),
    "itself, ten times": circular(10),
    "deeper than Python goes": deep(5_000),
    "not a number": float("nan"),
    "an infinity": {"a": float("-inf")},
    "half a surrogate pair": "\ud800",
    "control characters": "\x00\x1b]0;title\x07\u202e",
    "bytes that are no text": b"\xff\xfe",
    "what has no text": Mean(),
    "a set of such": {Mean()},
    "a generator": (one for one in [1]),
    "lines": "a\nb\r\n\u2028c",
}


@pytest.mark.parametrize("returned", RETURNED.values(), ids=RETURNED)
def test_whatever_a_step_returns_is_one_line_of_the_history(
    returned: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["chaosdrill.history.json_safe"], "MOST_VALUES", 10_000)
    path = tmp_path / "history.jsonl"
    history = History(path)
    history.append("activity-ended", output=returned)
    history.append("next", output=1)
    history.close()
    found, bad, torn = json_lines(path)
    assert ([one["event"] for one in found], bad, torn) == (["activity-ended", "next"], 0, False)
    json.dumps(to_json_safe(returned), allow_nan=False).encode(errors="backslashreplace")


# What the client host answers -----------------------------------------------------------------------------------------


def answer_of(stdout: str, monkeypatch: pytest.MonkeyPatch, **more: str) -> Any:
    """What a command is answered when the host prints this; ``more``: what it prints for other commands."""

    def run(system: Any, script: str, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(stdout=next((text for name, text in more.items() if name in script.split()), stdout))

    monkeypatch.setattr(remote_program, "run_on_client", run)
    monkeypatch.setattr(remote_program, "CALL_EVERY_S", 0.0)
    system: Any = SimpleNamespace(topology=SimpleNamespace(client=SimpleNamespace(s3="")))
    return remote_program.Program(system, "python3", "/app.pyz").ask("news")


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "bash: python3: command not found",
        base64.b64encode(b"no zlib").decode(),
        packed(b'{"a": 1}')[:-8],  # cut off
        packed(b"[1]"),
        packed(b"null"),
        packed(DEEP),
        packed(b"\xff"),
        encoded({"kept": "n", "length": 10**15, "sha256": ""}),
        encoded({"kept": "n", "length": -1, "sha256": ""}),
        encoded({"kept": "n", "length": "many", "sha256": ""}),
        encoded({"kept": "n", "length": None, "sha256": ""}),
        encoded({"kept": "n", "sha256": ""}),
        encoded({"kept": "../../one of another key", "length": 1, "sha256": ""}),
    ],
)
def test_an_answer_of_another_form_is_an_error_of_that_host(printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with fails_with("client-response-unexpected"):
        answer_of(printed, monkeypatch)


def test_a_host_that_has_always_more_to_tell_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further command, too, is told that its answer is kept elsewhere."""
    with fails_with("client-response-altered"):
        answer_of(encoded({"kept": "n", "length": 1, "sha256": ""}), monkeypatch)


def test_an_answer_that_unpacks_to_more_than_it_may_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_program, "MOST_ANSWERED", 10_000)
    with fails_with("client-response-unexpected"):
        answer_of(packed(b'{"a": "' + b"x" * 20_000 + b'"}'), monkeypatch)


@pytest.mark.parametrize(
    "printed",
    [
        "{",
        '{"a":' * 100_000,
        "{}",
        '{"executable": "/bin/python3", "directory": "/tmp"}',
        '{"executable": "/bin/python3", "directory": "/tmp", "python": 3, "libc": []}',
        '{"executable": null, "directory": "/tmp"}',
    ],
    ids=short,
)
def test_pythons_in_another_form_are_an_error_of_that_host(printed: str) -> None:
    with fails_with("client-response-unexpected"):
        parsed(printed)


def test_an_application_that_answers_too_deeply_has_no_such_field() -> None:
    assert field_of(b'{"a":' * 100_000, "a") is None


# Files that are given -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", DEEP, b"[]", b"{}", b"\xff", b'{"version": 1, "calls": 7}', b"1" * 10_000],
    ids=short,
)
def test_what_is_no_bundle_is_an_error_of_the_user(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(data)
    with pytest.raises(BadInput):
        load(path)


# Logs -----------------------------------------------------------------------------------------------------------------


def test_who_reads_a_log_while_its_secrets_are_hidden_sees_one_or_the_other_whole(tmp_path: Path) -> None:
    path = tmp_path / "locust.log"
    text = "GET /?token=canary\n" * 1_000
    path.write_text(text)
    with open(path) as reader:
        assert reader.read(100) == text[:100]
        hide_secrets_in_file(path)
        assert reader.read() == text[100:]
    assert path.read_text() == text.replace("canary", "***")
    assert [one.name for one in tmp_path.iterdir()] == ["locust.log"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_log_that_cannot_be_written_anew_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locust.log"
    path.write_text("GET /?token=canary\n")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        hide_secrets_in_file(path)
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"locust.log": "GET /?token=canary\n"}
    hide_secrets_in_file(tmp_path / "none.log")


NO_EXPERIMENTS = [
    *(DEEP, b'{"title":' * 100_000, b"1" * 10_000, b"{", b"\xff", b"7", b"[]"),
    *(b'{"title": "t", "description": "d", "method": %s}' % method for method in (b"[1, null]", b"7", b"{}")),
    *(
        b'{"title": "t", "description": "d", "method": [], %s}' % part
        for part in (b'"controls": 7', b'"controls": [7]')
    ),
    b'{"title": "t", "description": "d", "method": [], "configuration": [7]}',
]


@pytest.mark.parametrize("data", NO_EXPERIMENTS, ids=lambda one: repr(one[-20:]))
def test_what_is_no_experiment_is_an_error_of_the_user(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "experiment.json"
    path.write_bytes(data)
    with fails_with("experiment-invalid"):
        rehearse(path, {}, None)


def test_a_name_that_no_file_can_have_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    with fails_with("run-missing"):
        find_run("a" * 300)
