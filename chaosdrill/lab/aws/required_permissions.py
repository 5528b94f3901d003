"""IAM permissions that a request needs: actions, resources and condition keys. Pure.

The resources are known for the services that drills use; an action of another service is required on ``*``.

See:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
and https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chaosdrill.lab.aws.policies import Context

ANY = "*"
NO_PERMISSION_NEEDED = frozenset({("sts", "GetCallerIdentity")})
FIS_PRINCIPAL = "fis.amazonaws.com"
_PREFIXES = {"monitoring": "cloudwatch"}  # signing names that differ from IAM's name of the service
_S3_ACTIONS = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjects": "ListBucket"}
_FIS_KINDS = {
    "experimentTemplates": "experiment-template",
    "experiments": "experiment",
    "safetyLevers": "safety-lever",
    "actions": "action",
}


@dataclass(frozen=True)
class Permission:
    """A permission that a request needs.

    :param action: such as ``dynamodb:GetItem``.
    :param resource: the ARN to match with a policy's patterns; ``*`` where the action has no resource.
    :param context: values of the request's condition keys.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class SignedRequest:
    """A signed request.

    :param service: the signing name.
    :param parameters: parameters in the body.
    :param path: path of the URL.
    """

    service: str
    region: str
    operation: str
    parameters: Mapping[str, Any]
    path: str = "/"


class AccountResources(Protocol):
    """Properties of an account's resources that determine the permissions."""

    @property
    def id(self) -> str:
        """The account's number."""

    def role_arn(self, name: str) -> str:
        """Return the ARN of a role, with its path."""

    def boundary(self, role: str) -> str:
        """Return the ARN of a role's permissions boundary; empty when it has none."""

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a template or an experiment of FIS."""

    def partition_key(self, region: str, table: str) -> str:
        """Return the name of a table's partition key; empty when there is no such table."""


_Needs = Iterator[tuple[str, str, Context]]


def required_permissions(request: SignedRequest, account: AccountResources) -> tuple[Permission, ...]:
    """Return all permissions that a request needs."""
    if (request.service, request.operation) in NO_PERMISSION_NEEDED:
        return ()
    needs = _NEEDS.get(request.service, _without_resource)(request, account)
    in_region = {"aws:RequestedRegion": [request.region]}
    return tuple(Permission(action, resource, {**in_region, **context}) for action, resource, context in needs)


def _own(request: SignedRequest) -> str:
    return f"{_PREFIXES.get(request.service, request.service)}:{request.operation}"


def _arn(request: SignedRequest, account: AccountResources, rest: str) -> str:
    return f"arn:aws:{request.service}:{request.region}:{account.id}:{rest}"


def _without_resource(request: SignedRequest, _: AccountResources) -> _Needs:
    yield _own(request), ANY, request_tags(request.parameters)


def _of_dynamodb(request: SignedRequest, account: AccountResources) -> _Needs:
    """Yield the needs of a request. A transaction has no action of its own: each item needs the permission of its
    operation.
    """
    given = request.parameters
    items = given.get("TransactItems")
    parts = [(f"dynamodb:{kind}Item", part) for one in items for kind, part in one.items()] if items else []
    for action, part in parts or [(_own(request), given)]:
        table = str(part.get("TableName") or part.get("ResourceArn") or "")
        arn = table if table.startswith("arn:") or not table else _arn(request, account, f"table/{table}")
        if index := part.get("IndexName"):
            arn = f"{arn}/index/{index}"
        enclosing = {"dynamodb:EnclosingOperation": [request.operation]} if items else {}
        yield action, arn or ANY, _leading_keys(part, account.partition_key(request.region, table)) | enclosing


def _leading_keys(part: Mapping[str, Any], partition_key: str) -> dict[str, Sequence[str]]:
    """Return the condition key with the value of an item's partition key."""
    attributes = part.get("Key") or part.get("Item")
    typed = attributes.get(partition_key) if isinstance(attributes, Mapping) else None
    return {"dynamodb:LeadingKeys": [str(value) for value in typed.values()]} if isinstance(typed, Mapping) else {}


def _of_rds(request: SignedRequest, account: AccountResources) -> _Needs:
    given = request.parameters
    if "GlobalCluster" not in request.operation:
        cluster = given.get("DBClusterIdentifier")
        yield _own(request), _arn(request, account, f"cluster:{cluster}") if cluster else ANY, {}
        return
    name = given.get("GlobalClusterIdentifier") or ANY
    yield _own(request), f"arn:aws:rds::{account.id}:global-cluster:{name}", {}
    if target := given.get("TargetDbClusterIdentifier"):
        yield _own(request), str(target), {}


def _of_states(request: SignedRequest, _: AccountResources) -> _Needs:
    given = request.parameters
    arn = given.get("executionArn") or given.get("stateMachineArn") or ANY
    yield _own(request), str(arn), {}


def _of_arc(request: SignedRequest, _: AccountResources) -> _Needs:
    given = request.parameters
    entries = given.get("UpdateRoutingControlStateEntries") or [given]
    for entry in entries:
        yield _own(request), str(entry.get("RoutingControlArn") or ANY), {}


def _of_iam(request: SignedRequest, account: AccountResources) -> _Needs:
    given = request.parameters
    own = request_tags(given)
    if boundary := given.get("PermissionsBoundary") or account.boundary(str(given.get("RoleName"))):
        own["iam:PermissionsBoundary"] = [str(boundary)]
    if name := given.get("AWSServiceName"):
        own["iam:AWSServiceName"] = [str(name)]
    resource = _iam_resource(given, account)
    yield _own(request), resource, own
    if request.operation == "CreateRole" and request_tags(given):
        yield "iam:TagRole", resource, own


def _iam_resource(given: Mapping[str, Any], account: AccountResources) -> str:
    if arn := given.get("PolicySourceArn") or given.get("PolicyArn"):
        return str(arn)
    if name := given.get("AWSServiceName"):
        return f"arn:aws:iam::{account.id}:role/aws-service-role/{name}/{_SERVICE_ROLES.get(str(name), ANY)}"
    if name := given.get("RoleName"):
        return account.role_arn(str(name))
    kinds = {"UserName": "user", "PolicyName": "policy"}
    return next(
        (f"arn:aws:iam::{account.id}:{kind}/{given[name]}" for name, kind in kinds.items() if name in given), ANY
    )


_SERVICE_ROLES = {FIS_PRINCIPAL: "AWSServiceRoleForFIS"}


def _of_s3(request: SignedRequest, _: AccountResources) -> _Needs:
    action = f"s3:{_S3_ACTIONS.get(request.operation, request.operation)}"
    yield action, f"arn:aws:s3:::{request.path.strip('/')}" if request.path.strip("/") else ANY, {}


def _of_ecs(request: SignedRequest, account: AccountResources) -> _Needs:
    given = request.parameters
    cluster = str(given.get("cluster") or "default").rpartition("/")[2]
    services = given.get("services") or [given[name] for name in ("service",) if name in given]
    for service in services:
        yield _own(request), _arn(request, account, f"service/{cluster}/{str(service).rpartition('/')[2]}"), {}
    if not services:
        yield _own(request), ANY, {}


def _of_events(request: SignedRequest, account: AccountResources) -> _Needs:
    name = request.parameters.get("Name") or request.parameters.get("Rule")
    yield _own(request), _arn(request, account, f"rule/{name}") if name else ANY, request_tags(request.parameters)


def _of_ssm(request: SignedRequest, account: AccountResources) -> _Needs:
    if request.operation != "SendCommand":
        yield from _without_resource(request, account)
        return
    given = request.parameters
    document = str(given.get("DocumentName"))
    owner = "" if document.startswith("AWS") else account.id
    yield _own(request), f"arn:aws:ssm:{request.region}:{owner}:document/{document}", {}
    for host in given.get("InstanceIds") or [ANY]:
        yield _own(request), f"arn:aws:ec2:{request.region}:{account.id}:instance/{host}", {}


def _of_fis(request: SignedRequest, account: AccountResources) -> _Needs:
    """Yield the needs of a request. A resource created with tags is matched as tagged, and its tags need a separate
    permission.

    See:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourcetag
    """
    given, new = request.parameters, request_tags(request.parameters)
    if request.operation == "CreateExperimentTemplate":
        arn = _arn(request, account, "experiment-template/*")
        yield _own(request), arn, new
        for action in _actions_of(given):
            yield _own(request), _arn(request, account, f"action/{action}"), new
        yield from _tags_of_new(arn, new)
    elif request.operation == "StartExperiment":
        template = _arn(request, account, f"experiment-template/{given.get('experimentTemplateId')}")
        yield _own(request), template, {**new, **_resource_tags(account.tags(template))}
        arn = _arn(request, account, "experiment/*")
        yield _own(request), arn, new
        yield from _tags_of_new(arn, new)
    else:
        found = _fis_resource(request, account)
        yield _own(request), found, {**new, **_resource_tags(account.tags(found))}
    if role := given.get("roleArn"):
        yield "iam:PassRole", str(role), {"iam:PassedToService": [FIS_PRINCIPAL]}


def _actions_of(given: Mapping[str, Any]) -> Iterable[str]:
    actions = given.get("actions")
    return sorted({str(one.get("actionId")) for one in actions.values()}) if isinstance(actions, Mapping) else ()


def _tags_of_new(arn: str, new: Context) -> _Needs:
    if new:
        has = {name.replace("RequestTag", "ResourceTag"): values for name, values in new.items()}
        yield "fis:TagResource", arn, {**new, **has}


def _fis_resource(request: SignedRequest, account: AccountResources) -> str:
    """Return the resource in the path; ``*`` for FIS's lists, which name none."""
    kind, _, rest = request.path.strip("/").partition("/")
    if kind == "tags":
        return rest
    name = rest.partition("/")[0]
    if kind == "actions":
        name = rest
    return _arn(request, account, f"{_FIS_KINDS[kind]}/{name}") if kind in _FIS_KINDS and name else ANY


def request_tags(given: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the condition keys of the tags in a request, for each protocol's form of tags."""
    tags = given.get("tags") or given.get("Tags")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(tags, Mapping):
        pairs = list(tags.items())
    elif isinstance(tags, list):
        pairs = [(one.get("Key", one.get("key")), one.get("Value", one.get("value"))) for one in tags]
    for name, value in given.items():
        if name.startswith("Tags.member.") and name.endswith(".Key"):
            pairs.append((value, given.get(f"{name.removesuffix('Key')}Value")))
    return {f"aws:RequestTag/{key}": [str(value)] for key, value in pairs}


def _resource_tags(tags: Mapping[str, str]) -> Context:
    return {f"aws:ResourceTag/{key}": [value] for key, value in tags.items()}


_NEEDS: Mapping[str, Callable[[SignedRequest, AccountResources], _Needs]] = {
    "dynamodb": _of_dynamodb,
    "ecs": _of_ecs,
    "events": _of_events,
    "fis": _of_fis,
    "iam": _of_iam,
    "rds": _of_rds,
    "route53-recovery-cluster": _of_arc,
    "s3": _of_s3,
    "ssm": _of_ssm,
    "states": _of_states,
}
