"""A Chaos Toolkit control that counts the points of a drill, and kills the drill at one of them.

A point is a moment of the drill: before or after an activity, just before or after an attempt of an AWS call that
changes something, and after an event of the history is on disk. Its name says where it is: ``PLACE/WHAT``. Commands on
the client host that only read are no points.

With ``KILL_HURRY`` the drill is short: it polls AWS five times a second instead of once, does not check the settlement
lag, and does not wait until a paused replication has surely stopped.

- ``POINTS_FILE``: the names of the points are appended to this file as the drill passes them.
- ``KILL_AT``: the point at which something is killed.
- ``KILL_WHAT``: ``runner`` (default), this process; ``group``, its process group; ``hold``, nothing here: the drill
  waits at the point until the file ``POINTS_FILE.go`` is there, after it has made ``POINTS_FILE.held``.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.endpoint import Endpoint
from chaoslib.types import Activity, Experiment

from chaosdrill.aws import polling, read_coalescing, ssm, stepfunctions
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.lease_guard import READING_COMMANDS, SENDS_COMMANDS
from chaosdrill.controls import lifecycle
from chaosdrill.history.log import History
from chaosdrill.packet_loss import replication_pause

__all__ = [
    "after_activity_control",
    "after_rollback_control",
    "before_activity_control",
    "before_experiment_control",
]

READS = frozenset(f"chaosdrill: {name}" for name in READING_COMMANDS)
POLL_EVERY_S = 0.2
KEEPER = "lease"  # the thread that renews the lease: what it sends belongs to no place of the drill


class Points:
    """The points that this drill has passed."""

    def __init__(self) -> None:
        self.place = "opening"  # the activity, or opening or closing
        self._lock = threading.Lock()
        self._passed: Counter[str] = Counter()
        self._call = threading.local()

    def passed(self, what: str, when: str) -> None:
        """Pass a point: ``when`` tells the moments of one thing apart, its number those of equal things."""
        if threading.current_thread().name == KEEPER:
            return
        with self._lock:
            key = f"{self.place}/{what}"
            self._passed[f"{key} {when}"] += 1
            number = self._passed[f"{key} {when}"]
        name = f"{key}#{number}/{when}" if what != "activity" else f"{self.place}/{when}"
        with open(os.environ["POINTS_FILE"], "a") as file:
            file.write(name + "\n")
        if name == os.environ.get("KILL_AT"):
            _kill()

    def watch_calls(self) -> None:
        """Pass a point before and after each attempt of a call that changes something."""
        respond, send = Endpoint._do_get_response, Endpoint._send
        points = self

        def do_get_response(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
            points._call.model = operation_model
            return respond(endpoint, request, operation_model, context)

        def send_request(endpoint: Any, request: Any) -> Any:
            model = points._call.model
            name = f"{model.service_model.signing_name}:{model.name}"
            if not changes_something(model.name) or _only_reads(model.name, request):
                return send(endpoint, request)
            points.passed(name, "before-send")
            response = send(endpoint, request)
            points.passed(name, "after-send")
            return response

        Endpoint._do_get_response, Endpoint._send = do_get_response, send_request

    def watch_history(self) -> None:
        """Pass a point after each event that the main thread has written to the history."""
        for method in ("append", "remember"):
            setattr(History, method, self._recorded(getattr(History, method)))

    def _recorded(self, write: Any) -> Any:
        def recorded(history: History, event: str, **facts: Any) -> Any:
            row = write(history, event, **facts)
            if threading.current_thread() is threading.main_thread():
                self.passed(f"event:{event}", "on-disk")
            return row

        return recorded


def _only_reads(operation: str, request: Any) -> bool:
    return operation == SENDS_COMMANDS and json.loads(request.body).get("Comment") in READS


def _hurry() -> None:
    for check in ("begin_settlement_check", "require_settled"):
        setattr(lifecycle, check, lambda _: None)
    replication_pause.PAUSED_WITHIN_S = 0.0
    read_coalescing.EVERY_S = stepfunctions.LISTS_EVERY_S = POLL_EVERY_S
    read_coalescing.GRACE_S = POLL_EVERY_S / 4
    ssm._SHORTEST_S = ssm._LOOK_EVERY_S = POLL_EVERY_S / 2
    polling.interval_s = lambda spent_s, every_s=1.0, longest_s=5.0: min(every_s, POLL_EVERY_S)


def _kill() -> None:
    match os.environ.get("KILL_WHAT", "runner"):
        case "runner":
            os.kill(os.getpid(), signal.SIGKILL)
        case "group":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        case _:
            go = Path(os.environ["POINTS_FILE"] + ".go")
            Path(os.environ["POINTS_FILE"] + ".held").touch()
            while not go.exists():
                time.sleep(0.05)


_points = Points()
if "POINTS_FILE" in os.environ:
    _points.watch_calls()
    _points.watch_history()
    if os.environ.get("KILL_HURRY"):
        _hurry()


def before_experiment_control(context: Experiment, **_: Any) -> None:
    """The drill is about to be opened."""
    _points.passed("activity", "before")


def before_activity_control(context: Activity, **_: Any) -> None:
    """An activity is about to begin; nothing of it is recorded yet."""
    _points.place = str(context["name"])
    _points.passed("activity", "before")


def after_activity_control(context: Activity, **_: Any) -> None:
    """An activity has ended; nothing of that is recorded yet."""
    _points.passed("activity", "after")


def after_rollback_control(context: Experiment, **_: Any) -> None:
    """The rollbacks have ended."""
    _points.place = "closing"
