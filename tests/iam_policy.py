"""What IAM would say to the calls of a drill: a policy, and what the calls in the lab's log ask for.

See: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chaosdrill.aws.guard import changes_something
from chaosdrill.lab.aws import policies

ACCOUNT = "123456789012"
NO_PERMISSION_NEEDED = {("sts", "GetCallerIdentity")}
PREFIX = {"monitoring": "cloudwatch"}  # where IAM's name of a service is not the one that signs
CHECKED_AS = {("s3", "HeadObject"): "GetObject", ("s3", "HeadBucket"): "ListBucket"}
SERVICE_ROLE = "aws-service-role/fis.amazonaws.com/AWSServiceRoleForFIS"
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


# the calls whose tags a resource has, by its kind
TAGGED_BY = {"experiment-template": "CreateExperimentTemplate", "experiment": "StartExperiment"}


@dataclass(frozen=True)
class Wanted:
    """One thing that IAM is asked: may this action be done on this resource, in this region?

    :param keys: the other condition keys of the request, each with its values.
    """

    action: str
    resource: str
    region: str
    keys: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), kw_only=True)

    @property
    def context(self) -> policies.Context:
        """All condition keys, with their values."""
        return {"aws:RequestedRegion": [self.region], **dict(self.keys)}

    def having(self, keys: policies.Context) -> "Wanted":
        """:returns: the same, with these condition keys."""
        return replace(self, keys=tuple(sorted((key, tuple(values)) for key, values in keys.items())))


def wanted(calls: Iterable[Mapping[str, Any]], topology: Mapping[str, Any]) -> set[Wanted]:
    """:returns: what the calls of a log ask IAM for."""
    asked, made = set(), list(calls)
    iam = [call["resource"] for call in made if call["service"] == "iam"]
    passed = {_role(name) for name in iam if not SERVICE_ROLE.endswith(name)}  # the roles that FIS is given
    bounds = {call["resource"]: call.get("context", {}) for call in made if call["operation"] == "CreateRole"}
    tags = {kind: _tags(made, operation) for kind, operation in TAGGED_BY.items()}
    for call in made:
        service, operation = call["service"], call["operation"]
        if (service, operation) in NO_PERMISSION_NEEDED:
            continue
        own = CHECKED_AS.get((service, operation), operation)
        actions = (f"{PREFIX.get(service, service)}:{own}", *IMPLIED.get((service, operation), ()))
        for action in actions:
            resources = passed if action == "iam:PassRole" else _resources(call, topology)
            asked |= {
                Wanted(action, resource, call["region"]).having(_keys(call, action, resource, tags, bounds))
                for resource in resources
            }
    return asked


def _keys(
    call: Mapping[str, Any], action: str, resource: str, tags: Mapping[str, Any], bounds: Mapping[str, Any]
) -> policies.Context:
    """A resource that is created with tags counts as tagged so; a role's policy is written within its boundary.

    See: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourcetag
    """
    own = dict(call.get("context") or {})
    kind = resource.split(":", 5)[-1].split("/")[0]
    creates = call["operation"] == TAGGED_BY.get(kind)
    if action == "iam:PutRolePolicy":
        return dict(bounds.get(call["resource"], {}))
    if action == "iam:PassRole":
        return {"iam:PassedToService": ["fis.amazonaws.com"]}
    if action == "fis:TagResource" or not creates:
        own |= tags.get(kind, {})
    return own


def _tags(calls: Iterable[Mapping[str, Any]], operation: str) -> dict[str, Any]:
    """What those that were made by the last such call are tagged with."""
    made = [call.get("context") or {} for call in calls if call["operation"] == operation]
    own = made[-1].items() if made else ()
    return {key.replace("RequestTag", "ResourceTag"): values for key, values in own if "RequestTag" in key}


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
    if name.startswith("arn:"):
        return name
    return f"arn:aws:iam::{ACCOUNT}:role/{SERVICE_ROLE if SERVICE_ROLE.endswith(name) else name}"


def _fis_kinds(operation: str) -> Sequence[str]:
    if operation == "GetSafetyLever":
        return ("safety-lever/default",)
    if operation == "StartExperiment":
        return ("experiment-template/EXT1", "experiment/EXP1")
    return ("experiment-template/EXT1",) if operation.endswith("Template") else ("experiment/EXP1",)


def allows(policy: Mapping[str, Any], asked: Wanted) -> bool:
    """:returns: whether the policy allows it."""
    return policies.allows([policy], asked.action, asked.resource, asked.context)


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
    unused = writes(json.loads(policy)) - {one.action for one in asked} - IN_EXPERIMENTS_OF_OTHERS
    return [f"{action} is allowed, and no drill did it" for action in sorted(unused)]


def _actions(policy: Mapping[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in _listed(statement["Action"])}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
