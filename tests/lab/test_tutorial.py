"""The tutorial's commands in its order, as a new user types them; the lab stands in for his account. Those about the
drill on the lab and about its run are in ``test_drill``.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.drills import runs
from tests.lab.test_aws_guide import commands, recipe_of, shell, with_commands, with_the_profile
from tests.running_lab import RunningLab
from tests.small_drills import REPOSITORY

TUTORIAL = "docs/tutorial.md"  # with every command of the README
PROFILE = "--profile chaosdrill-lab"
# one of several alike is enough; these wait for a user, or for what is not on every machine
LEFT_OUT = ("chaos run --var users", "chaos run --var locustfile", "chaosdrill watch", "chaosdrill lab shell", "aws ")


def typed(section: str) -> list[str]:
    found = [one for one in commands(TUTORIAL, section) if not one.startswith(LEFT_OUT)]
    assert found, f"the tutorial has no commands in {section!r}"
    return found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningLab]:
    lab = RunningLab(tmp_path / "home")
    yield lab
    lab.run("lab", "down", "--force", check=False)


FOR_A_DRILL_THAT_RUNS = ("chaosdrill stop ", "chaosdrill approve ")  # say so where none does


@pytest.mark.long
def test_every_command_does_what_the_tutorial_says(own: RunningLab, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    own.run("lab", "up", "--detach")
    on_aws = with_the_profile(own)
    for command in typed("A real AWS system"):
        typed_out = command.replace("--profile P ", f"{PROFILE} ")
        if "topology discover" in command:
            filled_in(repository, recipe_of(shell(typed_out, repository, on_aws)), own)
        else:
            succeeds(typed_out, repository, on_aws, 1 if command.startswith(FOR_A_DRILL_THAT_RUNS) else 0)
    summary = json.loads((runs(own)[-1] / "summary.json").read_text())
    assert (summary["target"], summary["verdict"]) == ("aws", "passed")

    for command in typed("The lab"):
        succeeds(command, repository, with_commands(own))
    assert own.status()["running"] is False, "the last command ends the lab"


@pytest.mark.long
def test_the_commands_about_game_days_do_what_the_tutorial_says(tmp_path: Path) -> None:
    text = (REPOSITORY / TUTORIAL).read_text().partition("\n## Game days\n")[2]
    calendar = text.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "gamedays.yaml").write_text(calendar)
    for game_day in yaml.safe_load(calendar)["game_days"].values():
        for key in ("experiment", "topology"):
            (tmp_path / game_day[key]).parent.mkdir(exist_ok=True)
            (tmp_path / game_day[key]).touch()
    for command in typed("Game days"):
        succeeds(command, tmp_path, with_commands(RunningLab(tmp_path / "home")))


def succeeds(command: str, directory: Path, environment: dict[str, str], code: int = 0) -> None:
    done = shell(command, directory, environment)
    assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"


def filled_in(directory: Path, recipe: str, lab: RunningLab) -> None:
    """What no account knows; and how the kernel counts what it drops, for a machine too busy to tell by latency."""
    assert shell(recipe, directory, lab.environment).returncode == 0, recipe
    own = yaml.safe_load((lab.home / "lab" / "topology.yaml").read_text())
    with (directory / "topology" / "found.yaml").open("a") as found:
        found.write(yaml.safe_dump({"packet_loss": own["packet_loss"]}))
