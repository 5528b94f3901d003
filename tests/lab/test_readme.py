"""The README's commands in its order, as a new user types them; the lab stands in for the account that he has."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.drills import REPOSITORY, runs
from tests.lab.test_aws_guide import commands, recipe_of, shell, with_commands, with_the_profile
from tests.running_lab import RunningLab

README = "README.md"
PROFILE = "--profile chaosdrill-lab"
# one of several alike is enough; these wait for a user, or for what is not on every machine
LEFT_OUT = ("chaos run --var users", "chaos run --var locustfile", "chaosdrill watch", "chaosdrill lab shell", "aws ")
ONE_RUN_SAYS_NOTHING = 2  # of `compare`: no two runs to compare
ELSEWHERE = {"chaosdrill compare": ONE_RUN_SAYS_NOTHING}


def typed(section: str) -> list[str]:
    found = [one for one in commands(README, section) if not one.startswith(LEFT_OUT)]
    assert found, f"README has no commands in {section!r}"
    return found


def test_both_languages_give_the_same_commands() -> None:
    def without_comments(file: str) -> list[str]:
        return [one.partition("  #")[0].rstrip() for one in commands(file)]

    assert without_comments("README.ja.md") == without_comments(README)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningLab]:
    lab = RunningLab(tmp_path / "home")
    yield lab
    lab.run("lab", "down", "--force", check=False)


@pytest.mark.long
def test_every_command_does_what_the_readme_says(own: RunningLab, tmp_path: Path) -> None:
    clone, repository = tmp_path / "clone", tmp_path / "repository"
    clone.mkdir()
    repository.mkdir()
    (clone / "experiments").symlink_to(REPOSITORY / "experiments")

    for command in typed("The experiment"):
        if not command.startswith(". .venv/"):  # the path leads there already
            succeeds(command, clone, with_commands(own))
    (run,) = runs(own)

    for command in typed("What a drill leaves behind"):
        code = next((code for start, code in ELSEWHERE.items() if command.startswith(start)), 0)
        succeeds(command.replace("RUN", run.name), clone, with_commands(own), code)

    own.run("lab", "up", "--detach")
    on_aws = with_the_profile(own)
    for command in typed("A real AWS system"):
        typed_out = command.replace("--profile P ", f"{PROFILE} ")
        if "topology discover" in command:
            filled_in(repository, recipe_of(shell(typed_out, repository, on_aws)), own)
        else:
            succeeds(typed_out, repository, on_aws)
    summary = json.loads((runs(own)[-1] / "summary.json").read_text())
    assert (summary["target"], summary["verdict"]) == ("aws", "passed")

    for command in typed("The lab"):
        succeeds(command, repository, with_commands(own))
    assert own.status()["running"] is False, "the last command ends the lab"


def succeeds(command: str, directory: Path, environment: dict[str, str], code: int = 0) -> None:
    done = shell(command, directory, environment)
    assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"


def filled_in(directory: Path, recipe: str, lab: RunningLab) -> None:
    """What no account knows; and how the kernel counts what it drops, for a machine too busy to tell by latency."""
    assert shell(recipe, directory, lab.environment).returncode == 0, recipe
    own = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    with (directory / "topology" / "found.yaml").open("a") as found:
        found.write(yaml.safe_dump({"packet_loss": own["packet_loss"]}))
