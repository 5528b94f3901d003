"""Identification of AWS calls by their requests, and the log of calls: ``GET /chaosdrill/calls``.

The signature contains the service, region and access key. The operation is in a header (JSON protocols), in the form
(query protocols), or follows from method and path (REST) by botocore's model.
"""

import functools
import itertools
import json
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from moto.core.utils import get_service_model

from chaosdrill.lab.aws.required_permissions import Permission
from chaosdrill.lab.aws.runtime import plan

KEPT = 20_000  # calls; a drill makes some thousands
LARGEST_BODY = 100_000  # bytes; larger bodies are not searched for a resource
REST = {"fis": "fis", "lambda": "lambda", "route53": "route53"}  # signing name -> botocore's
REST["route53-recovery-control-config"] = "route53-recovery-control-config"
CREDENTIAL = re.compile(r"Credential=([^/,]*)/\d+/([^/]*)/([^/]+)/aws4_request")
_VARIABLE = re.compile(r"(\{[^}]+\})")  # in the path of an operation in a model
_APP = re.compile(r"(?:^| )app/(\S+)")  # AWS_SDK_UA_APP_ID of the caller
_RPC_PATH = re.compile(r"/service/[^/]+/operation/(\w+)$")

# parameters that name the resource of a request, the most specific first
_RESOURCES = (
    *("executionArn", "stateMachineArn", "TableName", "GlobalClusterIdentifier", "RoutingControlArn", "RoleName"),
    *("InstanceIds", "InstanceId", "InstanceId.1", "LoadBalancerArns.member.1", "PolicyArn", "FunctionName", "RoleArn"),
    *("ResourceArn", "ClusterArn", "experimentTemplateId", "cluster", "Name"),
)


@dataclass(frozen=True)
class LoggedRequest:
    """A request to an AWS API.

    :param by: ``lab``: a part of the lab itself; ``chaosdrill``: a drill's clients; ``other``: any other client.
    :param key: the access key ID.
    :param app: the application ID in the user agent (``AWS_SDK_UA_APP_ID``); empty without one.
    :param status: HTTP status of the response; 0 when there was none.
    :param fault: kind of the fault that it met.
    :param permissions: permissions that it needs; empty for the lab's own parts.
    :param number: its number in the log, from 1.
    :param at_s: when it arrived, in seconds since the epoch.
    :param seconds: its duration.
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
    permissions: tuple[Permission, ...] = ()
    app: str = ""


def call_of(environ: dict[str, Any]) -> LoggedRequest | None:
    """Return the call in a request; None when the request is not signed. The body can still be read afterwards."""
    found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None:
        return None
    key, region, service = found.group(1), found.group(2), found.group(3).lower()
    given = parameters_of(environ)
    agent = environ.get("HTTP_USER_AGENT", "")
    drill, app = "chaosdrill/" in agent, _APP.search(agent)
    by = "lab" if key == plan().access.parts.id else "chaosdrill" if drill else "other"
    operation, resource = _operation(service, environ, given), _resource(service, environ, given)
    return LoggedRequest(service, region, operation, resource, by, key, app=app.group(1) if app else "")


def presigned_call_of(environ: dict[str, Any]) -> LoggedRequest | None:
    """Return the call in a presigned URL of S3, which has its signer's permissions; None for other requests."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    key, _, scope = query.get("X-Amz-Credential", "").partition("/")
    if not scope.endswith("/s3/aws4_request"):
        return None
    path = s3_path(environ)
    return LoggedRequest("s3", scope.split("/")[1], _of_s3(environ["REQUEST_METHOD"], path, ""), path, "other", key)


def s3_path(environ: Mapping[str, Any]) -> str:
    """Return bucket and key, also when the bucket is part of the host name."""
    bucket, _, rest = str(environ.get("HTTP_HOST", "")).partition(".s3.")
    return f"/{bucket}{environ['PATH_INFO']}" if rest.endswith("amazonaws.com") else str(environ["PATH_INFO"])


def parameters_of(environ: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters in a request's body. The body can still be read afterwards."""
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


def _parts(given: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the parts of a DynamoDB transaction, each with its kind; empty for other requests."""
    items = given.get("TransactItems")
    return [(kind, part) for one in items for kind, part in one.items()] if isinstance(items, list) else []


def _operation(service: str, environ: dict[str, Any], given: dict[str, Any]) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if "Action" in given:
        return str(given["Action"])
    if found := _RPC_PATH.search(environ["PATH_INFO"]):
        return found.group(1)
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].rstrip("/") or "/"
    if service == "s3":
        return _of_s3(method, s3_path(environ).rstrip("/") or "/", environ.get("QUERY_STRING", ""))
    known = _routes(REST[service]) if service in REST else ()
    return next((name for verb, pattern, name in known if verb == method and pattern.fullmatch(path)), "unknown")


def _of_s3(method: str, path: str, query: str) -> str:
    """Return the operation by the depth of the path. A query with a subresource (``?acl``) makes it unknown."""
    if any(part.endswith("=") or "=" not in part for part in query.split("&") if part):
        return "unknown"
    bucket = {"HEAD": "HeadBucket", "PUT": "CreateBucket", "GET": "ListObjects", "DELETE": "DeleteBucket"}
    thing = {"HEAD": "HeadObject", "PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject"}
    return (thing if path.count("/") > 1 else bucket).get(method, "unknown")


@functools.cache
def _routes(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Return method, path and name of each operation, the most specific path first.

    A variable can contain slashes (an ARN), so ``/experiments/{id}`` also matches
    ``/experiments/EXP1/resolvedTargets``.
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
    if parts := _parts(given):
        return ",".join(sorted({str(part.get("TableName")) for _, part in parts}))
    if service == "ecs":  # the name of a service is unique only in its cluster
        return f"{given.get('cluster')}/{given.get('service') or ','.join(given.get('services') or ())}"
    for name in _RESOURCES:
        if value := given.get(name):
            return ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return str(environ["PATH_INFO"]) if service in REST or service == "s3" else ""


class CallLog:
    """The last calls, oldest first; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._calls: deque[LoggedRequest] = deque(maxlen=KEPT)

    def add(self, call: LoggedRequest, began_s: float, status: int, fault: str) -> None:
        """Add a call that has ended.

        :param began_s: when it arrived, in seconds since the epoch.
        """
        at_s, seconds = round(began_s, 4), round(time.time() - began_s, 4)
        ended = replace(call, status=status, fault=fault, at_s=at_s, seconds=seconds)
        with self._lock:
            self._calls.append(replace(ended, number=next(self._numbers)))

    def since(self, number: int) -> list[dict[str, Any]]:
        """Return the calls with a higher number, as JSON values."""
        with self._lock:
            kept = list(self._calls)
        return [asdict(call) for call in kept if call.number > number]


CALLS = CallLog()
