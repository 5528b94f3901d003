"""``chaosdrill iam``: what an experiment may do in an account, as an IAM policy for one topology."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.topology import Topology

PAUSE, PAUSE_ROLE = "pause_replication", "chaosdrill-replication-pause"
_PLACEHOLDER = re.compile(r"<([a-z-]+)>")
_NAME = r"([A-Za-z0-9_.-]{1,255})"
_FORMS = {  # of what the configuration names: a name, or the ARN that ends in it
    "ecs-cluster": re.compile(rf"(?:arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{{12}}:cluster/)?{_NAME}"),
    "ecs-service": re.compile(rf"(?:arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{{12}}:service/(?:[A-Za-z0-9_-]+/)?)?{_NAME}"),
    "rule": re.compile(rf"(?:arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{{12}}:rule/)?{_NAME}"),
}
_ANY_NAME = re.compile(_NAME)


@click.command()
@click.argument("experiment")
@click.option(
    "--topology", "path", required=True, type=click.Path(path_type=Path), help="The file that names the parts."
)
@click.option(
    "--policy",
    "kind",
    type=click.Choice(["drill", "setup", "boundary"]),
    default="drill",
    help="Which to print: of a drill, of whoever makes the roles, or the most that the roles may do.  [default: drill]",
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
    another does, name the other.

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
    if kind == "drill":
        return click.echo(filled(policy, topology, configuration_of(experiment), functions_of(experiment)))
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


def policy_of(experiment: str) -> str:
    """:returns: the policy of an experiment, with placeholders.

    :raises BadInput: when there is none.
    """
    there = files("chaosdrill").joinpath("experiments/iam")
    known = {one.name.removesuffix(".json"): one for one in there.iterdir() if one.name.endswith(".json")}
    if experiment not in known:
        raise BadInput([f"no policy for the experiment {experiment!r}: there are {', '.join(sorted(known))}"])
    return known[experiment].read_text(encoding="utf-8")


def configuration_of(experiment: str) -> Mapping[str, Any]:
    """Read the configuration of an experiment: of the file, or of the one that comes with chaosdrill.

    :raises BadInput: when there is none of that name, or its file is not an experiment.
    """
    configuration = read_experiment(experiment).get("configuration") or {}
    return {str(key): value for key, value in configuration.items()}


def functions_of(experiment: str) -> set[str]:
    """Read which functions the activities of an experiment call.

    :returns: their names, without the module.
    :raises BadInput: when there is none of that name, or its file is not an experiment.
    """
    return set(_functions(read_experiment(experiment)))


def _functions(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("func"), str):
            yield part["func"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _functions(inner)


def read_experiment(experiment: str) -> Mapping[str, Any]:
    """Read an experiment: the file, or the one that comes with chaosdrill.

    :raises BadInput: when there is none of that name, or its file is not an experiment.
    """
    import yaml

    from chaosdrill.bounded_yaml import load_yaml
    from chaosdrill.cli.init import experiments

    path = Path(experiment)
    shipped = {Path(name).stem: text for name, text in experiments().items()}
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else shipped[path.stem]
        read = load_yaml(text)  # JSON is YAML, too
        if not isinstance(read, Mapping) or not isinstance(read.get("configuration") or {}, Mapping):
            raise ValueError("it is not a mapping with a configuration")
    except (OSError, ValueError, yaml.YAMLError, KeyError) as error:
        text = f"{experiment}: the configuration of an experiment cannot be read from it: {error!r}"
        raise BadInput([problem("experiment-invalid", text)]) from error
    return read


def filled(policy: str, topology: "Topology", configuration: Mapping[str, Any], functions: Collection[str] = ()) -> str:
    """Fill in a policy for one topology. Values are put into its strings only, so none of them adds a statement.

    :param policy: JSON, with placeholders such as ``<account>`` in its strings.
    :param configuration: the experiment's; ``<ecs-cluster>`` stands for its ``ecs_cluster``.
    :param functions: those that the experiment's activities call: what the policy of an option is added for.
    :raises BadInput: when neither says what a placeholder asks for, or says something that is no name.
    """
    known = placeholders(topology)
    problems: list[str] = []
    for name in sorted(set(_PLACEHOLDER.findall(policy)) - {"stop-flag-keys", *known}):
        value = configuration.get(name.replace("-", "_"))
        form = _FORMS.get(name, _ANY_NAME).fullmatch(value) if isinstance(value, str) else None
        if form:
            known[name] = form[1]
        elif value:
            text = f"{name.replace('-', '_')} is {value!r}: write the name of one resource, or its ARN"
            problems.append(problem("policy-name-invalid", text))
        else:
            problems.append(f"{topology.path}: it does not say {name}, which the policy names")
    if problems:
        raise BadInput(problems)
    keys = [value.replace("$", "${$}") for value in topology.stop_flag.key.values()]  # no policy variable
    document = _with_names(json.loads(policy), known, keys)
    document["Statement"] += _delivery(topology, known["partition"])
    document["Statement"] += _main_table(topology, known["partition"])
    if PAUSE in functions:
        document["Statement"] += _pause(topology, known["partition"])
    return json.dumps(_without_repetition(document), indent=2)


def _with_names(part: Any, known: Mapping[str, str], keys: Sequence[str]) -> Any:
    """Fill in each string of a document.

    :param keys: what stands for ``<stop-flag-keys>``.
    """
    if part == "<stop-flag-keys>":
        return list(keys)
    if isinstance(part, dict):
        return {key: _with_names(value, known, keys) for key, value in part.items()}
    if isinstance(part, list):
        return [_with_names(value, known, keys) for value in part]
    return _PLACEHOLDER.sub(lambda match: known[match[1]], part) if isinstance(part, str) else part


def _delivery(topology: "Topology", partition: str) -> list[dict[str, object]]:
    """What it takes to bring programs to the client host, and long answers back, through the topology's bucket, which a
    rehearsal looks for.
    """
    if topology.client.run != "ssm" or not topology.client.s3:
        return []
    prefix = topology.client.s3.strip("/")
    return [
        {
            "Sid": "ProgramsAndAnswersOverS3",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": f"arn:{partition}:s3:::{prefix}/*",
        },
        {
            "Sid": "LooksWhetherTheBucketIsThere",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:{partition}:s3:::{prefix.partition('/')[0]}",
        },
    ]


def _main_table(topology: "Topology", partition: str) -> list[dict[str, object]]:
    """What it takes to read the replicas of the main table."""
    if topology.main_table is None:
        return []
    tables = [
        f"arn:{partition}:dynamodb:{region}:{topology.accounts[0]}:table/{topology.main_table}"
        for region in topology.region_names
    ]
    return [{"Sid": "MainTable", "Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": tables}]


def _pause(topology: "Topology", partition: str) -> list[dict[str, object]]:
    """What ``pause_replication`` takes in the home region, beyond what every experiment with a fault has."""
    account, home = topology.accounts[0], topology.regions.home
    fis, role = f"arn:{partition}:fis:{home}:{account}", f"arn:{partition}:iam::{account}:role/{PAUSE_ROLE}"
    templates, experiments = f"{fis}:experiment-template/*", f"{fis}:experiment/*"
    action = f"arn:{partition}:fis:*:*:action/aws:dynamodb:global-table-pause-replication"
    reads = ["fis:GetExperiment", "fis:GetExperimentTemplate", "fis:ListExperimentResolvedTargets"]
    known_by_none = ["cloudwatch:GetMetricData", "fis:ListExperimentTemplates", "fis:ListExperiments"]
    new, own = ({f"aws:{tag}/created-by": "chaosdrill"} for tag in ("RequestTag", "ResourceTag"))
    in_regions = {"aws:RequestedRegion": list(topology.region_names)}
    needed: list[tuple[str, list[str], list[str], dict[str, object]]] = [
        ("PauseTemplatesAreTagged", ["fis:CreateExperimentTemplate"], [templates, action], dict(new)),
        ("PauseTemplatesOfOurOwn", ["fis:StartExperiment", "fis:TagResource"], [templates], dict(own)),
        ("PauseExperimentsAreTagged", ["fis:StartExperiment"], [experiments], dict(new)),
        ("PauseExperimentsOfOurOwn", ["fis:StopExperiment", "fis:TagResource"], [experiments], dict(own)),
        ("PauseReads", reads, [templates, experiments], {}),
        ("PauseSafetyLever", ["fis:GetSafetyLever"], [f"{fis}:safety-lever/*"], {}),
        ("PauseRole", ["iam:GetRole", "iam:GetRolePolicy"], [role], {}),
        ("PauseRoleToFisOnly", ["iam:PassRole"], [role], {"iam:PassedToService": "fis.amazonaws.com"}),
        ("PauseReadsThatKnowNoResource", known_by_none, ["*"], dict(in_regions)),
    ]
    return [
        {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
        | ({"Condition": {"StringEquals": condition}} if condition else {})
        for sid, actions, resources, condition in needed
    ]


def placeholders(topology: "Topology") -> dict[str, str]:
    """:returns: what each placeholder of a policy stands for."""
    home, standby = topology.region_names
    controls = topology.routing.controls
    return {
        "partition": controls[home].split(":")[1],
        "account": topology.accounts[0],
        "home": home,
        "standby": standby,
        "client-region": topology.client.region,
        "client-host": topology.client.instance_id,
        "stop-flag-table-home": topology.stop_flag.tables[home],
        "stop-flag-table-standby": topology.stop_flag.tables[standby],
        "routing-control-home": controls[home],
        "routing-control-standby": controls[standby],
        "global-cluster": topology.database.global_cluster,
        "cluster-home": topology.database.clusters[home],
        "cluster-standby": topology.database.clusters[standby],
        "failover-region": topology.failover.region,
        **_machine("failover", topology.failover.failover_prefix),
        **_machine("failback", topology.failover.failback_prefix),
    }


def _machine(name: str, named: str) -> dict[str, str]:
    """A state machine and its executions: exactly that one when the topology has its ARN, else all that begin so."""
    if named.startswith("arn:"):
        machine = named.rsplit(":", 1)[1]
        return {f"{name}-machine": machine, f"{name}-executions": f"{machine}:*"}
    return {f"{name}-machine": f"{named}*", f"{name}-executions": f"{named}*"}


def _without_repetition(part: object) -> object:
    """Regions that play several roles stand once."""
    if isinstance(part, dict):
        return {key: _without_repetition(value) for key, value in part.items()}
    if isinstance(part, list):
        once = [_without_repetition(value) for value in part]
        return [value for index, value in enumerate(once) if value not in once[:index]]
    return part
