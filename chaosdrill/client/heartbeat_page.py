"""Client of the heartbeat's page (JSON over HTTP): its state, its clock, and the read-back of writes."""

from collections.abc import Mapping
from typing import Any

import requests

from chaosdrill.client.locust_page import reason_of
from chaosdrill.errors import CannotSee
from chaosdrill.page_guard import SECRET_HEADER

ANSWER_WITHIN_S = 5.0


class HeartbeatPage:
    """Client of the heartbeat page at ``url``.

    :param adapter: transport adapter; None: a direct connection from this machine.
    :param secret: secret of the process that started the heartbeat; empty: ``adapter`` adds it.
    """

    def __init__(self, url: str, adapter: requests.adapters.BaseAdapter | None = None, secret: str = "") -> None:
        self.url = url
        self._session = requests.Session()
        if secret:
            self._session.headers[SECRET_HEADER] = secret
        self._session.trust_env = False  # the client host is not reached through the environment's proxy
        if adapter is not None:
            self._session.mount("http://", adapter)

    def state(self) -> Mapping[str, Any]:
        """Return the heartbeat's state: ``state``, ``sent``, ``outcomes`` by operation, ``pending_writes``,
        ``trouble``, …
        """
        return self._ask("GET", "/state")

    def clock_ns(self) -> int:
        """Return the time on the heartbeat's clock, in ns since the epoch."""
        return int(self._ask("GET", "/clock")["now_ns"])

    def stop(self, within_s: float) -> Mapping[str, Any]:
        """Stop sending; requests in flight are awaited.

        :returns: its state afterwards.
        """
        return self._ask("POST", "/stop", within_s)

    def begin_read_back(self, label: str, within_s: float) -> None:
        """Begin to read back every write. Repeating the call with the same label has no effect."""
        self._ask("POST", "/read-back", label=label, within_s=within_s)

    def read_back(self, label: str) -> Mapping[str, Any]:
        """Return the progress of a read-back: ``state`` (running, done), ``converged``, ``why``, ``missing``, …"""
        return self._ask("GET", "/read-back", label=label)

    def settlement(self) -> Mapping[str, Any]:
        """Start the settlement check, which measures whether writes are settled as fast as they are sent; further calls
        return the same check.

        :returns: its progress: ``state`` (running, done), ``rate_per_s``, ``lag_s``, ``capacity_per_s``, ``grows``, …
        """
        return self._ask("POST", "/settlement")

    def begin_burst(self) -> Mapping[str, Any]:
        """Raise the write rate for a transition; a constant rate is not changed.

        :returns: ``{"write_rate_per_s"}``: the current write rate, or null.
        """
        return self._ask("POST", "/burst")

    def begin_load(self, seconds: float) -> Mapping[str, Any]:
        """Send writes at the rate of a transition for some seconds; a constant rate is not changed.

        :returns: ``{"write_rate_per_s", "until_ns"}``: that rate, and when it ends, on the heartbeat's clock.
        """
        return self._ask("POST", "/load", seconds=seconds)

    def _ask(self, method: str, path: str, timeout_s: float = ANSWER_WITHIN_S, **query: Any) -> Mapping[str, Any]:
        what = f"{method} {self.url}{path}"
        try:
            answer = self._session.request(
                method, self.url + path, params=query, timeout=timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            text = f"the heartbeat did not respond to {what}: {reason_of(error)}"
            raise CannotSee(text, code="heartbeat-unreachable") from error
        if answer.status_code != 200:
            text = f"the heartbeat responded to {what} with HTTP {answer.status_code}: {answer.text[:200]}"
            raise CannotSee(text, code="heartbeat-response-unexpected")
        said: Mapping[str, Any] = answer.json()
        return said
