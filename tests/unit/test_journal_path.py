"""Where Chaos Toolkit's journal may be written: found out before the drill."""

from pathlib import Path

import pytest

from chaosdrill.controls.experiment import ExperimentSource, problems_of_journal
from chaosdrill.errors import codes_of


def test_a_journal_path_in_a_directory_that_is_there_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "written.json").write_text("{}")
    for journal in (None, tmp_path / "journal.json", tmp_path / "written.json"):
        assert problems_of_journal(ExperimentSource(None, "try-it", (), journal)) == []


@pytest.mark.parametrize("name", ["no/such/journal.json", "file/journal.json", "there"])
def test_a_journal_path_that_could_not_be_written_is_one_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("")
    (problem,) = problems_of_journal(ExperimentSource(None, "try-it", (), tmp_path / name))
    assert codes_of([problem]) == ["journal-unwritable"]
