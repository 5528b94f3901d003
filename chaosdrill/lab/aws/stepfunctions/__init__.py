"""Step Functions: fixes of moto 5.2.5's interpreter, so that the reference state machines run as on AWS.

One module per group of behaviours; each states what it fixes, and has a contract test.
"""

from moto.core.config import default_user_config

from chaosdrill.lab.aws.stepfunctions import calls, executions, grammar, intrinsics, paths, responses, waits


def install() -> None:
    """Install all fixes; called before the first request."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    for part in (grammar, paths, intrinsics, waits, calls, executions, responses):
        part.install()
