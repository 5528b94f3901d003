"""The history of a drill: its events, its run directory, and the drill that is open in this process."""

from chaosdrill.history.json_safe import to_json_safe
from chaosdrill.history.log import Event, History, read_history
from chaosdrill.history.open_drill import (
    OUTSIDE,
    TARGET_LOST,
    OpenDrill,
    current,
    has_begun_steps,
    hurried,
    interrupted,
    opened,
    record,
    rolling_back,
    run_id,
    step,
    target_lost,
)
from chaosdrill.history.secrets import (
    hide_secrets_in_file,
    keep_secrets_of_environment,
    keep_secrets_out_of,
    register_secret,
    secret_texts,
    secrets_within,
    without_secrets,
)

__all__ = [
    "OUTSIDE",
    "TARGET_LOST",
    "Event",
    "History",
    "OpenDrill",
    "current",
    "has_begun_steps",
    "hide_secrets_in_file",
    "hurried",
    "interrupted",
    "keep_secrets_of_environment",
    "keep_secrets_out_of",
    "opened",
    "read_history",
    "record",
    "register_secret",
    "rolling_back",
    "run_id",
    "secret_texts",
    "secrets_within",
    "step",
    "target_lost",
    "to_json_safe",
    "without_secrets",
]
