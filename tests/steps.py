"""Activities for experiments of tests: they leave a line in the file ``STEPS_FILE`` and do what their name says."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action, probe
from chaosdrill.aws import system_of
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.history import secret_texts

__all__ = [
    "answer",
    "answer_after",
    "answer_oddly",
    "blind",
    "do",
    "fail",
    "idle",
    "leak",
    "undo",
    "wait",
    "wait_for_file",
    "word_in_file",
]


def _leave(text: str) -> None:
    with open(os.environ["STEPS_FILE"], "a") as file:
        file.write(text + "\n")


@action
def do(what: str, standalone: bool = False) -> str:
    _leave(f"do {what}")
    return what


@action
def undo(what: str, undo_of: Optional[str] = None, standalone: bool = False) -> str:
    _leave(f"undo {what}")
    return what


@action
def idle(standalone: bool = False) -> dict[str, Any]:
    """What found nothing to do."""
    _leave("idle")
    return {"done": False, "why": "it is so already"}


@action
def fail(why: str, after: Optional[str] = None, standalone: bool = False) -> None:
    """Fail, when another step has left the line ``after``."""
    steps = Path(os.environ["STEPS_FILE"])
    while after and not (steps.exists() and after in steps.read_text().splitlines()):
        time.sleep(0.05)
    _leave("fail")
    raise DrillError(why)


@action
def leak(
    how: str, standalone: bool = False, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None
) -> Any:
    """A careless activity: whatever secret it can get hold of it logs, and returns, or fails with."""
    sts = system_of(configuration, secrets).client("sts", "ap-northeast-1")
    sts.get_caller_identity()
    keys = sts._request_signer._credentials.get_frozen_credentials()
    named = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "CHAOSDRILL_LOCUST_PASSWORD")
    began_with = dict(pair.split("=", 1) for pair in Path("/proc/self/environ").read_text().split("\0") if pair)
    known = [*(began_with[name] for name in named), *secret_texts(secrets), keys.secret_key, keys.token]
    _leave(json.dumps(known))
    logger = logging.getLogger("chaostoolkit")
    logger.warning("careless: %s", known)
    if how == "return":
        return {"said": " ".join(known), "by": {text: text for text in known}}
    try:
        raise ValueError(f"careless, too: {known}")
    except ValueError as error:
        logger.exception("a traceback")
        raise DrillError(f"echoed: {known}") from error


@action
def wait(seconds: float, standalone: bool = False) -> None:
    _leave(f"wait {seconds}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)
    _leave("waited")


@action
def wait_for_file(path: str, standalone: bool = False) -> None:
    _leave("wait for file")
    while not Path(path).exists():
        time.sleep(0.05)


@probe
def answer(value: Any) -> Any:
    _leave(f"answer {value}")
    return None if value == "nothing" else value


@probe
def answer_after(seconds: float, value: Any) -> Any:
    time.sleep(seconds)
    return value


@probe
def answer_oddly(text: str) -> Any:
    """What no JSON encoder takes, with a secret in it."""
    return {"bytes": b"\xff", "set": {2, 1}, "path": Path("/x"), ("a", 1): float("nan"), "said": f"<{text}>"}


@probe
def blind() -> int:
    raise CannotSee("it is dark in here")


@probe
def word_in_file(path: str) -> str:
    return Path(path).read_text().strip()
