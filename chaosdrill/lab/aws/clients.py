"""boto3 clients for the endpoint's calls to itself, by tasks of state machines and by the region proxy."""

import threading
from typing import Any

from botocore.config import Config

from chaosdrill.lab.aws.fast_imports import SESSION
from chaosdrill.lab.aws.runtime import endpoint_url, plan

LONGEST_CALL_S = 3600
_lock = threading.Lock()  # boto3's sessions are not thread-safe; their clients are


class ClientCache:
    """A cache of clients; thread-safe.

    :param attempts: maximum number of attempts of a call.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._clients: dict[tuple[str, str, str], Any] = {}

    def get(self, service: str, region: str, url: str | None = None) -> Any:
        """Return a client for ``service`` in ``region``, at ``url`` or the lab's endpoint."""
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
