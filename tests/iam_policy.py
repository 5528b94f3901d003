"""What IAM would say to the calls of a drill: a policy, and what the calls in the lab's log ask for.

See: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws.guard import changes_something

ACCOUNT = "123456789012"
NO_PERMISSION_NEEDED = {("sts", "GetCallerIdentity")}
PREFIX = {"monitoring": "cloudwatch"}  # where IAM's name of a service is not the one that signs
CHECKED_AS = {("s3", "HeadObject"): "GetObject", ("s3", "HeadBucket"): "ListBucket"}
SERVICE_ROLE = "aws-service-role/fis.amazonaws.com/AWSServiceRoleForFIS"
ONCE_AN_ACCOUNT = {"iam:CreateServiceLinkedRole"}  # the lab's first experiment did it, whoever's it was
# the undo of disabling a rule that CloudTrail's management events reach, too, which no experiment of ours does:
# tests/contract/test_automatic_failover_activities.py
IN_EXPERIMENTS_OF_OTHERS = {"events:PutRule"}
FIS_LISTS = ("ListExperimentTemplates", "ListExperiments")  # which know no resource
# what IAM asks for beyond the call's own action
IMPLIED = {
    ("fis", "CreateExperimentTemplate"): ("fis:TagResource", "iam:PassRole"),
    ("fis", "StartExperiment"): ("fis:TagResource",),
    ("iam", "CreateRole"): ("iam:TagRole",),
}


@dataclass(frozen=True)
class Wanted:
    """One thing that IAM is asked: may this action be done on this resource, in this region?"""

    action: str
    resource: str
    region: str


def wanted(calls: Iterable[Mapping[str, Any]], topology: Mapping[str, Any]) -> set[Wanted]:
    """:returns: what the calls of a log ask IAM for."""
    asked, made = set(), list(calls)
    iam = [call["resource"] for call in made if call["service"] == "iam"]
    passed = {_role(name) for name in iam if not SERVICE_ROLE.endswith(name)}  # the roles that FIS is given
    for call in made:
        service, operation = call["service"], call["operation"]
        if (service, operation) in NO_PERMISSION_NEEDED:
            continue
        own = CHECKED_AS.get((service, operation), operation)
        actions = (f"{PREFIX.get(service, service)}:{own}", *IMPLIED.get((service, operation), ()))
        for action in actions:
            resources = passed if action == "iam:PassRole" else _resources(call, topology)
            asked |= {Wanted(action, resource, call["region"]) for resource in resources}
    return asked


def _resources(call: Mapping[str, Any], topology: Mapping[str, Any]) -> list[str]:
    """The ARNs that IAM matches; ``*`` where the action knows no resource."""
    service, operation, region, named = (call[key] for key in ("service", "operation", "region", "resource"))
    if service == "dynamodb":
        return [f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{named}"]
    if service == "rds" and named:
        moved = topology["database"]["clusters"].values() if operation == "FailoverGlobalCluster" else ()
        return [f"arn:aws:rds::{ACCOUNT}:global-cluster:{named}", *moved]
    if service in ("states", "route53-recovery-cluster") and named:
        return list(named.split(","))
    if service == "iam":
        return [_role(named)]
    if service == "s3":
        return [f"arn:aws:s3:::{named.lstrip('/')}"]
    if service == "ecs":
        return [f"arn:aws:ecs:{region}:{ACCOUNT}:service/{named}"]
    if service == "events":
        return [f"arn:aws:events:{region}:{ACCOUNT}:rule/{named}"]
    if operation == "SendCommand":
        host = topology["client"]["instance_id"]
        return [f"arn:aws:ssm:{region}::document/AWS-RunShellScript", f"arn:aws:ec2:{region}:{ACCOUNT}:instance/{host}"]
    if service == "fis" and operation not in FIS_LISTS:
        return [f"arn:aws:fis:{region}:{ACCOUNT}:{kind}" for kind in _fis_kinds(operation)]
    return ["*"]


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{SERVICE_ROLE if SERVICE_ROLE.endswith(name) else name}"


def _fis_kinds(operation: str) -> Sequence[str]:
    if operation == "GetSafetyLever":
        return ("safety-lever/default",)
    if operation == "StartExperiment":
        return ("experiment-template/EXT1", "experiment/EXP1")
    return ("experiment-template/EXT1",) if operation.endswith("Template") else ("experiment/EXP1",)


def allows(policy: Mapping[str, Any], asked: Wanted) -> bool:
    """:returns: whether a statement of the policy allows it."""
    return any(_allows(statement, asked) for statement in policy["Statement"])


def _allows(statement: Mapping[str, Any], asked: Wanted) -> bool:
    regions = statement.get("Condition", {}).get("StringEquals", {}).get("aws:RequestedRegion")
    return (
        statement["Effect"] == "Allow"
        and asked.action in _listed(statement["Action"])
        and any(fnmatch.fnmatchcase(asked.resource, pattern) for pattern in _listed(statement["Resource"]))
        and (regions is None or asked.region in _listed(regions))
    )


def writes(policy: Mapping[str, Any]) -> set[str]:
    """:returns: the actions of a policy that change something."""
    return {action for action in _actions(policy) if changes_something(action.partition(":")[2])}


def not_allowed(policy: str, asked: Iterable[Wanted]) -> list[str]:
    """:returns: what was asked for that the policy does not allow, and wildcards in it."""
    read = json.loads(policy)
    wild = [f"{action} is a wildcard" for action in sorted(_actions(read)) if "*" in action]
    missing = [
        f"{one.action} on {one.resource} in {one.region} is not allowed" for one in asked if not allows(read, one)
    ]
    return [*wild, *sorted(missing)]


def not_done(policy: str, asked: Iterable[Wanted]) -> list[str]:
    """:returns: what the policy allows to change though nobody did."""
    unused = writes(json.loads(policy)) - {one.action for one in asked} - ONCE_AN_ACCOUNT - IN_EXPERIMENTS_OF_OTHERS
    return [f"{action} is allowed, and no drill did it" for action in sorted(unused)]


def _actions(policy: Mapping[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in _listed(statement["Action"])}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
