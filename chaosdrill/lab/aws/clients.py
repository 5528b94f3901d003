"""boto3 clients with which the endpoint calls itself: state machines' tasks and the region proxy."""

import threading
from typing import Any

from botocore.config import Config

from chaosdrill.lab.aws.lean import SESSION
from chaosdrill.lab.aws.runtime import endpoint_url, plan

LONGEST_CALL_S = 3600
_lock = threading.Lock()  # sessions are not safe to use from several threads; the clients they make are


class Clients:
    """Makes each client once; safe to use from several threads.

    :param attempts: how often a call is tried before its error is the caller's.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._clients: dict[tuple[str, str, str], Any] = {}

    def get(self, service: str, region: str, url: str | None = None) -> Any:
        """:returns: a client for ``service`` in ``region``, at ``url`` or the lab's endpoint."""
        key = (service, region, url or endpoint_url())
        with _lock:
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def _make(self, service: str, region: str, url: str) -> Any:
        make: Any = SESSION.client
        parts = plan().access.parts
        keys = {"aws_access_key_id": parts.id, "aws_secret_access_key": parts.secret}
        retries: Any = {"mode": "standard", "total_max_attempts": self._attempts}
        config = Config(retries=retries, read_timeout=LONGEST_CALL_S, parameter_validation=False)
        return make(service, region_name=region, endpoint_url=url, config=config, **keys)
