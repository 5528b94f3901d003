"""Which Python of the client host runs Locust, and which wheels it takes."""

import importlib.metadata
from dataclasses import replace

import pytest

from chaosdrill.client.host.distributions import least_python
from chaosdrill.client.host.packing import HEARTBEAT
from chaosdrill.client.host.pythons import Compatibility, Needs, Python, best
from chaosdrill.client.host.wheels import locked_locust, platforms_of

HERE = Compatibility("cpython", (3, 12), "x86_64", "glibc", (2, 28))
LOCUST = Needs("Locust", (3, 11), "attach", "cpython", "glibc", HERE)
SAME = Python("/usr/bin/python3.12", "cpython", (3, 12), "x86_64", "glibc", (2, 34), "/d")


def python(minor: int) -> Python:
    return replace(SAME, executable=f"/usr/bin/python3.{minor}", python=(3, minor))


def test_the_python_that_loads_what_is_installed_here_comes_first() -> None:
    assert best([python(11), python(13), SAME], LOCUST) == SAME


def test_else_the_nearest_version_does_and_of_two_the_newer_one() -> None:
    assert best([python(9), python(11), python(14)], LOCUST) == python(11)
    assert best([python(11), python(13)], LOCUST) == python(13)
    assert best([python(15)], LOCUST) == python(15)


def test_another_machine_and_an_older_c_library_need_other_wheels_and_no_other_python() -> None:
    for other in (replace(SAME, machine="aarch64"), replace(SAME, libc_version=(2, 26))):
        assert not HERE.allows(other)
        assert best([other], LOCUST) == other
    assert HERE.allows(SAME)


def test_what_there_are_no_wheels_for_does_not_run_it() -> None:
    for other in (python(10), replace(SAME, implementation="pypy"), replace(SAME, libc="")):
        assert best([other], LOCUST) is None


def test_where_chaosdrill_itself_runs_with_musl_the_same_python_with_musl_does() -> None:
    musl = replace(SAME, libc="", libc_version=())
    there = replace(LOCUST, installed=replace(HERE, libc="", libc_version=()))
    assert best([musl], there) == musl


def test_any_python_that_is_new_enough_runs_the_heartbeat() -> None:
    other = replace(python(13), implementation="pypy", machine="riscv64", libc="")
    assert best([python(9), other, SAME], HEARTBEAT) == other


@pytest.mark.parametrize(("says", "least"), [(">=3.9", (3, 11)), (">=3.13", (3, 13)), (None, (3, 11))])
def test_it_takes_a_python_for_locust_and_for_what_is_chaosdrills_own(
    says: str | None, least: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: {"Requires-Python": says})
    assert least_python() == least


def test_platforms_are_those_of_the_hosts_machine_and_c_library_the_newest_first() -> None:
    tags = platforms_of(replace(SAME, machine="aarch64", libc_version=(2, 28)))
    assert tags[:2] == ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64"]
    assert "manylinux2014_aarch64" in tags
    assert not [tag for tag in tags if "x86_64" in tag or "2_29" in tag]


def test_markers_are_evaluated_for_the_hosts_python_whichever_runs_here() -> None:
    """Locust takes typing-extensions before Python 3.12; a newer one here does not have it installed for Locust."""
    locked = {minor: locked_locust(python(minor)) for minor in (11, 12)}
    assert [minor for minor, text in locked.items() if "typing-extensions==" in text] == [11]
    for text in locked.values():
        assert "locust==" in text
        assert "pywin32" not in text
        assert ";" not in text, "pip would ask whether a marker holds here"
        packages = [one for one in text.split("\n") if one and not one.startswith("    --hash=sha256:")]
        assert all("==" in one for one in packages)
        assert all("==" not in one.replace("==", "", 1) for one in packages), "one version of each"
