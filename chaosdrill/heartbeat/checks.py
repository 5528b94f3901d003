"""Checks of the heartbeat before a drill."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.client.heartbeat import why_no_writes
from chaosdrill.client.heartbeat_secrets import problems_of_secrets
from chaosdrill.client.host.packing import HEARTBEAT
from chaosdrill.parts.check_readings import of_problems
from chaosdrill.parts.host_checks import python_check
from chaosdrill.parts.interface import Check, CheckContext, Reading


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks, if a step starts the heartbeat: its secrets exist, and it can run."""
    if not context.has_step("heartbeat.actions.start_heartbeat"):
        return
    topology = context.system.topology
    fix = "complete `heartbeat:` in the topology, or declare the secret in the experiment"
    yield Check("heartbeat", "heartbeat.described", "what is sent", fix, partial(_described, context))
    if context.on_host and topology.heartbeat is not None and topology.heartbeat.run == "ssm":
        yield python_check(context.system, "heartbeat.python", HEARTBEAT)


def _described(context: CheckContext) -> Reading:
    topology = context.system.topology
    if problems := problems_of_secrets(topology, context.secrets):
        return of_problems(problems, "")
    if why := why_no_writes(topology):
        return Reading("reads only", "warning", why, code="heartbeat-only-reads")
    return Reading("reads and writes")
