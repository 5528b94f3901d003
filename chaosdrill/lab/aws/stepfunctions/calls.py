"""AWS API calls of state machines.

Fixes: moto creates a new boto3 client per task, from the default session, which is not thread-safe; it does not convert
``globalClusterIdentifier`` to the SDK's ``GlobalClusterIdentifier`` and back; and a datetime in a response breaks
DescribeExecution.
"""

import datetime
from types import SimpleNamespace
from typing import Any

from moto.core.utils import get_service_model
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.utils import camel_to_snake_case

from chaosdrill.lab.aws.clients import ClientCache
from chaosdrill.lab.aws.patching import replace

CLIENT_NAMES = {
    "route53recoverycluster": "route53-recovery-cluster",
    "route53recoverycontrolconfig": "route53-recovery-control-config",
}
CLIENTS = ClientCache(attempts=1)  # the state machine decides about retries


def _client(*, service_name: str, region_name: str, **_: Any) -> Any:
    return CLIENTS.get(CLIENT_NAMES.get(service_name, service_name), region_name)


def _operation(task: Any, service: str | None, action: str | None) -> Any:
    name = task._get_boto_service_name(service)
    model = get_service_model(CLIENT_NAMES.get(name, name))
    wanted = task._get_boto_service_action(action)
    return next((model.operation_model(op) for op in model.operation_names if camel_to_snake_case(op) == wanted), None)


def _normalise_parameters(
    self: Any, parameters: Any, boto_service_name: str | None = None, service_action_name: str | None = None
) -> None:
    operation = _operation(self, boto_service_name, service_action_name)
    if operation is not None and operation.input_shape is not None:
        self._to_boto_request(parameters, operation.input_shape)


def _normalise_response(
    self: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
) -> None:
    operation = _operation(self, boto_service_name, service_action_name)
    if operation is not None and operation.output_shape is not None:
        self._from_boto_response(response, operation.output_shape)
    _dates_as_text(response)


def _dates_as_text(value: Any) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        if isinstance(item, datetime.datetime):
            utc = item.astimezone(datetime.UTC)
            value[key] = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        else:
            _dates_as_text(item)


def install() -> None:
    """Use them for every task of every state machine."""
    replace(boto_client, "boto3", SimpleNamespace(client=_client))
    replace(StateTaskService, "_normalise_parameters", _normalise_parameters)
    replace(StateTaskService, "_normalise_response", _normalise_response)
