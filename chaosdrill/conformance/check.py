"""The conformance check: all assumptions, read concurrently. Nothing is changed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System
from chaosdrill.conformance import client_host, entries, fault_injection, global_database, permissions
from chaosdrill.conformance.assumptions import UNREADABLE, Assumption, CheckedAssumption
from chaosdrill.conformance.watching import watched
from chaosdrill.errors import DrillError

AT_ONCE = 8


def conformance(system: System, policy: str, on_host: bool = False, watch_s: float = 0.0) -> list[CheckedAssumption]:
    """Compare an account with what chaosdrill assumes of AWS.

    :param policy: the policy of the experiment that will be run, rendered, as JSON.
    :param on_host: run one harmless command on the client host, too.
    :param watch_s: how long to wait for a change of writer and an execution, in seconds; 0: do not wait.
    :returns: a row for each assumption.
    """
    wanted: Sequence[Assumption] = (
        *fault_injection.assumptions(system),
        *permissions.assumptions(system, policy),
        *entries.assumptions(system),
        *global_database.assumptions(system),
        *(client_host.assumptions(system) if on_host else ()),
    )
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="conformance") as pool:
        rows = list(pool.map(lambda one: one.check(), wanted))
    return rows + (_watched(system, watch_s) if watch_s > 0 else [])


def _watched(system: System, watch_s: float) -> list[CheckedAssumption]:
    try:
        return [one.check() for one in watched(system, watch_s)]
    except (DrillError, ClientError, BotoCoreError) as error:
        advice = "correct `failover:`; allow states:ListStateMachines and states:ListExecutions"
        return [CheckedAssumption("what changes during a drill", "can be watched", str(error), UNREADABLE, advice)]
