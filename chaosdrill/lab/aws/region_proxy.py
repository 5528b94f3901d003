"""The reference system's region proxy: a Lambda that calls an AWS API in another region.

Step Functions' own integrations call only their own region. The event is
``{targetRegion, service, action, parameters, endpoint?}``; the answer is the API's, without its metadata.
"""

from typing import Any

from chaosdrill.lab.aws.clients import Clients

_clients = Clients(attempts=3)  # an AWS SDK's default


def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Call ``action`` (in the SDK's snake case) of ``service`` in ``targetRegion``.

    :raises botocore.exceptions.ClientError: what the API answered, when it refuses.
    """
    client = _clients.get(event["service"], event["targetRegion"], event.get("endpoint"))
    answer: dict[str, Any] = getattr(client, event["action"])(**event["parameters"])
    answer.pop("ResponseMetadata", None)
    return answer
