"""``chaosdrill runs export`` and ``verify``, as they are typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.cli.runs_verify import PROTECTS
from chaosdrill.paths import RUNS_VARIABLE
from tests.synthetic_run import RUN_ID
from tests.whole_run import make_whole_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return make_whole_run(tmp_path / "runs")


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli, ["runs", *words])


def test_the_newest_run_is_exported_with_its_evidence_and_verified_by_the_digest(run):
    made = typed("export", "--evidence")
    assert made.exit_code == 0, made.output
    assert made.output.startswith(f"{RUN_ID}.evidence.zip: ")
    (digest,) = [line.split()[1] for line in made.output.splitlines() if line.startswith("digest:")]
    for words in (
        "approver:       yamada: ",
        "change ticket:  CHG-1",
        "operator:       suzuki",
        "intact:         yes",
    ):
        assert words in made.output
    good = typed("verify", f"{RUN_ID}.evidence.zip", "--digest", digest)
    assert (good.exit_code, f"{RUN_ID}: intact" in good.output) == (0, True)
    assert PROTECTS in good.output
    other = typed("verify", f"{RUN_ID}.evidence.zip", "--digest", "0" * 64)
    assert (other.exit_code, "differs: manifest.json: " in other.output, digest in other.output) == (1, True, True)


def test_an_archive_that_was_unpacked_can_be_verified_as_well(run, tmp_path):
    import zipfile

    typed("export", "--evidence", "--output", "e.zip")
    with zipfile.ZipFile("e.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert typed("verify", str(tmp_path / "unpacked")).exit_code == 0
    (tmp_path / "unpacked" / "README.txt").write_text("mine")
    found = typed("verify", str(tmp_path / "unpacked"), "--json")
    problems = json.loads(found.output)["problems"]
    assert (found.exit_code, [(one["what"], one["where"]) for one in problems]) == (1, [("altered", "README.txt")])


def test_what_was_altered_is_named_by_file_and_line(run):
    lines = (run / "history.jsonl").read_bytes().splitlines(keepends=True)
    (run / "history.jsonl").write_bytes(b"".join([*lines[:3], lines[3].replace(b"event", b"Event", 1), *lines[4:]]))
    (run / "records" / "\x1b[31mred").write_text("x")
    found = typed("verify")
    assert found.exit_code == 1
    assert f"{RUN_ID}: intact" not in found.output
    assert "altered: history.jsonl line 4: " in found.output
    assert "added: records/\\x1b[31mred" in found.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("verify", "none"), "[run-missing]"),
        (("verify", RUN_ID, "--digest", "00"), "[options-invalid]"),
        (("export", "none"), "[run-missing]"),
        (("export", "--output", "no/such/e.zip"), "[export-unwritable]"),
    ],
)
def test_bad_usage_is_told_and_exits_with_2(run, words, why):
    said = typed(*words)
    assert (said.exit_code, why in said.output) == (2, True), said.output


def test_machines_get_the_manifest_and_its_digest(run):
    said = json.loads(typed("export", "--evidence", "--json").output)
    assert said["manifest"]["run"] == RUN_ID
    assert len(said["digest"]) == 64
    plain = json.loads(typed("export", "--json").output)
    assert (plain["archive"], plain["digest"], plain["manifest"]) == (f"{RUN_ID}.zip", None, None)


def test_an_archive_is_imported_once_into_another_store(run, tmp_path, monkeypatch):
    (run / "report.html").write_text("<script>of another one</script>")
    typed("export", "--evidence", "--output", "e.zip")
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "other"))
    made = typed("import", "e.zip")
    assert (made.exit_code, made.output.startswith(f"{RUN_ID}: passed")) == (0, True), made.output
    imported = tmp_path / "other" / RUN_ID
    assert "of another one" not in (imported / "report.html").read_text(), "made from the run, not taken over"
    assert "locust-report.html.quarantined.txt" in made.stderr
    again = typed("import", "e.zip")
    assert (again.exit_code, "[run-in-store]" in again.output) == (2, True)
    (tmp_path / "hostile.zip").write_bytes(b"\x1b[31m")
    refused = typed("import", "hostile.zip")
    assert (refused.exit_code, "[archive-unreadable]" in refused.output, "\x1b" in refused.output) == (2, True, False)
    assert [path.name for path in (tmp_path / "other").iterdir()] == [RUN_ID]
