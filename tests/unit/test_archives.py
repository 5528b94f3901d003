"""Archives: the same run makes the same bytes, an auditor can check them, and a hostile one comes to nothing."""

import io
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.errors import BadInput
from chaosdrill.history import History
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.archive import unpacking
from chaosdrill.runs.archive.archives import import_archive, verify_archive
from chaosdrill.runs.archive.exporting import export
from chaosdrill.runs.archive.manifest import SELF, written
from chaosdrill.runs.verifying import verify_run
from tests.failing import fails_with
from tests.further import examples
from tests.synthetic_run import RUN_ID
from tests.whole_run import APPROVER, OPERATOR, TICKET, make_whole_run

SETTINGS = examples(50)
QUARANTINED_REPORT = "locust-report.html.quarantined.txt"
GOOD = {f"{RUN_ID}/history.jsonl": b"", f"{RUN_ID}/summary.json": b"{}"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whole_run(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def evidence(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, tmp_path_factory.mktemp("out") / "evidence.zip", evidence=True).archive


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


# Exporting ----------------------------------------------------------------------------------------------------------


def test_the_same_run_makes_the_same_bytes_whenever_and_wherever_it_is_copied(run, tmp_path):
    first = export(run, tmp_path / "one.zip", evidence=False).archive
    copy = Path(shutil.copytree(run, tmp_path / "copy" / run.name))
    for path in copy.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    assert export(copy, tmp_path / "two.zip", evidence=False).archive.read_bytes() == first.read_bytes()


def test_the_manifest_says_of_whom_and_what_and_chains_every_file(run, tmp_path):
    made = export(run, tmp_path / "e.zip", evidence=True)
    said = made.manifest
    assert (said["operator"], said["approver"], said["change_ticket"]) == (OPERATOR, APPROVER, TICKET)
    assert (said["verdict"], said["finished"], said["intact"], said["problems"]) == ("passed", True, True, [])
    assert said["duties"].startswith("separated")
    assert {"at", "by", "chaosdrill"} == set(said["exported"])
    with zipfile.ZipFile(made.archive) as archive:
        assert archive.testzip() is None
        listed = {one["file"] for one in said["files"]}
        assert listed == set(archive.namelist()) - {"manifest.json", "SHA256SUMS"}
    last = json.loads((run / "history.jsonl").read_bytes().splitlines()[-1])
    assert said["history"] == {"events": made.verified.events, "last_seal": last["seal"]}


def test_an_auditor_can_check_it_with_sha256sum_as_its_readme_says(evidence, tmp_path):
    with zipfile.ZipFile(evidence) as archive:
        archive.extractall(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())

    def shell(command: str) -> str:
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert shell("sha256sum manifest.json").split()[0] == verify_archive(evidence).digest
    assert shell("sha256sum SHA256SUMS").split()[0] == manifest["sha256sums"]
    assert shell("sha256sum -c SHA256SUMS --quiet") == ""
    (script,) = re.findall(r"So that\n(.*)\nsays", (tmp_path / "README.txt").read_text(), re.DOTALL)
    assert shell(script) == manifest["chain"]


@pytest.mark.parametrize(
    ("approver", "operator", "said"),
    [
        ("", "suzuki", []),
        ("Suzuki", "suzuki", ["not", "separated", "Suzuki"]),
        ("suzuki", "root (sudo by suzuki)", ["not", "separated", "suzuki"]),
        ("yamada", "root (sudo by suzuki)", ["separated"]),
    ],
)
def test_whether_somebody_else_approved_is_told_and_not_refused(tmp_path, approver, operator, said):
    run = make_whole_run(tmp_path, approver=approver, origin={"operator": operator})
    duties = export(run, tmp_path / "e.zip", evidence=True).manifest["duties"].replace(":", " ")
    assert [word for word in duties.split() if word.lower() in ("not", "separated", "suzuki")] == said


def test_a_run_that_is_not_whole_is_exported_and_the_manifest_says_so(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / run.name))
    lines = (copy / "history.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "history.jsonl").write_bytes(b"".join(lines[:40]))
    os.utime(copy / "history.jsonl", (1_000_000_000, 1_000_000_000))  # of another machine, and not written lately
    os.mkfifo(copy / "pipe")
    (copy / "link").symlink_to("/etc/passwd")
    made = export(copy, tmp_path / "e.zip", evidence=True)
    assert (made.manifest["finished"], made.manifest["intact"]) == (False, False)
    assert "unfinished" in {one["what"] for one in made.manifest["problems"]}
    assert {one["where"] for one in made.manifest["left_out"]} == {"pipe", "link"}
    checked = verify_archive(made.archive)
    assert "unfinished" in {one.what for one in checked.problems}
    assert not any("manifest" in one.text for one in checked.problems)  # it is as it was exported


def test_a_run_that_goes_on_is_refused_and_so_is_a_file_that_is_there(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / run.name))
    history = History(copy / "history.jsonl")
    try:
        with fails_with("run-ongoing"):
            export(copy, tmp_path / "e.zip", evidence=True)
    finally:
        history.close()
    (tmp_path / "there.zip").write_text("mine")
    with fails_with("file-exists"):
        export(copy, tmp_path / "there.zip", evidence=False)
    with fails_with("export-unwritable"):
        export(copy, tmp_path / "no" / "e.zip", evidence=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [run.name, "there.zip"]
    assert (tmp_path / "there.zip").read_text() == "mine"


# Verifying ----------------------------------------------------------------------------------------------------------


def test_an_archive_is_intact_and_its_digest_is_that_of_the_export(run, tmp_path):
    made = export(run, tmp_path / "e.zip", evidence=True)
    assert verify_archive(made.archive, made.digest.upper()).problems == ()
    (problem,) = verify_archive(made.archive, "0" * 64).problems
    assert (problem.where, problem.what) == ("manifest.json", "differs")


@SETTINGS
@given(st.data())
def test_a_byte_of_an_archive_that_is_not_as_it_was_is_found_or_changes_nothing(evidence, tmp_path_factory, data):
    before = evidence.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    path = tmp_path_factory.mktemp("flipped") / "e.zip"
    path.write_bytes(before[:place] + bytes([before[place] ^ data.draw(st.integers(1, 255))]) + before[place + 1 :])
    if verify_archive(path).intact:
        assert _unzipped(path) == _unzipped(evidence)


@pytest.mark.long
def test_every_file_of_an_archive_that_is_altered_missing_or_added_is_found(evidence, tmp_path):
    files = _unzipped(evidence)
    path = tmp_path / "e.zip"
    for name in files:
        assert not verify_archive(zipped(path, {**files, name: files[name] + b" "})).intact, name
        assert not verify_archive(zipped(path, {key: data for key, data in files.items() if key != name})).intact or (
            name == "manifest.json"  # then it is an archive without one
        ), name
    for name in (f"{RUN_ID}/tags.json", f"{RUN_ID}/more.txt"):
        assert not verify_archive(zipped(path, {**files, name: b"{}"})).intact, name
    assert verify_archive(zipped(path, files)).intact  # however it was packed


def test_a_chain_that_is_broken_is_found_even_in_a_manifest_that_was_made_anew(evidence, tmp_path):
    files = _unzipped(evidence)
    said = json.loads(files["manifest.json"])
    del said[SELF]
    said["files"][2]["chain"] = said["files"][3]["chain"]
    forged = zipped(tmp_path / "e.zip", {**files, "manifest.json": written(said)[0]})
    (problem,) = verify_archive(forged).problems
    assert (problem.where, " chain " in problem.text) == ("manifest.json", True)


def test_a_forger_who_makes_everything_anew_is_found_by_the_digest_alone(run, evidence, tmp_path):
    written_down = verify_archive(evidence).digest
    forged = make_whole_run(tmp_path, approver="nobody")
    archive = export(forged, tmp_path / "e.zip", evidence=True).archive
    assert verify_archive(archive).intact
    assert not verify_archive(archive, written_down).intact


def _unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# Importing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_evidence", [True, False])
def test_an_exported_run_is_imported_just_as_it_was(run, store, tmp_path, with_evidence):
    archive = export(run, tmp_path / "e.zip", with_evidence).archive
    imported = import_archive(archive)
    assert imported == store / RUN_ID
    as_imported = {QUARANTINED_REPORT if name == "locust-report.html" else name for name in contents(run)}
    assert contents(imported).keys() == as_imported
    assert sorted(contents(imported).values()) == sorted(contents(run).values())
    assert [path.name for path in store.iterdir()] == [RUN_ID]
    (imported / "tags.json").write_text('{"tags": ["mine"]}')
    with fails_with("run-in-store"):
        import_archive(archive)
    assert (imported / "tags.json").exists()


SCRIPT = b"<script>document.title = 'obeyed'</script>"


@pytest.mark.parametrize(
    "page",
    ["report.html", "locust-report.html", "index.html", "evidence/a.svg", "Report.HTML", "records/x.xhtml", "x"],
)
def test_no_page_of_an_archive_is_left_under_a_name_that_a_browser_opens(run, store, tmp_path, page):
    """Attack: a page with a script comes with an archive, and is opened as if chaosdrill had made it."""
    files = {f"{RUN_ID}/{name}": data for name, data in contents(run).items()}
    imported = import_archive(zipped(tmp_path / "e.zip", {**files, f"{RUN_ID}/{page}": SCRIPT}))
    left = {name for name, data in contents(imported).items() if data == SCRIPT}
    assert left == (set() if page == "report.html" else {f"{page}.quarantined.txt"})


def test_a_run_whose_pages_are_in_quarantine_is_still_as_its_drill_left_it(run, store, tmp_path):
    imported = import_archive(export(run, tmp_path / "e.zip", evidence=True).archive)
    assert verify_run(imported).intact
    again = export(imported, tmp_path / "again.zip", evidence=True)
    assert (again.manifest["intact"], verify_archive(again.archive).problems) == (True, ())
    (imported / QUARANTINED_REPORT).write_text("other")
    (problem,) = verify_run(imported).problems
    assert (problem.where, problem.what) == ("locust-report.html", "altered")


def test_a_page_that_is_in_an_archive_as_it_is_and_in_quarantine_is_refused(run, store, tmp_path):
    files = {f"{RUN_ID}/{name}": data for name, data in contents(run).items()}
    with fails_with("archive-name-repeated"):
        import_archive(zipped(tmp_path / "e.zip", {**files, f"{RUN_ID}/{QUARANTINED_REPORT}": SCRIPT}))
    assert list(store.iterdir()) == []


def test_another_run_of_that_id_is_refused_and_the_one_that_is_there_is_left_alone(run, store, tmp_path):
    archive = export(run, tmp_path / "e.zip", evidence=True).archive
    (store / RUN_ID).mkdir()
    (store / RUN_ID / "history.jsonl").write_text("mine")
    with fails_with("run-in-store-differs"):
        import_archive(archive)
    assert contents(store) == {f"{RUN_ID}/history.jsonl": b"mine"}


def test_an_archive_that_was_altered_since_it_was_exported_is_refused(evidence, store, tmp_path):
    name = f"{RUN_ID}/experiment.yaml"
    altered = zipped(tmp_path / "e.zip", {**_unzipped(evidence), name: b"title: mine"})
    with fails_with("archive-altered") as refused:
        import_archive(altered)
    assert name in str(refused.value)
    assert list(store.iterdir()) == []


def test_a_run_of_another_name_than_its_history_is_refused(run, store, tmp_path):
    renamed = {f"20260501T093000Z-failover-ffff/{name}": data for name, data in contents(run).items()}
    with fails_with("archive-run-differs"):
        import_archive(zipped(tmp_path / "e.zip", renamed))
    assert list(store.iterdir()) == []


def _linked(mode: int) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        zipped(path, GOOD)
        with zipfile.ZipFile(path, "a") as archive:
            entry = zipfile.ZipInfo(f"{RUN_ID}/odd")
            entry.create_system, entry.external_attr = 3, (mode | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
        return path

    return make


def _named(name: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        with zipfile.ZipFile(zipped(path, GOOD), "a") as archive:
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, "x")
        return path

    return make


def _files(files: Mapping[str, bytes]) -> Callable[[Path], Path]:
    return lambda path: zipped(path, files)


def _bytes(data: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return make


def _lying_about_size(path: Path) -> Path:
    data = bytearray(zipped(path, {**GOOD, f"{RUN_ID}/big": b"0" * 100_000}).read_bytes())
    place = data.rfind(b"PK\x01\x02")
    while not data[place + 46 :].startswith(f"{RUN_ID}/big".encode()):
        place = data.rfind(b"PK\x01\x02", 0, place)
    struct.pack_into("<L", data, place + 24, 10)
    path.write_bytes(data)
    return path


UNSAFE, NOT_A_RUN = "archive-name-unsafe", "archive-not-of-run"
HOSTILE: dict[str, tuple[Any, ...]] = {  # what makes it, and the codes of what is wrong with it
    "up": (_named("../evil"), UNSAFE, NOT_A_RUN),
    "up from the run": (_named(f"{RUN_ID}/../../evil"), UNSAFE),
    "absolute": (_named("/tmp/evil"), UNSAFE, NOT_A_RUN),
    "a drive": (_named("C:/evil"), UNSAFE, NOT_A_RUN),
    "backslashes": (_named(f"{RUN_ID}\\..\\evil"), UNSAFE, NOT_A_RUN),
    "escapes": (_named(f"{RUN_ID}/\x1b[2Jx"), UNSAFE),
    "line break": (_named(f"{RUN_ID}/a\nb"), UNSAFE),
    "right to left": (_named(f"{RUN_ID}/\u202egpj"), UNSAFE),
    "a blank end": (_named(f"{RUN_ID}/x "), UNSAFE),
    "very long": (_named(f"{RUN_ID}/{'x' * 3000}"), UNSAFE),
    "very deep": (_named(f"{RUN_ID}/{'x/' * 300}x"), UNSAFE),
    "beside the run": (_named("evil.sh"), NOT_A_RUN),
    "another run": (_named("20260501T093000Z-other-ab12/history.jsonl"), NOT_A_RUN),
    "hidden": (_files({f".{RUN_ID}/history.jsonl": b""}), NOT_A_RUN),
    "no run": (_files({"x/y": b""}), NOT_A_RUN),
    "empty": (_files({}), NOT_A_RUN, NOT_A_RUN),
    "a symlink": (_linked(stat.S_IFLNK), "archive-file-special"),
    "a device": (_linked(stat.S_IFBLK), "archive-file-special"),
    "a pipe": (_linked(stat.S_IFIFO), "archive-file-special"),
    "other case": (_files({**GOOD, f"{RUN_ID}/HISTORY.jsonl": b""}), "archive-name-repeated"),
    "other form": (_files({**GOOD, f"{RUN_ID}/\u00e9": b"", f"{RUN_ID}/e\u0301": b""}), "archive-name-repeated"),
    "file as directory": (_files({**GOOD, f"{RUN_ID}/summary.json/x": b""}), "archive-name-repeated"),
    "too many files": (_files({f"{RUN_ID}/{n}": b"" for n in range(3000)}), "archive-too-large"),
    "a text": (_bytes(b"hello"), "archive-unreadable"),
    "nothing": (_bytes(b""), "archive-unreadable"),
    "gzip": (_bytes(b"\x1f\x8b\x08\x00" + bytes(100)), "archive-unreadable"),
    "lies about a size": (_lying_about_size, "archive-unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_with_the_reason_and_nothing_is_written(store, tmp_path, name):
    make, *codes = HOSTILE[name]
    archive = make(tmp_path / "e.zip")
    with fails_with(*codes) as refused:
        import_archive(archive)
    assert str(refused.value).replace("\n", "").isprintable()
    assert list(store.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.zip", "store"]
    assert not verify_archive(archive).intact


def test_a_name_that_is_in_it_twice_is_refused(store, tmp_path):
    path = zipped(tmp_path / "e.zip", GOOD)
    with pytest.warns(UserWarning, match=re.escape(f"{RUN_ID}/summary.json")), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{RUN_ID}/summary.json", b"other")
    with fails_with("archive-name-repeated"):
        import_archive(path)


def test_an_archive_that_unpacks_to_more_than_there_may_be_is_refused(store, tmp_path, monkeypatch):
    bomb = zipped(tmp_path / "e.zip", {**GOOD, f"{RUN_ID}/zeros": bytes(5_000_000)})
    assert bomb.stat().st_size < 10_000
    monkeypatch.setattr(unpacking, "BYTES_AT_MOST", 1_000_000)
    with fails_with("archive-too-large") as refused:
        import_archive(bomb)
    assert "1,000,000" in str(refused.value), "the limit"
    assert list(store.iterdir()) == []


def test_an_archive_that_becomes_far_larger_than_runs_do_is_refused(store, tmp_path):
    bomb = zipped(tmp_path / "e.zip", {**GOOD, f"{RUN_ID}/zeros": bytes(50_000_000)})
    with fails_with("archive-too-large"):
        import_archive(bomb)
    assert not verify_archive(bomb).intact


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("manifest") | st.just(1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.long
@SETTINGS
@given(
    change=st.dictionaries(st.sampled_from(["files", "history", "chain", "run", "version", "sha256sums"]), JSON),
    entry=st.dictionaries(st.sampled_from(["file", "bytes", "sha256", "chain"]), JSON),
    whole=st.none() | JSON | st.just([[[]]] * 3),
)
def test_whatever_a_manifest_says_it_is_told_and_breaks_nothing(evidence, tmp_path_factory, change, entry, whole):
    files = _unzipped(evidence)
    said = json.loads(files["manifest.json"])
    said["files"][0] |= entry
    data = written(said | change)[0] if whole is None else json.dumps(whole).encode()
    path = zipped(tmp_path_factory.mktemp("said") / "e.zip", {**files, "manifest.json": data})
    if not verify_archive(path).intact:
        assert all(one.text for one in verify_archive(path).problems)


def test_there_is_no_such_file(store, tmp_path):
    with fails_with("archive-missing"):
        import_archive(tmp_path / "none.zip")


NAMES = st.text(st.sampled_from("./\\ab:\x00\x1b\n ~é漢") | st.characters(), max_size=40)


@SETTINGS
@given(names=st.lists(NAMES, max_size=4), mode=st.integers(0, 0xFFFF), in_run=st.booleans())
def test_whatever_an_archive_names_nothing_leaves_the_store(tmp_path_factory, names, mode, in_run):
    place = tmp_path_factory.mktemp("hostile")
    path = zipped(place / "e.zip", GOOD)
    with zipfile.ZipFile(path, "a") as archive:
        for number, name in enumerate(names):
            entry = zipfile.ZipInfo(f"x{number}")
            entry.filename = f"{RUN_ID}/{name}" if in_run else name
            entry.create_system, entry.external_attr = 3, mode << 16
            try:
                archive.writestr(entry, "x")
            except (UnicodeEncodeError, UserWarning):
                return  # no zip can hold it
    _imported_or_nothing(place, path)


@SETTINGS
@given(data=st.binary(max_size=300), cut=st.integers(0, 10**6), place_at=st.integers(0, 10**6))
def test_whatever_is_done_to_an_archive_all_or_nothing_is_imported(evidence, tmp_path_factory, data, cut, place_at):
    place = tmp_path_factory.mktemp("mangled")
    before = evidence.read_bytes()
    at = place_at % len(before)
    (place / "e.zip").write_bytes(before[:at] + data + before[at + cut % 500 :])
    _imported_or_nothing(place, place / "e.zip")


def _imported_or_nothing(place: Path, archive: Path) -> None:
    said, left = "", [RUN_ID]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNS_VARIABLE, str(place / "in" / "store"))
        try:
            import_archive(archive)
        except BadInput as error:
            said, left = str(error), []
    assert said.replace("\n", "").isprintable()
    store = place / "in" / "store"
    assert [path.name for path in store.iterdir()] == left if store.exists() else not left
    assert {path.name for path in place.iterdir()} <= {"e.zip", "in"}
    for path in store.rglob("*") if store.exists() else ():
        assert path.is_dir() or stat.S_ISREG(path.lstat().st_mode)


def before(data: bytes) -> bytes:
    return b"#!/bin/sh\nid\n" + data


def before_with_right_offsets(data: bytes) -> bytes:
    """As zipfile itself appends a zip to another file."""
    file = io.BytesIO(b"%PDF-1.7\n")
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "a") as target:
        for entry in source.infolist():
            target.writestr(entry, source.read(entry))
    return file.getvalue()


def between(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for entry in source.infolist():
            target.writestr(entry, source.read(entry))
            file.write(b"hidden")
            target.start_dir = file.tell()
    return file.getvalue()


def commented(data: bytes) -> bytes:
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"hidden"
    return file.getvalue()


def behind(data: bytes) -> bytes:
    return data + b"hidden"


@pytest.mark.parametrize("attack", [before, before_with_right_offsets, between, commented, behind])
def test_an_archive_is_nothing_beside_an_archive(
    attack: Callable[[bytes], bytes], evidence: Path, store: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / "hostile.zip"
    hostile.write_bytes(attack(evidence.read_bytes()))
    with zipfile.ZipFile(hostile) as archive:
        assert archive.testzip() is None, "every unzip takes it"
    with fails_with("archive-bytes-outside"):
        import_archive(hostile)
    assert not verify_archive(hostile).intact
    assert list(store.iterdir()) == []


def test_an_archive_that_was_written_as_a_stream_is_taken(evidence: Path, store: Path, tmp_path: Path) -> None:
    """Sizes then stand behind each file's data, as `zip -` and others write them."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("it is a stream")

    stream = Stream()
    with zipfile.ZipFile(evidence) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    (tmp_path / "stream.zip").write_bytes(stream.getvalue())
    assert import_archive(tmp_path / "stream.zip").is_dir()


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_this_user_reads_an_imported_run_whatever_the_umask_says(umask: int, evidence: Path, store: Path) -> None:
    earlier = os.umask(umask)
    try:
        run = import_archive(evidence)
    finally:
        os.umask(earlier)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (run, *run.rglob("*")) if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.rglob("*") if path.is_file()} == {0o600}
