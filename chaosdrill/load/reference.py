"""The load script for the reference application, which the lab runs; used inside Locust.

Each user has an account of its own and repeats: deposit 1000, wait until it is settled, withdraw 50 three times
likewise. Any failure is recorded as a failed request and ends that round, so that a failure is counted once and nothing
raises.

:source: docs/lab.md, "What is real"
"""

import time
import uuid
from typing import Any

from locust import HttpUser, constant, task

TIMEOUT_S = 3
POLL_EVERY_S = 0.5
POLLS_AT_MOST = 60
SETTLED, ROLLED_BACK = "status#success", "status#success_rollback"


class AccountHolder(HttpUser):
    """One client of the bank. ``HttpUser``, because ``FastHttpUser`` silently resends requests that were reset."""

    wait_time = constant(POLL_EVERY_S)

    def on_start(self) -> None:
        """Use an account of its own: an account accepts one transaction at a time."""
        self.client.headers["X_ACCOUNT_ID"] = str(uuid.uuid4())

    @task
    def deposit_and_withdraw(self) -> None:
        """Run one round. Its first request closes its connection, so that clients follow DNS at least once a round."""
        done = self._transact("deposit", 1000, headers={"Connection": "close"})
        for _ in range(3):
            done = done and self._transact("withdraw", 50)

    def _transact(self, kind: str, quantity: int, **options: Any) -> bool:
        accepted = self._call("POST", f"/transaction/{kind}", json={"quantity": quantity}, **options)
        return accepted is not None and self._see_settled(kind, str(accepted.get("transactionId")))

    def _see_settled(self, kind: str, transaction: str) -> bool:
        started = time.perf_counter()
        for _ in range(POLLS_AT_MOST):
            time.sleep(POLL_EVERY_S)  # gevent's: only this user waits
            answer = self._call("GET", f"/transaction/{transaction}", name="/transaction/{id}")
            if answer is None:
                return False
            if answer.get("status") == SETTLED:
                return True
            if answer.get("status") == ROLLED_BACK:
                return self._failed(kind, started, "rolled back")
        return self._failed(kind, started, f"still pending after {POLLS_AT_MOST * POLL_EVERY_S:.0f} s")

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        """Make one request; return its response, or None after a failure, which Locust has then recorded."""
        with self.client.request(method, path, timeout=TIMEOUT_S, catch_response=True, **options) as response:
            if response.status_code != 200:
                return None  # Locust records a status other than 2xx, and a refused or broken connection, as failed
            try:
                answer: dict[str, Any] = response.json()
            except ValueError:
                response.failure(f"the response is not JSON: {response.text[:80]!r}")
                return None
            return answer

    def _failed(self, kind: str, started: float, why: str) -> bool:
        self.environment.events.request.fire(
            request_type="SETTLE",
            name=f"/transaction/{kind}",
            response_time=(time.perf_counter() - started) * 1000,
            response_length=0,
            exception=RuntimeError(why),
            context={},
        )
        return False
