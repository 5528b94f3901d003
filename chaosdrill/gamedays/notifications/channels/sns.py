"""Sends a message over Amazon SNS, with the credentials of the environment.

:source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from collections.abc import Mapping
from typing import Any

from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered

LONGEST_SUBJECT = 99  # characters of ASCII


def send(settings: Mapping[str, Any], delivery: Delivery) -> str:
    """Publish a message to a topic.

    :param settings: ``topic``: its ARN, which also names the region.
    :raises NotDelivered: when SNS did not accept it.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    topic = settings["topic"]
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    try:
        client: Any = boto3.Session().client("sns", region_name=topic.split(":")[3], config=config)
        client.publish(**_request(topic, delivery))
    except (BotoCoreError, ClientError) as error:
        raise NotDelivered(f"{topic}: {type(error).__name__}: {error}") from error
    return ""


def _request(topic: str, delivery: Delivery) -> dict[str, Any]:
    message = delivery.message
    attributes = {"notice": message.notice, "priority": message.priority, "game_day": message.game_day}
    request: dict[str, Any] = {
        "TopicArn": topic,
        "Subject": message.subject[:LONGEST_SUBJECT],
        "Message": f"{message.title}\n\n{message.text}",
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
    if topic.endswith(".fifo"):
        request |= {"MessageGroupId": message.game_day, "MessageDeduplicationId": delivery.id}
    return request
