"""Where chaosdrill keeps its state."""

import os
import stat

import pytest

from chaosdrill import paths as module
from chaosdrill.history.run_directory import make_run_directory
from chaosdrill.history.whole_files import write_whole
from chaosdrill.paths import home
from tests.failing import fails_with


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    """A user without a usable home directory: HOME is a place where nothing can be made."""
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("CHAOSDRILL_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"chaosdrill-{os.getuid()}"


def test_the_environment_says_where(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "a" / "b"))
    assert home() == tmp_path / "a" / "b"
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_else_the_users_state_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("CHAOSDRILL_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".local" / "state" / "chaosdrill"


def test_without_a_home_directory_it_is_private_under_the_temporary_ones(no_home):
    assert home() == no_home
    assert stat.S_IMODE(no_home.stat().st_mode) == 0o700


def test_what_others_may_read_is_not_taken(no_home):
    no_home.mkdir(mode=0o755)
    with fails_with("home-unusable") as refused:
        home()
    assert [one for one in (str(no_home), " 755)", "CHAOSDRILL_HOME") if one not in str(refused.value)] == []


def test_a_link_that_somebody_laid_is_not_taken(no_home, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    no_home.symlink_to(tmp_path / "elsewhere")
    with fails_with("home-unusable"):
        home()


def test_a_chosen_place_that_cannot_be_had_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "file" / "x"))
    with fails_with("store-not-writable"):
        home()


def test_a_run_directory_tells_time_and_experiment(tmp_path):
    first, second = (make_run_directory(tmp_path, "Fail over, then back!") for _ in range(2))
    assert first.parent == tmp_path
    assert first != second
    assert first.name[:9].rstrip("T").isdigit()
    assert first.name[16:-5] == "-fail-over-then-back"
    write_whole(first / "x", "text")
    assert [path.name for path in first.iterdir()] == ["x"]
