"""Approvals: a step with ``confirm:`` begins only when a person approves it, on the drill's terminal or elsewhere."""

import contextlib
import logging
import os
import select
import socket
import sys
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chaoslib.exceptions import InterruptExecution

from chaosdrill.controls.activities import Activity, runs_no_action
from chaosdrill.controls.confirm import Confirm, confirm_of
from chaosdrill.controls.context import DrillContext
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.holders import user_name
from chaosdrill.coordination.interface import Approval, Coordination
from chaosdrill.errors import DrillError
from chaosdrill.messages import NOTHING, Sentence, as_it_is, sentence
from chaosdrill.terminal_text import one_line

logger = logging.getLogger("chaostoolkit")

REQUESTED, GRANTED, REFUSED = "approval-requested", "approval-granted", "approval-refused"  # events
READ_EVERY_S = 2.0  # how often coordination is read for an answer
LOOK_EVERY_S = 0.2  # how often the terminal is polled
YES, NO = ("yes", "y"), ("no", "n")

Where = Literal["terminal", "elsewhere", ""]


@dataclass(frozen=True)
class ApprovalOutcome:
    """The result of a wait for an approval.

    :param by: who approved or refused it, ``user@host``; empty when there was no answer.
    :param at: when it was answered, UTC, ISO 8601; empty where that was recorded on this machine alone.
    :param why: why the step is refused; empty when it is approved.
    """

    is_approved: bool
    where: Where
    by: str
    at: str = ""
    why: Sentence = NOTHING


def require_approval(drill: DrillContext, activity: Activity, number: int, is_stopped: Callable[[], bool]) -> str:
    """Wait until a person approves a step that has ``confirm:``; a dry run does not wait.

    :param number: of the request within the run, from 1.
    :param is_stopped: whether the drill ends, so that nobody's answer counts any more.
    :returns: why the step must not begin: refused by a person, or no answer in time; empty when it may.
    """
    if runs_no_action(activity.get("dry", drill.experiment.get("dry"))):
        return ""
    confirm = confirm_of(activity, drill.configuration, drill.secrets)
    run, step = drill.directory.name if drill.directory else "", str(activity.get("name"))
    coordination = coordination_of(drill.system)
    drill.status.activity = f"{step} (waits for approval)"
    drill.record.note(REQUESTED, activity=step, number=number, question=confirm.question, within_s=confirm.within_s)
    began = time.monotonic()
    with drill.status.asking():
        answer = answered(coordination, run, number, step, confirm, Terminal.of_process(), is_stopped)
    facts = {"activity": step, "number": number, "by": answer.by, "where": answer.where, "answered_at": answer.at}
    facts["waited_s"] = round(time.monotonic() - began, 1)
    if answer.is_approved:
        drill.record.note(GRANTED, **facts)
        logger.info(f"{step} was approved by {answer.by}")
        return ""
    drill.record.note(REFUSED, **facts, why=answer.why)
    return f"{step} was not begun: {answer.why}; the drill stops here"


class Terminal:
    """A terminal at which a person is asked. Input typed before the question does not count.

    :param descriptor: of the terminal.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_open = True
        termios.tcflush(descriptor, termios.TCIFLUSH)

    @classmethod
    def of_process(cls) -> "Terminal | None":
        """Return this process's terminal; None when standard input is none, or belongs to another process now."""
        try:
            descriptor = sys.stdin.fileno()
            if not os.isatty(descriptor):
                return None
        except (AttributeError, OSError, ValueError):  # standard input is closed
            return None
        with contextlib.suppress(OSError):  # not this process's controlling terminal: nothing stops its reads
            if os.tcgetpgrp(descriptor) != os.getpgrp():  # in the background, a read would stop this process
                return None
        return cls(descriptor)

    def answer(self, within_s: float) -> bool | None:
        """Wait for a line.

        :param within_s: for how long, in seconds.
        :returns: whether it approves; None when there was none, or it is neither yes nor no.
        """
        if not self._is_open:
            time.sleep(within_s)
            return None
        readable, _, _ = select.select([self._descriptor], [], [], within_s)
        if not readable:
            return None
        try:
            line = os.read(self._descriptor, 4096)
        except OSError:
            line = b""
        self._is_open = bool(line)  # the terminal was closed: an answer can come from elsewhere only
        word = line.decode(errors="replace").strip().casefold()
        if self._is_open and word not in (*YES, *NO):
            logger.warning("Write yes or no")
        return word in YES if word in (*YES, *NO) else None


class _Elsewhere:
    """Polls coordination for an answer in a thread of its own, so that no signal is delivered within a call."""

    def __init__(self, coordination: Coordination, asked: Approval) -> None:
        self._coordination, self._asked = coordination, asked
        self.answered: Approval | None = None
        self._ended, self._is_withdrawn = threading.Event(), False
        self._thread = threading.Thread(target=self._read, name="chaosdrill-approval", daemon=True)
        self._thread.start()

    def end(self, withdraw: bool = False) -> None:
        """Stop polling.

        :param withdraw: refuse the request, because the drill no longer waits for it; the caller does not wait for
            that.
        """
        self._is_withdrawn = withdraw
        self._ended.set()

    def _read(self) -> None:
        run, number = self._asked.run, self._asked.number
        while self.answered is None and not self._ended.wait(READ_EVERY_S):
            try:
                requests = self._coordination.read_run(run).approvals
                self.answered = next((one for one in requests if (one.number, one.is_pending) == (number, False)), None)
            except DrillError as error:
                logger.debug(f"whether {self._asked.step} was approved could not be read: {error}")
        if self._is_withdrawn and self.answered is None:
            with contextlib.suppress(DrillError):
                self._coordination.answer_approval(run, number, "refused", "the drill, which stopped")


def answered(
    coordination: Coordination,
    run: str,
    number: int,
    step: str,
    confirm: Confirm,
    terminal: Terminal | None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> ApprovalOutcome:
    """Request an approval, on the terminal and in coordination at once, and wait for the first answer.

    Where coordination cannot be reached, only the terminal counts; without a terminal the step is refused at once.

    :param is_stopped: whether the drill was requested to stop. The exception of a signal during a request of this
        thread may be lost: botocore treats it as a failed try.
    :raises InterruptExecution: when it was.
    """
    try:
        asked = coordination.ask_approval(run, number, step, confirm.question, round(confirm.within_s * 1000))
    except DrillError as error:
        if terminal is None:
            why = sentence("nobody could be asked for its approval: {why}", why=as_it_is(error))
            return ApprovalOutcome(False, "", "", why=why)
        logger.warning(f"{step} can be approved on this terminal only: {error}")
        _show(step, confirm, run, terminal, is_elsewhere=False)
        typed = _wait(confirm.within_s, terminal, is_stopped)
        _refuse_stopped(is_stopped)
        return _of_terminal(typed, confirm)
    _show(step, confirm, run, terminal, is_elsewhere=True)
    elsewhere = _Elsewhere(coordination, asked)
    try:
        typed = _wait(confirm.within_s, terminal, lambda: is_stopped() or elsewhere.answered is not None)
        _refuse_stopped(is_stopped)
        elsewhere.end()
        here = _of_terminal(typed, confirm)
        first = _first(coordination, asked, here) if elsewhere.answered is None else _of(elsewhere.answered)
        _refuse_stopped(is_stopped)
        return first
    except BaseException:  # a signal ends the drill
        elsewhere.end(withdraw=True)
        raise


def _wait(within_s: float, terminal: Terminal | None, is_over: Callable[[], bool]) -> bool | None:
    """Wait for an answer.

    :param is_over: whether an answer came from elsewhere, or the drill stops.
    :returns: the typed answer; None when there was none.
    """
    ends_s = time.monotonic() + within_s
    while not is_over() and (left_s := ends_s - time.monotonic()) > 0:
        look_s = min(LOOK_EVERY_S, left_s)
        if terminal is None:
            time.sleep(look_s)
        elif (typed := terminal.answer(look_s)) is not None:
            return typed
    return None


def _refuse_stopped(is_stopped: Callable[[], bool]) -> None:
    if is_stopped():
        raise InterruptExecution("the drill was requested to stop: no further step begins")


def _first(coordination: Coordination, asked: Approval, here: ApprovalOutcome) -> ApprovalOutcome:
    """Record an answer of this machine, unless another one came first. If it cannot be recorded, it counts all the
    same.
    """
    by = here.by or f"{_user()} after {asked.step} had waited in vain"
    try:
        stands = coordination.answer_approval(
            asked.run, asked.number, "approved" if here.is_approved else "refused", by
        )
    except DrillError as error:
        logger.warning(f"the answer to {asked.step} could not be recorded in the coordination table: {error}")
        return here
    return here if stands.by == by else _of(stands)


def _of_terminal(typed: bool | None, confirm: Confirm) -> ApprovalOutcome:
    if typed is None:
        why = sentence("nobody approved it within {within_s:g} s", within_s=confirm.within_s)
        return ApprovalOutcome(False, "", "", why=why)
    return _answer(typed, "terminal", _user())


def _of(approval: Approval) -> ApprovalOutcome:
    return _answer(approval.state == "approved", "elsewhere", approval.by, approval.at)


def _answer(is_approved: bool, where: Where, by: str, at: str = "") -> ApprovalOutcome:
    why = NOTHING if is_approved else sentence("it was refused by {by}", by=by)
    return ApprovalOutcome(is_approved, where, by, at, why)


def _user() -> str:
    return f"{user_name()}@{socket.gethostname()}"


def _show(step: str, confirm: Confirm, run: str, terminal: Terminal | None, is_elsewhere: bool) -> None:
    ways = ["write yes or no here"] if terminal else []
    ways += [f"`chaosdrill approve {run}`"] if is_elsewhere else []
    asked = f": {one_line(confirm.question)}" if confirm.question else ""
    logger.warning(f"{step} waits {confirm.within_s:g} s at most for approval ({' or '.join(ways)}){asked}")
