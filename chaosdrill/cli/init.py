"""The ``chaosdrill init`` command: a first experiment, topology and game day calendar in the user's own repository."""

import os
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from chaosdrill.errors import BadInput
from chaosdrill.experiment_files import shipped_experiments

DEFAULT = "failover.yaml"
TOPOLOGY, CALENDAR = Path("topology/aws.yaml"), Path("gamedays.yaml")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".")
@click.option(
    "--experiment", "names", multiple=True, help=f"Which one; may be given several times.  [default: {DEFAULT}]"
)
@click.option("--list", "only_list", is_flag=True, help="Show which experiments there are, and copy nothing.")
@click.option(
    "--coordination",
    is_flag=True,
    help="Print the CloudFormation template of the coordination table only.",
)
def init(directory: Path, names: Sequence[str], only_list: bool, coordination: bool) -> None:
    """Copy an experiment, a commented topology and a calendar of game days into DIRECTORY, your own repository.

    \b
        chaosdrill init --list
        chaosdrill init                                   here: failover.yaml
        chaosdrill init --experiment failback.yaml drills
        chaosdrill init --coordination > coordination.yaml

    Writes DIRECTORY/experiments/NAME, DIRECTORY/topology/aws.yaml and DIRECTORY/gamedays.yaml, and prints what to do
    next. The game day in it is an example that starts nothing. Nothing is ever overwritten: when an experiment is there
    already, nothing is written at all; a topology or a calendar that is there is kept.

    --coordination prints the template of the DynamoDB table that keeps two drills of one system apart, wherever they
    are started, and where they record what they owe it. The head of the template says how to create it.
    """
    if coordination:
        return click.echo(files("chaosdrill.coordination").joinpath("table.yaml").read_text(encoding="utf-8"), nl=False)
    shipped = shipped_experiments()
    if only_list:
        _show(shipped)
        return
    chosen = list(dict.fromkeys(names or [DEFAULT]))
    if unknown := [name for name in chosen if name not in shipped]:
        raise BadInput(
            [f"--experiment {name}: no such experiment; choose from: {', '.join(shipped)}" for name in unknown]
        )
    texts = {Path("experiments") / name: shipped[name] for name in chosen}
    _copy(directory, texts, _templates(chosen[0]))
    _say_what_next(directory, list(texts))


def _show(shipped: Mapping[str, str]) -> None:
    import yaml

    for name, text in shipped.items():
        experiment: dict[str, Any] = yaml.safe_load(text)  # JSON is YAML, too
        described = " ".join(str(experiment.get("description") or experiment["title"]).split())
        click.echo(f"{name:<24}{described.split('. ')[0].rstrip('.')}")


def _templates(experiment: str) -> dict[Path, str]:
    """Return what is written beside experiments.

    :param experiment: the file name of the one that the example of a game day runs.
    """
    topology, calendar = (
        files(package).joinpath("template.yaml").read_text(encoding="utf-8")
        for package in ("chaosdrill.topology", "chaosdrill.gamedays")
    )
    return {TOPOLOGY: topology, CALENDAR: calendar.replace(f"experiments/{DEFAULT}", f"experiments/{experiment}")}


def _copy(directory: Path, experiments: Mapping[Path, str], templates: Mapping[Path, str]) -> None:
    there = [path for path in (*experiments, *templates) if os.path.lexists(directory / path)]
    conflicts = [_conflict(directory / path) for path in there] if set(there) & set(experiments) else []
    conflicts += [f"{one} is not a directory: move it away" for one in _in_the_way(directory)]
    if conflicts:
        raise BadInput([*conflicts, "nothing was written"])
    for path, text in {**experiments, **templates}.items():
        if path in there:
            click.echo(f"kept     {directory / path}: it exists already")
        else:
            _write(directory / path, text)


def _conflict(path: Path) -> str:
    return f"{path} is there already, and is not overwritten: move it away, or choose another directory"


def _in_the_way(directory: Path) -> list[Path]:
    wanted = [*reversed(directory.absolute().parents), directory, directory / "experiments", directory / "topology"]
    return [path for path in wanted if os.path.lexists(path) and not path.is_dir()]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput([f"{path} cannot be written ({error.strerror}): choose another directory"]) from error
    click.echo(f"written  {path}")


def _say_what_next(directory: Path, paths: Sequence[Path]) -> None:
    enter = [] if directory.resolve() == Path.cwd() else [f"cd {shlex.quote(str(directory))}"]
    first = paths[0]
    steps = [
        *enter,
        f"chaos run {first}   # rehearse it on the embedded lab: no account is touched",
        "chaosdrill topology discover --profile PROFILE --home ap-northeast-1 --standby ap-northeast-3 "
        "--output topology/found.yaml",
        "chaosdrill init --coordination > coordination.yaml   # the table that keeps two drills of one system apart",
        f"chaosdrill topology check {TOPOLOGY}   # after you have filled in its TODOs, by hand or from found.yaml",
        f"chaos run --var target:str=aws --var topology:str={TOPOLOGY} --var change_ticket:str=CHG-1 {first}",
        f"chaosdrill gameday list   # {CALENDAR} has an example that starts nothing until you give it a time to come",
    ]
    click.echo("\nnext:\n" + "\n".join(f"  {step}" for step in steps))
    click.echo("exit codes of chaos run: 0 passed, 3 failed, 4 invalid, 5 refused, 6 interrupted; 1: nothing was run")
