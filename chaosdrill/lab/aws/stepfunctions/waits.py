"""Scaling of the reference system's waits: Wait states, Retry intervals and a state machine's TimeoutSeconds.

Fixes: moto's Wait counts whole seconds, so a wait of 0.2 s could take longer, and a machine that was stopped before its
first state still runs. A task's own TimeoutSeconds is not scaled: what it limits (TCP, PostgreSQL) does not scale
either.
"""

import threading
import time
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import scaled

HURRIED_AFTER_S = 0.1  # within this time a wait that has begun notices that it was shortened


def _wait(self: Any, env: Any, wait_seconds: float) -> None:
    began = time.monotonic()
    while env.is_running() and (left := began + scaled(wait_seconds) - time.monotonic()) > 0:
        env.program_state_event.wait(min(left, HURRIED_AFTER_S))


def _run(self: Any, env: Any) -> None:
    limit = scaled(self.timeout_seconds.timeout_seconds) if self.timeout_seconds else None
    if env.program_state() is not None and not env.is_running():
        self._eval_body(env)  # stopped before its first state: only its final event is missing
        return
    env.next_state_name = self.start_at.start_at_name
    states = threading.Thread(target=EvalComponent.eval, args=(self, env), daemon=True)
    states.start()
    states.join(timeout=limit)
    if states.is_alive():
        env.set_timed_out()


def _sleep(seconds: float) -> None:
    time.sleep(scaled(seconds))


def install() -> None:
    """Use them for every wait."""
    replace(WaitFunction, "_wait_interval", _wait)
    replace(program.Program, "eval", _run)
    replace(retrier_decl, "time", SimpleNamespace(sleep=_sleep))
