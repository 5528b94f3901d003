"""What a request is, told from its wire form, and the log of those that came: ``GET /chaosdrill/calls``.

The service, region and access key stand in the signature. The operation stands in a header (JSON protocols), in the
form (query protocols), or in method and path (REST), where botocore's model says which it is.
"""

import functools
import itertools
import json
import re
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from moto.core.utils import get_service_model

from chaosdrill.lab.aws.runtime import plan

KEPT = 20_000  # calls; a drill makes some thousands
LARGEST_BODY = 100_000  # bytes that are looked through for a resource
REST = {"fis": "fis", "lambda": "lambda", "route53": "route53"}  # signing name -> botocore's
REST["route53-recovery-control-config"] = "route53-recovery-control-config"
CREDENTIAL = re.compile(r"Credential=([^/,]*)/\d+/([^/]*)/([^/]+)/aws4_request")
_VARIABLE = re.compile(r"(\{[^}]+\})")  # in the path of a model
_RPC_PATH = re.compile(r"/service/[^/]+/operation/(\w+)$")

# where a request names what it is about, the most telling first
_RESOURCES = (
    *("executionArn", "stateMachineArn", "TableName", "GlobalClusterIdentifier", "RoutingControlArn", "RoleName"),
    *("InstanceIds", "InstanceId", "InstanceId.1", "LoadBalancerArns.member.1", "PolicyArn", "FunctionName", "RoleArn"),
    *("ResourceArn", "ClusterArn", "experimentTemplateId", "cluster", "Name"),
)


@dataclass(frozen=True)
class Call:
    """One request to an AWS API.

    :param by: ``lab``: a part of the lab itself; ``chaosdrill``: a drill's clients; ``other``: everybody else.
    :param key: the access key's id.
    :param status: of the answer; 0 when there was none.
    :param fault: the kind of fault that was put in its way.
    :param context: the condition keys of IAM whose values stand in the request itself, such as its tags.
    :param number: counts the log's entries from 1.
    :param at_s: when it came, in seconds since the epoch.
    :param seconds: how long it took.
    """

    service: str
    region: str
    operation: str
    resource: str
    by: str
    key: str
    status: int = 0
    fault: str = ""
    number: int = 0
    at_s: float = 0.0
    seconds: float = 0.0
    context: dict[str, list[str]] = field(default_factory=dict)


def call_of(environ: dict[str, Any]) -> Call | None:
    """:returns: what the request asks for, None when it is not signed. Its body can still be read afterwards."""
    found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None:
        return None
    key, region, service = found.group(1), found.group(2), found.group(3).lower()
    given = _parameters(environ)
    drill = "chaosdrill/" in environ.get("HTTP_USER_AGENT", "")
    by = "lab" if key == plan().access.parts.id else "chaosdrill" if drill else "other"
    operation, resource = _operation(service, environ, given), _resource(service, environ, given)
    return Call(service, region, operation, resource, by, key, context=_context(given))


def _parameters(environ: dict[str, Any]) -> dict[str, Any]:
    body = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    kind = environ.get("CONTENT_TYPE", "")
    if len(body) > LARGEST_BODY:
        return {}
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(errors="replace")))
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _context(given: dict[str, Any]) -> dict[str, list[str]]:
    tags = given.get("tags")
    found = {f"aws:RequestTag/{key}": [str(value)] for key, value in tags.items()} if isinstance(tags, dict) else {}
    for name, value in given.items():
        if name.startswith("Tags.member.") and name.endswith(".Key"):
            found[f"aws:RequestTag/{value}"] = [str(given.get(f"{name.removesuffix('Key')}Value"))]
    if isinstance(key := given.get("Key"), dict):  # DynamoDB's, whose first attribute is the partition key
        found["dynamodb:LeadingKeys"] = [str(value) for typed in key.values() for value in typed.values()][:1]
    named = {"iam:PermissionsBoundary": "PermissionsBoundary", "iam:AWSServiceName": "AWSServiceName"}
    return found | {key: [str(given[name])] for key, name in named.items() if name in given}


def _operation(service: str, environ: dict[str, Any], given: dict[str, Any]) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if "Action" in given:
        return str(given["Action"])
    if found := _RPC_PATH.search(environ["PATH_INFO"]):
        return found.group(1)
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].rstrip("/") or "/"
    if service == "s3":
        return _of_s3(method, path, environ.get("QUERY_STRING", ""))
    known = _routes(REST[service]) if service in REST else ()
    return next((name for verb, pattern, name in known if verb == method and pattern.fullmatch(path)), "unknown")


def _of_s3(method: str, path: str, query: str) -> str:
    """Told by the depth of the path; what is a word in the query (``?acl``) is another operation."""
    if any(part.endswith("=") or "=" not in part for part in query.split("&") if part):
        return "unknown"
    bucket = {"HEAD": "HeadBucket", "PUT": "CreateBucket", "GET": "ListObjects", "DELETE": "DeleteBucket"}
    thing = {"HEAD": "HeadObject", "PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject"}
    return (thing if path.count("/") > 1 else bucket).get(method, "unknown")


@functools.cache
def _routes(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Method, path and name of each operation; what says most of a path comes first.

    A variable can hold slashes (an ARN), so ``/experiments/{id}`` fits ``/experiments/EXP1/resolvedTargets``, too.
    """
    model = get_service_model(service)
    found = [(one.http, one.name) for one in map(model.operation_model, model.operation_names)]
    routes = [(http["method"], http["requestUri"].partition("?")[0].rstrip("/") or "/", name) for http, name in found]
    routes.sort(key=lambda route: len(_VARIABLE.sub("", route[1])), reverse=True)
    return tuple((method, _pattern(path), name) for method, path, name in routes)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("".join(".+" if part.startswith("{") else re.escape(part) for part in _VARIABLE.split(path)))


def _resource(service: str, environ: dict[str, Any], given: dict[str, Any]) -> str:
    if entries := given.get("UpdateRoutingControlStateEntries"):
        return ",".join(str(entry.get("RoutingControlArn")) for entry in entries)
    if service == "ecs":  # a service's name counts within its cluster
        return f"{given.get('cluster')}/{given.get('service') or ','.join(given.get('services') or ())}"
    for name in _RESOURCES:
        if value := given.get(name):
            return ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return str(environ["PATH_INFO"]) if service in REST or service == "s3" else ""


class CallLog:
    """The last calls, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._calls: deque[Call] = deque(maxlen=KEPT)

    def add(self, call: Call, began_s: float, status: int, fault: str) -> None:
        """Remember a call that has ended.

        :param began_s: when it came, in seconds since the epoch.
        """
        at_s, seconds = round(began_s, 4), round(time.time() - began_s, 4)
        ended = replace(call, status=status, fault=fault, at_s=at_s, seconds=seconds)
        with self._lock:
            self._calls.append(replace(ended, number=next(self._numbers)))

    def since(self, number: int) -> list[dict[str, Any]]:
        """:returns: the calls after the one of that number, as JSON values."""
        with self._lock:
            kept = list(self._calls)
        return [asdict(call) for call in kept if call.number > number]


CALLS = CallLog()
