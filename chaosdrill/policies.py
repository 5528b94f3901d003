"""The least-privilege IAM policies of the experiments, filled in for one topology."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chaosdrill.errors import BadInput, problem
from chaosdrill.stop_when import ENGAGED, NONE, StopWhen

if TYPE_CHECKING:
    from chaosdrill.topology import Topology

PAUSE, PAUSE_ROLE = "pause_replication", "chaosdrill-replication-pause"
_PLACEHOLDER = re.compile(r"<([a-z-]+)>")
_PROMOTION = "PromotesWhereDataLossIsAllowed"
_PLACING = ("StopFlag", "Routing", "Database", "FailoverStateMachines", "FailoverExecutions")
_NOT_OF_RESCUES = (  # actions that start a fault or a transition, and those that only a drill checks
    "cloudwatch:",
    "fis:CreateExperimentTemplate",
    "fis:GetExperimentTemplate",
    "fis:GetSafetyLever",
    "fis:ListExperimentResolvedTargets",
    "fis:ListExperimentTemplates",
    "fis:StartExperiment",
    "fis:TagResource",
    "iam:",
    "rds:FailoverGlobalCluster",
)
# Other faults, which a rescue reads before it moves the application, and the promotion that a person must request.
_OF_RESCUES: Sequence[Mapping[str, Any]] = (
    {
        "Sid": "FaultsOfOthers",
        "Effect": "Allow",
        "Action": ["ec2:DescribeSubnets", "fis:GetExperiment", "fis:ListExperiments"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": ["<home>", "<standby>", "<client-region>"]}},
    },
    {
        "Sid": _PROMOTION,
        "Effect": "Allow",
        "Action": "rds:FailoverGlobalCluster",
        "Resource": [
            "arn:<partition>:rds::<account>:global-cluster:<global-cluster>",
            "<cluster-home>",
            "<cluster-standby>",
        ],
    },
)
_NAME = r"([A-Za-z0-9_.-]{1,255})"
_FORMS = {  # forms of the names in the configuration: a name, or the ARN that ends in it
    "ecs-cluster": re.compile(rf"(?:arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{{12}}:cluster/)?{_NAME}"),
    "ecs-service": re.compile(rf"(?:arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{{12}}:service/(?:[A-Za-z0-9_-]+/)?)?{_NAME}"),
    "rule": re.compile(rf"(?:arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{{12}}:rule/)?{_NAME}"),
}
_ANY_NAME = re.compile(_NAME)


def policy_of(experiment: str) -> str:
    """Read the policy of an experiment, with placeholders.

    :raises BadInput: when there is none.
    """
    there = files("chaosdrill").joinpath("experiments/iam")
    known = {one.name.removesuffix(".json"): one for one in there.iterdir() if one.name.endswith(".json")}
    if experiment not in known:
        raise BadInput([f"no policy for the experiment {experiment!r}: there are {', '.join(sorted(known))}"])
    return known[experiment].read_text(encoding="utf-8")


def filled(
    policy: str,
    topology: "Topology",
    configuration: Mapping[str, Any],
    functions: Collection[str] = (),
    stop_when: StopWhen = NONE,
    topics: Collection[str] = (),
) -> str:
    """Fill in a policy for one topology. Values are put into its strings only, so none of them adds a statement.

    :param policy: JSON, with placeholders such as ``<account>`` in its strings.
    :param configuration: the experiment's; ``<ecs-cluster>`` stands for its ``ecs_cluster``.
    :param functions: those that the experiment's activities call; some of them add statements.
    :param stop_when: when the experiment's drills stop by themselves; the permissions to read that are added.
    :raises BadInput: when neither has a value for a placeholder, or the value is not a name.
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
    # escaped, so that IAM does not read it as a policy variable
    keys = [value.replace("$", "${$}") for value in topology.stop_flag.key.values()]
    document = _with_names(json.loads(policy), known, keys)
    document["Statement"] += _delivery(topology, known["partition"])
    document["Statement"] += _main_table(topology, known["partition"])
    document["Statement"] += _coordination(topology, known["partition"])
    document["Statement"] += _stop_when(topology, known["partition"], stop_when)
    document["Statement"] += _notifications(topics)
    if PAUSE in functions:
        document["Statement"] += _pause(topology, known["partition"])
    return json.dumps(_without_repetition(document), indent=2)


def rescue_policy(
    policy: str, topology: "Topology", configuration: Mapping[str, Any], functions: Collection[str] = ()
) -> str:
    """Fill in the policy of a rescue of an experiment's drills: it reverses what they did, and starts nothing.

    It always covers where the application serves, also for an experiment that does not change that: a fault may have
    made the system fail over by itself.

    :param policy: the experiment's own, with placeholders.
    :param configuration: as for :func:`filled`.
    :param functions: as for :func:`filled`.
    :raises BadInput: as :func:`filled` does.
    """
    placing = [one for one in json.loads(policy_of("failover"))["Statement"] if one["Sid"] in _PLACING]
    own = [one for one in json.loads(policy)["Statement"] if one["Sid"] not in _PLACING]
    document = {"Version": "2012-10-17", "Statement": [*placing, *own, *_OF_RESCUES]}
    document = json.loads(filled(json.dumps(document), topology, configuration, functions))
    document["Statement"] = [kept for one in document["Statement"] if (kept := _for_rescue(one))]
    return json.dumps(document, indent=2)


def _for_rescue(statement: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a statement without the actions that a rescue does not need; None when none is left."""
    if statement["Sid"] == _PROMOTION:
        return dict(statement)
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    kept = [one for one in actions if not one.startswith(_NOT_OF_RESCUES)]
    return {**statement, "Action": kept} if kept else None


def _with_names(part: Any, known: Mapping[str, str], keys: Sequence[str]) -> Any:
    """Fill in each string of a document.

    :param keys: the values of ``<stop-flag-keys>``.
    """
    if part == "<stop-flag-keys>":
        return list(keys)
    if isinstance(part, dict):
        return {key: _with_names(value, known, keys) for key, value in part.items()}
    if isinstance(part, list):
        return [_with_names(value, known, keys) for value in part]
    return _PLACEHOLDER.sub(lambda match: known[match[1]], part) if isinstance(part, str) else part


def _delivery(topology: "Topology", partition: str) -> list[dict[str, object]]:
    """Return the permissions to send programs to the client host, and to receive long responses, over the topology's
    bucket, and the one to check that the bucket exists, which a rehearsal does.
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
    """Return the permissions to read the replicas of the main table."""
    if topology.main_table is None:
        return []
    tables = [
        f"arn:{partition}:dynamodb:{region}:{topology.accounts[0]}:table/{topology.main_table}"
        for region in topology.region_names
    ]
    return [{"Sid": "MainTable", "Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": tables}]


def _coordination(topology: "Topology", partition: str) -> list[dict[str, object]]:
    """Return the permissions to hold the lease and to record owed undos. A transaction needs those of each of its
    items.
    """
    if topology.coordination is None:
        return []
    table, region = topology.coordination.table, topology.coordination.region
    return [
        {
            "Sid": "Coordination",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            "Resource": f"arn:{partition}:dynamodb:{region}:{topology.accounts[0]}:table/{table}",
        }
    ]


def _stop_when(topology: "Topology", partition: str, stop_when: StopWhen) -> list[dict[str, object]]:
    """Return the permissions to read what stops a drill. The experiment's policy has the safety lever of a fault's
    region.
    """
    found: list[dict[str, object]] = []
    if stop_when.safety_lever == ENGAGED:
        account = topology.accounts[0]
        levers = [f"arn:{partition}:fis:{region}:{account}:safety-lever/*" for region in topology.region_names]
        found.append({"Sid": "StopSafetyLever", "Effect": "Allow", "Action": "fis:GetSafetyLever", "Resource": levers})
    if stop_when.alarms:
        regions = list(dict.fromkeys(alarm.region or topology.regions.home for alarm in stop_when.alarms))
        found.append(
            {
                "Sid": "StopAlarms",
                "Effect": "Allow",
                "Action": "cloudwatch:DescribeAlarms",
                "Resource": "*",  # composite alarms need it
                "Condition": {"StringEquals": {"aws:RequestedRegion": regions}},
            }
        )
    return found


def _notifications(topics: Collection[str]) -> list[dict[str, object]]:
    """Return the permission to notify people of game days."""
    if not topics:
        return []
    return [{"Sid": "Notifications", "Effect": "Allow", "Action": "sns:Publish", "Resource": sorted(topics)}]


def _pause(topology: "Topology", partition: str) -> list[dict[str, object]]:
    """Return what ``pause_replication`` needs in the home region beyond what every experiment with a fault has."""
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
    """Return the value of each placeholder of a policy."""
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
    """Return the resource names of a state machine and its executions: exact for an ARN, else all with that prefix."""
    if named.startswith("arn:"):
        machine = named.rsplit(":", 1)[1]
        return {f"{name}-machine": machine, f"{name}-executions": f"{machine}:*"}
    return {f"{name}-machine": f"{named}*", f"{name}-executions": f"{named}*"}


def _without_repetition(part: object) -> object:
    """Remove repeated values from lists: one region may play several roles."""
    if isinstance(part, dict):
        return {key: _without_repetition(value) for key, value in part.items()}
    if isinstance(part, list):
        once = [_without_repetition(value) for value in part]
        return [value for index, value in enumerate(once) if value not in once[:index]]
    return part
