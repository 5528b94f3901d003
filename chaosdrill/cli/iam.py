"""``chaosdrill iam``: what an experiment may do in an account, as an IAM policy for one topology."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.errors import BadInput

if TYPE_CHECKING:
    from chaosdrill.topology import Topology

_PLACEHOLDER = re.compile(r"<([a-z-]+)>")


@click.command()
@click.argument("experiment")
@click.option(
    "--topology", "path", required=True, type=click.Path(path_type=Path), help="The file that names the parts."
)
def iam(experiment: str, path: Path) -> None:
    """Print the least-privilege IAM policy of EXPERIMENT (a file, or the name of one that comes with chaosdrill).

    \b
        chaosdrill iam failover --topology topology/aws.yaml > policy.json
        aws iam create-policy --policy-name chaosdrill-failover --policy-document file://policy.json

    The policy names the topology's own tables, state machines, routing controls and client host, and what the
    experiment's configuration names (of a file: as it is written there). Of an experiment of your own that does what
    another does, name the other.
    """
    from chaosdrill.topology import load_topology

    policy = policy_of(Path(experiment).stem)
    click.echo(filled(policy, load_topology(path), configuration_of(experiment)))


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
    """:returns: what an experiment's configuration says: of the file, or of the one that comes with chaosdrill."""
    import yaml

    from chaosdrill.cli.init import experiments

    path = Path(experiment)
    shipped = {Path(name).stem: text for name, text in experiments().items()}
    text = path.read_text(encoding="utf-8") if path.is_file() else shipped[path.stem]
    return yaml.safe_load(text).get("configuration") or {}  # JSON is YAML, too


def filled(policy: str, topology: "Topology", configuration: Mapping[str, Any]) -> str:
    """:returns: the policy for one topology.

    :param policy: with placeholders such as ``<account>``.
    :param configuration: the experiment's; ``<ecs-cluster>`` stands for its ``ecs_cluster``.
    :raises BadInput: when neither says what a placeholder asks for.
    """
    named = {key.replace("_", "-"): _name(value) for key, value in configuration.items() if isinstance(value, str)}
    known = named | placeholders(topology)
    missing = sorted({name for name in _PLACEHOLDER.findall(policy) if not known.get(name)})
    if missing:
        raise BadInput([f"{topology.path}: it does not say {name}, which the policy names" for name in missing])
    read = json.loads(_PLACEHOLDER.sub(lambda match: known[match[1]], policy))
    read["Statement"] += _delivery(topology, known["partition"])
    return json.dumps(_without_repetition(read), indent=2)


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
        "cluster-home": topology.database.clusters.get(home, ""),
        "cluster-standby": topology.database.clusters.get(standby, ""),
        "failover-region": topology.failover.region,
        "failover-prefix": _name(topology.failover.failover_prefix),
        "failback-prefix": _name(topology.failover.failback_prefix),
    }


def _name(text: str) -> str:
    """The name at the end of an ARN: the policy writes the rest itself. A name, or its beginning, stays as it is."""
    return re.split("[:/]", text)[-1] if text.startswith("arn:") else text


def _without_repetition(part: object) -> object:
    """Regions that play several roles stand once."""
    if isinstance(part, dict):
        return {key: _without_repetition(value) for key, value in part.items()}
    if isinstance(part, list):
        once = [_without_repetition(value) for value in part]
        return [value for index, value in enumerate(once) if value not in once[:index]]
    return part
