"""The report as a PDF, printed by a real Chromium."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaosdrill.cli import cli
from tests.chromium import needs_chromium

pytestmark = pytest.mark.long


def report(*arguments: str):
    return CliRunner().invoke(cli, ["report", *arguments])


@needs_chromium
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_run_is_printed_with_its_figure(run: Path, tmp_path: Path, language: str) -> None:
    path = tmp_path / "run.pdf"
    before = {one: one.stat().st_mtime_ns for one in run.rglob("*")}
    done = report(str(run), "--pdf", "-o", str(path), "--lang", language)
    assert (done.exit_code, done.output) == (0, f"{path}\n")
    data = path.read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", data)) >= 4  # everything is unfolded
    assert data.count(b"/Subtype /TrueType") + data.count(b"/Type0") > 0  # text, not a picture of it
    assert len(data) > 100_000  # without its figures it has a third of that
    assert {one: one.stat().st_mtime_ns for one in run.rglob("*")} == before  # the run is as it was
    assert list(tmp_path.glob("*.part")) == []


@needs_chromium
def test_its_name_is_the_run_s(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert report(str(run), "--pdf").output == f"{run.name}.pdf\n"
    assert (tmp_path / f"{run.name}.pdf").is_file()


def test_without_a_chromium_it_says_what_to_install(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "run.pdf"
    done = report(str(run), "--pdf", "-o", str(path))
    assert done.exit_code == 2
    assert "[browser-missing]" in done.output
    assert not path.exists()


@pytest.mark.parametrize("script", ["echo no display >&2; exit 3", "exit 0"])
def test_a_chromium_that_prints_nothing_is_an_error(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    browser = tmp_path / "chromium"
    browser.write_text(f"#!/bin/sh\n{script}\n")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = report(str(run), "--pdf", "-o", str(tmp_path / "run.pdf"))
    assert done.exit_code == 2
    assert "[pdf-failed]" in done.output
    assert not (tmp_path / "run.pdf").exists()


@needs_chromium
def test_a_file_that_cannot_be_written_is_one_message(run: Path, tmp_path: Path) -> None:
    done = report(str(run), "--pdf", "-o", str(tmp_path / "nowhere" / "run.pdf"))
    assert done.exit_code == 2
    assert "Traceback" not in done.output
