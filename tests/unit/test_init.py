import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.errors import BadInput
from chaosdrill.gamedays.loading import load_calendar
from chaosdrill.topology import load_topology
from tests.waiting import LONG_S

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "chaosdrill" / "topology" / "template.yaml"
SCHEMA = REPOSITORY / "chaosdrill" / "topology" / "schema.json"


def init(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["init", *map(str, arguments)])


def problems(result: Result) -> list[str]:
    assert isinstance(result.exception, BadInput), result.output
    return list(result.exception.problems)


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_it_copies_an_experiment_and_a_topology_and_says_what_next(tmp_path: Path) -> None:
    result = init(tmp_path / "my drills")
    assert result.exit_code == 0, result.output
    directory = tmp_path / "my drills"
    assert files(directory) == ["experiments/failover.yaml", "gamedays.yaml", "topology/aws.yaml"]
    own = REPOSITORY / "experiments" / "failover.yaml"
    assert (directory / "experiments/failover.yaml").read_text() == own.read_text()
    assert f"  cd '{directory}'\n" in result.output
    for command in (
        "chaos run experiments/failover.yaml",
        "chaosdrill topology discover",
        "chaosdrill topology check topology/aws.yaml",
        "chaosdrill gameday list",
    ):
        assert command in result.output


def test_the_template_of_the_coordination_table_is_printed_and_nothing_is_written(tmp_path: Path) -> None:
    result = init("--coordination", tmp_path / "drills")
    assert result.exit_code == 0, result.output
    assert result.output == (REPOSITORY / "chaosdrill/coordination/table.yaml").read_text()
    assert not (tmp_path / "drills").exists()


def test_every_experiment_of_the_repository_can_be_had(tmp_path: Path) -> None:
    names = sorted(path.name for path in (REPOSITORY / "experiments").iterdir() if path.suffix in (".yaml", ".json"))
    listed = init("--list").output.splitlines()
    assert [line.split()[0] for line in listed] == names
    assert all(len(line.split()) > 3 for line in listed), "each with what it does"
    assert init(tmp_path, *(part for name in names for part in ("--experiment", name))).exit_code == 0
    assert files(tmp_path / "experiments") == names


def test_what_is_there_is_never_overwritten_and_told_all_at_once(tmp_path: Path) -> None:
    init(tmp_path)
    for name in files(tmp_path):
        (tmp_path / name).write_text("mine")
    assert [problem.split(" ")[0] for problem in problems(init(tmp_path))] == [
        f"{tmp_path}/experiments/failover.yaml",
        f"{tmp_path}/topology/aws.yaml",
        f"{tmp_path}/gamedays.yaml",
        "nothing",
    ]
    assert {(tmp_path / name).read_text() for name in files(tmp_path)} == {"mine"}


def test_one_conflict_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/failover.yaml").symlink_to("nowhere")
    assert len(problems(init(tmp_path))) == 2
    assert not (tmp_path / "topology").exists()


@pytest.mark.parametrize("name", ["topology/aws.yaml", "gamedays.yaml"])
def test_a_topology_or_a_calendar_that_is_there_is_kept_for_another_experiment(name: str, tmp_path: Path) -> None:
    (tmp_path / "topology").mkdir()
    (tmp_path / name).write_text("mine")
    result = init(tmp_path)
    assert f"kept     {tmp_path}/{name}: it exists already" in result.output
    assert (tmp_path / name).read_text() == "mine"
    assert files(tmp_path) == ["experiments/failover.yaml", "gamedays.yaml", "topology/aws.yaml"]


@pytest.mark.parametrize("names", [["failover.yaml"], ["failback.yaml", "failover.yaml"]])
def test_the_example_of_a_game_day_is_valid_and_has_no_time_to_come(tmp_path: Path, names: list[str]) -> None:
    init(tmp_path, *(word for name in names for word in ("--experiment", name)))
    calendar = load_calendar(tmp_path / "gamedays.yaml")
    assert calendar.warnings == ()
    (game_day,) = calendar.game_days.values()
    assert game_day.experiment == tmp_path / "experiments" / names[0]
    assert not game_day.schedule.cron
    assert max(game_day.schedule.times).year < 2020


def test_what_the_example_of_a_game_day_has_as_comments_can_be_uncommented(tmp_path: Path) -> None:
    init(tmp_path)
    path = tmp_path / "gamedays.yaml"
    head, text = path.read_text().split("version: 1")
    lines = [re.sub(r"^( *)# ", r"\1", line) for line in text.splitlines() if "times:" not in line]
    path.write_text("\n".join(["version: 1", *lines]))
    calendar = load_calendar(path)
    (game_day,) = calendar.game_days.values()
    assert head.startswith("#")
    assert (game_day.schedule.cron, game_day.topology) == ("0 2 * * SUN#2", tmp_path / "topology/aws.yaml")
    assert (game_day.blackouts, game_day.notify) == (("year-end", "bank-holidays"), ("on-call",))
    assert game_day.approval is not None


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "topology").write_text("a file")
    assert problems(init(tmp_path))[0].startswith(f"{tmp_path}/topology ")
    assert problems(init(tmp_path / "topology" / "deeper"))[0].startswith(f"{tmp_path}/topology ")
    assert files(tmp_path) == ["topology"]


def test_an_unknown_experiment_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    told = problems(init(tmp_path, "--experiment", "nothing.yaml", "--experiment", "never.yaml"))
    assert len(told) == 2
    assert told[0].startswith("--experiment nothing.yaml: ")
    assert " failover.yaml" in told[0]


def test_the_copy_is_a_valid_experiment_where_it_lies(tmp_path: Path) -> None:
    init(tmp_path)
    chaos = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "validate", "experiments/failover.yaml"]
    done = subprocess.run(chaos, cwd=tmp_path, capture_output=True, text=True, timeout=LONG_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_is_a_right_topology() -> None:
    assert load_topology(TEMPLATE).target == "aws"


def properties(schema: object) -> set[str]:
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    return set(own) | {name for part in schema.values() for name in properties(part)}


def test_the_template_names_every_key_there_is() -> None:
    keys = properties(json.loads(SCHEMA.read_text()))
    text = TEMPLATE.read_text()
    assert sorted(key for key in keys if f"{key}:" not in text and f"{key} is" not in text) == []


@pytest.mark.parametrize("optional", ["# dns:", "# packet_loss:"])
def test_what_the_template_has_as_a_comment_can_be_uncommented(tmp_path: Path, optional: str) -> None:
    lines = TEMPLATE.read_text().splitlines()
    start = lines.index(optional)
    for number in range(start, len(lines)):
        if not lines[number].startswith("# "):
            break
        lines[number] = lines[number].removeprefix("# ")
    path = tmp_path / "topology.yaml"
    path.write_text("\n".join(lines))
    assert yaml.safe_load(path.read_text())[optional.strip("# :")]
    load_topology(path)
