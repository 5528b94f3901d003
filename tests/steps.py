"""Activities for experiments of tests: they leave a line in the file ``STEPS_FILE`` and do what their name says."""

import os
import time
from pathlib import Path
from typing import Any, Optional

from chaosdrill.activity import action, probe
from chaosdrill.errors import CannotSee, DrillError

__all__ = ["answer", "answer_oddly", "blind", "do", "fail", "idle", "undo", "wait", "word_in_file"]


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
def fail(why: str, standalone: bool = False) -> None:
    _leave("fail")
    raise DrillError(why)


@action
def wait(seconds: float, standalone: bool = False) -> None:
    _leave(f"wait {seconds}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)
    _leave("waited")


@probe
def answer(value: Any) -> Any:
    _leave(f"answer {value}")
    return None if value == "nothing" else value


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
