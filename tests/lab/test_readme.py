"""The README's commands in its order, as a new user types them; the lab stands in for the account that he has."""

import json
from pathlib import Path

import pytest
import yaml

from tests.drills import REPOSITORY, runs
from tests.lab.test_aws_guide import commands, own_lab, recipe_of, shell, with_the_profile
from tests.running_lab import RunningLab

__all__ = ["own_lab"]
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


@pytest.mark.long
def test_every_command_does_what_the_readme_says(own_lab: RunningLab, tmp_path: Path) -> None:
    clone, own = tmp_path / "clone", tmp_path / "own"
    clone.mkdir()
    own.mkdir()
    (clone / "experiments").symlink_to(REPOSITORY / "experiments")
    environment = with_the_profile(own_lab)

    for command in typed("The experiment"):
        if not command.startswith(". .venv/"):  # the environment has it already
            done = shell(command, clone, environment)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    (run,) = runs(own_lab)

    for command in typed("What a drill leaves behind"):
        done = shell(command.replace("RUN", run.name), clone, environment)
        expected = next((code for start, code in ELSEWHERE.items() if command.startswith(start)), 0)
        assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"

    for command in typed("A real AWS system"):
        done = shell(command.replace("--profile P", PROFILE), own, environment)
        if "topology discover" in command:
            filled_in(own, recipe_of(done), own_lab)
        else:
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    newest = max(runs(own_lab))
    summary = json.loads((newest / "summary.json").read_text())
    assert (summary["target"], summary["verdict"]) == ("aws", "passed")

    for command in typed("The lab"):
        done = shell(command, own, environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert not (own_lab.home / "lab" / "control.sock").exists(), "the last command ends the lab"


def filled_in(directory: Path, recipe: str, lab: RunningLab) -> None:
    """What no account knows; and how the kernel counts what it drops, for a machine too busy to tell by latency."""
    assert shell(recipe, directory, lab.environment).returncode == 0, recipe
    own = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    with (directory / "topology" / "found.yaml").open("a") as found:
        found.write(yaml.safe_dump({"packet_loss": own["packet_loss"]}))
