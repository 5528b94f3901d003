"""Step Functions: what moto 5.2.5's interpreter needs to run the reference state machines as AWS does.

One file per group of behaviours; each says what it mends, and each has a contract test.
"""

from moto.core.config import default_user_config

from chaosdrill.lab.aws.stepfunctions import calls, executions, grammar, intrinsics, paths, responses, waits


def install() -> None:
    """Put every patch in place; before the first request."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    for part in (grammar, paths, intrinsics, waits, calls, executions, responses):
        part.install()
