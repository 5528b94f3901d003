"""The reference system's region proxy: a Lambda function that calls an AWS API in another region.

Step Functions' own integrations call only their own region. The event is ``{targetRegion, service, action, parameters,
endpoint?}``, with the names of AWS's SDK for JavaScript v3, in which the reference system's function is written:
``route53-recovery-cluster``, ``UpdateRoutingControlStates``. Python's names of an operation (``put_item``) are
accepted, too.

:source: https://github.com/aws-samples/baseline-environment-on-aws-for-financial-services-institute
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill.lab.aws.clients import ClientCache
from chaosdrill.lab.aws.functions import FunctionError

SDK_NAMES = {
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "elastic-load-balancing-v2": "elbv2",
    "route-53": "route53",
}
_clients = ClientCache(attempts=3)  # an AWS SDK's default


def handle(event: dict[str, Any], _: Mapping[str, str]) -> dict[str, Any]:
    """Call ``action`` of ``service`` in ``targetRegion``.

    :returns: the API's response, with the SDK's ``$metadata``.
    :raises FunctionError: with the API's own error code, or when the SDK has no such operation.
    """
    service, action = SDK_NAMES.get(event["service"], event["service"]), event["action"]
    client = _clients.get(service, event["targetRegion"], event.get("endpoint"))
    method = _method(client, action)
    if method is None:
        raise FunctionError("Error", f"Unable to find command named: {action}Command for action: {action}")
    try:
        response: dict[str, Any] = getattr(client, method)(**event["parameters"])
    except ClientError as error:
        raise FunctionError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
    about = response.pop("ResponseMetadata", {})
    metadata = {"httpStatusCode": about.get("HTTPStatusCode"), "requestId": about.get("RequestId"), "attempts": 1}
    return {"$metadata": {**metadata, "totalRetryDelay": 0}, **response}


def _method(client: Any, action: str) -> str | None:
    """Return boto3's name of an action. As in the SDK for JavaScript, the case of the action does not matter."""
    wanted = action.replace("_", "").lower()
    methods: dict[str, str] = client.meta.method_to_api_mapping
    return next((method for method, operation in methods.items() if operation.lower() == wanted), None)
