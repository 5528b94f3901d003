"""The ``chaosdrill iam`` command: the IAM policy that an experiment needs for one topology."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.experiment_files import configuration_of, functions_of, read_experiment
from chaosdrill.policies import filled, placeholders, policy_of, rescue_policy

if TYPE_CHECKING:
    from chaosdrill.stop_when import StopWhen
    from chaosdrill.topology import Topology


@click.command()
@click.argument("experiment")
@click.option(
    "--topology", "path", required=True, type=click.Path(path_type=Path), help="The file that names the parts."
)
@click.option(
    "--policy",
    "kind",
    type=click.Choice(["drill", "rescue", "setup", "boundary"]),
    default="drill",
    help="The policy to print: for a drill, for a rescue, for the administrator who creates the roles, or the "
    "permissions boundary of the roles.  [default: drill]",
)
@click.option("--make-roles", is_flag=True, help="Make the roles that FIS takes on, as an administrator.")
@click.option("--profile", help="For --make-roles: the administrator's AWS profile.  [default: the topology's]")
def iam(experiment: str, path: Path, kind: str, make_roles: bool, profile: str | None) -> None:
    """Print the least-privilege IAM policy of EXPERIMENT (a file, or the name of one that comes with chaosdrill).

    \b
        chaosdrill iam failover --topology topology/aws.yaml > policy.json
        aws iam create-policy --policy-name chaosdrill-failover --policy-document file://policy.json

    The policy names the topology's own tables, state machines, routing controls and client host, and what the
    experiment's configuration names (of a file: as it is written there). Of an experiment of your own that does what
    another does, name the other. When the calendar of game days (CHAOSDRILL_GAMEDAYS, else ./gamedays.yaml) has one of
    this topology, the policy allows to publish to the SNS topics of its channels.

    --policy rescue prints what `chaosdrill rescue` must be allowed after a drill of EXPERIMENT: it reverses, and begins
    no fault. For a timer, which may run it anywhere:

    \b
        chaosdrill iam failover --topology topology/aws.yaml --policy rescue > rescue.json

    A drill changes nothing in IAM. The roles that FIS takes on are made beforehand, by an administrator, and within a
    permissions boundary, so that whoever makes them cannot give them more:

    \b
        chaosdrill iam failover --topology topology/aws.yaml --policy boundary > boundary.json
        aws iam create-policy --policy-name chaosdrill-boundary --policy-document file://boundary.json
        chaosdrill iam failover --topology topology/aws.yaml --make-roles --profile administrator

    --policy setup prints what the last of these must be allowed, for whoever is no administrator.
    """
    from chaosdrill.topology import load_topology

    topology = load_topology(path)
    if make_roles:
        return _make_roles(experiment, topology, profile)
    policy = policy_of(Path(experiment).stem)
    configuration, functions = configuration_of(experiment), functions_of(experiment)
    if kind == "rescue":
        return click.echo(rescue_policy(policy, topology, configuration, functions))
    if kind == "drill":
        stop_when, topics = _stop_when_of(experiment), topics_of(path)
        return click.echo(filled(policy, topology, configuration, functions, stop_when, topics))
    click.echo(json.dumps(_of_administrators(kind, topology), indent=2))


def _of_administrators(kind: str, topology: "Topology") -> dict[str, Any]:
    from chaosdrill.packet_loss import role_documents
    from chaosdrill.packet_loss.plan import DOCUMENT

    known = placeholders(topology)
    partition, account = known["partition"], known["account"]
    if kind == "setup":
        return role_documents.setup(partition, account)
    return role_documents.boundary(partition, account, DOCUMENT, topology.main_table)


def _make_roles(experiment: str, topology: "Topology", profile: str | None) -> None:
    from chaosdrill.rehearsal.roles import make_roles

    if profile:
        topology = replace(topology, aws=replace(topology.aws, profile=profile))
    made = make_roles(topology, read_experiment(experiment))
    for what, removed_by in made.items():
        click.echo(f"made: {what}")
        click.echo(f"  to remove it: {removed_by}")
    if not made:
        click.echo("nothing was made: the roles that the experiment needs are there")


def topics_of(topology: Path) -> set[str]:
    """Return the SNS topics that the calendar of game days notifies of drills of a topology.

    :returns: their ARNs; empty without a calendar, or when it has no game day of the topology.
    :raises BadInput: with every problem of the calendar.
    """
    from chaosdrill.gamedays.loading import calendar_path, load_calendar

    if not calendar_path().is_file():
        return set()
    calendar = load_calendar()
    systems = {one.topology.resolve() for one in calendar.game_days.values() if one.topology}
    topics = {str(one.settings["topic"]) for one in calendar.channels.values() if one.kind == "sns"}
    return topics if topology.resolve() in systems else set()


def _stop_when_of(experiment: str) -> "StopWhen":
    from chaosdrill.controls.control_validation import own_arguments
    from chaosdrill.stop_when import stop_when_of

    arguments = own_arguments(read_experiment(experiment))
    return stop_when_of(arguments.get("stop_when") if isinstance(arguments, Mapping) else None)
