"""docs/aws.md, command by command, against the lab: it stands in for AWS. The drill itself is the last command;
``test_tutorial`` runs it after the tutorial's shorter way.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drills import REPOSITORY
from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab

GUIDES = ("docs/aws.md", "docs/aws.ja.md")
INSTALLATION = "make install"  # `make test` was installed by it, and the guide says that it is apart


def commands(file: str, section: str = "", until: str = "") -> list[str]:
    """Every command of a file, of a section of it, or of what comes before a section, in order."""
    text = (REPOSITORY / file).read_text()
    if until:
        text, found, _ = text.partition(f"\n## {until}\n")
        assert found, f"{file} has no section {until!r}"
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_both_languages_give_the_same_commands() -> None:
    english, japanese = (commands(guide) for guide in GUIDES)
    assert len(english) >= 8
    assert japanese == english


@pytest.fixture
def own_lab(tmp_path: Path) -> RunningLab:
    lab = RunningLab(tmp_path / "home")
    lab.up(SCALE)
    yield lab
    lab.down()


def recipe_of(discovered: "subprocess.CompletedProcess[str]") -> str:
    """What no account knows is left to fill in: the command that does so with what the lab knows."""
    assert discovered.returncode == 1, discovered.stderr
    return discovered.stderr.splitlines()[-1].partition("fill them in: ")[2]


def shell(command: str, directory: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", command],
        cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def with_commands(lab: RunningLab) -> dict[str, str]:
    """The path leads to the commands, as in an activated environment."""
    return {**lab.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def with_the_profile(lab: RunningLab) -> dict[str, str]:
    """Only the profile leads to the lab: what else `lab env` sets, a user on AWS does not have."""
    environment = with_commands(lab)
    exported = shell("chaosdrill lab env", REPOSITORY, environment).stdout
    config = next(line for line in exported.splitlines() if line.startswith("export AWS_CONFIG_FILE="))
    return {**environment, "AWS_CONFIG_FILE": shlex.split(config)[1].partition("=")[2]}


@pytest.mark.long
def test_the_guide_leads_to_the_drill_of_the_tutorial(own_lab: RunningLab, tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    environment = with_the_profile(own_lab)
    typed = commands("docs/aws.md", until="What AWS does, and where the lab does it")
    (drill,) = (command for command in typed if command.startswith("chaos run "))
    assert drill in commands("docs/tutorial.md", "A real AWS system")
    for command in typed[: typed.index(drill)]:
        if INSTALLATION in command:
            continue
        if command.startswith("cd "):
            directory /= command.removeprefix("cd ")
            continue
        done = shell(re.sub("my-profile|administrator", "chaosdrill-lab", command), directory, environment)
        if "topology discover" in command:
            subprocess.run(["/bin/sh", "-c", recipe_of(done)], cwd=directory, check=True)
        else:
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "123456789012" not in (directory / "answers.json").read_text()
