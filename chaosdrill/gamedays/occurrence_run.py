"""Runs the drill of one occurrence: claims it, checks its guards, runs ``chaos run``, records how it ended."""

import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.store import ItemStore
from chaosdrill.errors import BadInput, CannotSee, DrillError, Refused
from chaosdrill.gamedays.approvals import require_approved_plan
from chaosdrill.gamedays.calendar import Calendar, Occurrence
from chaosdrill.gamedays.commands import (
    VARIABLES,
    chaos_run,
    environment_of,
    remove_left_variables,
    write_variables,
)
from chaosdrill.gamedays.decisions import Why, due, is_planned, judge
from chaosdrill.gamedays.events import Entry, Notification
from chaosdrill.gamedays.guards import check_guards
from chaosdrill.gamedays.launch import directory_of
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.notifications.background import BackgroundNotifier
from chaosdrill.gamedays.notifications.deliveries import Deliveries
from chaosdrill.gamedays.outcomes import ended_entry, file_run, finished, first_code, run_of, transitions
from chaosdrill.gamedays.tick import claimed_entry
from chaosdrill.gamedays.tick_inputs import read, rules_of
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.jsonl import json_lines

POLL_S = 2.0
RENEW_S = 30.0
FORWARD_AFTER_S = 2.0  # a signal that the drill has received itself is not sent to it again
RECORD_TRIES, RECORD_PAUSE_S = 20, 30.0  # while the ledger cannot be written
SCHEDULE = "schedule"
logger = logging.getLogger("chaosdrill")


@dataclass(frozen=True)
class Claim:
    """An occurrence that this process has claimed, or that was claimed for it."""

    entry: Entry
    token: str


def claim(calendar: Calendar, occurrence: Occurrence, store: ItemStore, by: str = SCHEDULE) -> Claim | Entry:
    """Claim an occurrence for this process, by the rules of a tick.

    :param by: ``schedule``, or the principal of the person who runs it by hand: then it need not be planned.
    :returns: the claim; the entry of an occurrence that has one, or that the rules refuse, which is recorded.
    :raises Refused: when it does not begin now, and nothing is recorded: ``occurrence-not-planned``,
        ``occurrence-not-due``, or what it waits for.
    :raises CannotSee: when the ledger cannot be read or written.
    """
    rules, ledger = rules_of(calendar), Ledger(store)
    found = read(calendar, store, rules, also=[occurrence], by_hand=by != SCHEDULE)
    remove_left_variables(found.snapshot)
    if (known := ledger.entry(occurrence)) is not None and found.snapshot.outcome(occurrence) is not None:
        return known.entry
    game_day = calendar.game_days[occurrence.game_day]
    if by == SCHEDULE and not is_planned(game_day, occurrence.planned_ms, found.snapshot, rules):
        why = (
            "no tick read it in the calendar before its planned time: `chaosdrill gameday next` lists the planned ones"
        )
        raise Refused(f"{occurrence.key} is not planned: {why}", code="occurrence-not-planned")
    if occurrence.planned_ms > found.snapshot.now_ms:
        raise Refused(f"{occurrence.key} has not come yet", code="occurrence-not-due")
    later = [one for one in due(game_day, found.snapshot, rules) if one > occurrence]
    fate = judge(calendar, occurrence, found.snapshot, rules, is_latest=not later)
    if isinstance(fate, Why):
        raise Refused(f"{occurrence.key} does not begin now: {fate.text}", code="occurrence-waits")
    if fate is not None and by != SCHEDULE:
        fate = replace(fate, outcome="refused")
    entry = replace(fate or claimed_entry(calendar, found, occurrence, by), by=by)
    if entry.outcome != "claimed":
        ledger.record(entry)
        return _recorded(ledger, entry)
    if token := ledger.claim(entry, this_process(), found.starts(occurrence)):
        return Claim(entry, token)
    return _recorded(ledger, entry)


def _recorded(ledger: Ledger, entry: Entry) -> Entry:
    record = ledger.entry(entry.occurrence)
    if record is None:
        why = "its approval was revoked while it was claimed"
        raise Refused(f"{entry.occurrence.key} does not begin now: {why}", code="occurrence-waits")
    return record.entry


def take_claim(occurrence: Occurrence, store: ItemStore, token: str) -> Claim:
    """Take over the claim with which a tick has started this process.

    :raises Refused: ``claim-taken``: another process has, or the claim has ended.
    """
    ledger = Ledger(store)
    record = ledger.entry(occurrence)
    if record is None or not ledger.begin(occurrence, token, this_process()):
        raise Refused(f"the claim of {occurrence.key} is not for this process", code="claim-taken")
    return Claim(record.entry, token)


class OccurrenceDrill:
    """The drill of a claimed occurrence: :meth:`run` runs it to its end and records that, whatever happens.

    The drill is a process in a session of its own. It goes on when this one is killed; a tick records its end then.
    """

    def __init__(self, calendar: Calendar, store: ItemStore, claimed: Claim) -> None:
        self._calendar, self._store, self._ledger = calendar, store, Ledger(store)
        self._entry, self._token = claimed.entry, claimed.token
        self._game_day = calendar.game_days[claimed.entry.occurrence.game_day]
        self._directory = directory_of(claimed.entry.occurrence)
        self._notifier = BackgroundNotifier(calendar, Deliveries(store))
        self._run: Path | None = None
        self._signals: list[tuple[int, float]] = []  # received, and not yet sent on

    @property
    def occurrence(self) -> Occurrence:
        """The occurrence."""
        return self._entry.occurrence

    def run(self) -> Entry:
        """Run the drill.

        :returns: the entry that was recorded.
        """
        previous = {one: signal.signal(one, self._received) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            ended = self._ended()
        except Exception as error:
            logger.exception("The drill of %s was not run to its end", self.occurrence.key)
            ended = replace(self._entry, outcome="died", code="error", why=f"{type(error).__name__}: {error}")
        finally:
            self._remove_variables()
            for one, handler in previous.items():
                signal.signal(one, handler)
        self._finish(ended)
        return ended

    def _ended(self) -> Entry:
        try:
            variables = write_variables(self._game_day, self._directory)
            environment = environment_of(self._calendar, self._game_day, self.occurrence)
            check_guards(self._game_day, self._directory, variables, environment)
            by_hand = self._entry.by != SCHEDULE
            require_approved_plan(self._store, self._game_day, self.occurrence, by_hand)
        except (BadInput, Refused, CannotSee) as error:
            return replace(self._entry, outcome="refused", code=error.codes[0], why=str(error))
        finally:
            self._renew()
        if self._signals:
            why = "it was requested to end before its drill began"
            return replace(self._entry, outcome="refused", code="begin-interrupted", why=why)
        with open(self._directory / "chaos.out", "ab") as output:
            exit_code = self._watched(self._start(environment, output))
        return self._outcome(exit_code)

    def _start(self, environment: dict[str, str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            chaos_run(self._game_day.experiment, self._directory, "journal"),
            cwd=self._calendar.file.absolute().parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def _watched(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait until the drill has ended; renew the claim, and notify of what happens meanwhile."""
        renewed_s, is_announced = time.monotonic(), False
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_S)
            self._run = self._run or run_of(self.occurrence, self._entry.began_ms)
            if self._run is not None and not is_announced:
                is_announced = True
                self._remove_variables()  # the drill has read them
                renewed_s = 0.0  # the run's id is recorded at once
                self._notifier.send(
                    [Notification("started", self.occurrence, {"run": self._run.name, "by": self._entry.by})]
                )
            if time.monotonic() - renewed_s > RENEW_S:
                renewed_s = time.monotonic()
                self._renew()
                self._notifier.send(self._transitions())
            self._send_on(process)

    def _remove_variables(self) -> None:
        """Remove the values of the drill's variables: secrets are among them."""
        (self._directory / VARIABLES).unlink(missing_ok=True)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self._signals.append((number, time.monotonic()))

    def _send_on(self, process: "subprocess.Popen[bytes]") -> None:
        """Send a signal on to the drill, unless it has received it itself: a second one would cut its rollbacks off."""
        if self._signals and time.monotonic() - self._signals[0][1] >= FORWARD_AFTER_S:
            number, _ = self._signals.pop(0)
            if not any(one.get("event") == "interrupted" for one in self._events()):
                process.send_signal(number)

    def _events(self) -> list[dict[str, Any]]:
        if self._run is None:
            return []
        with suppress(OSError):
            return [one for one in json_lines(self._run / HISTORY)[0] if isinstance(one.get("event"), str)]
        return []

    def _transitions(self) -> list[Notification]:
        return list(transitions(self.occurrence, self._run.name, self._events())) if self._run else []

    def _renew(self) -> None:
        if self._run is not None:
            self._entry = replace(self._entry, run=self._run.name)
        with suppress(DrillError):  # the next one counts, too
            self._ledger.renew(self._entry, self._token)

    def _outcome(self, exit_code: int) -> Entry:
        """Find out how the drill ended, from its run, else from its journal."""
        self._run = self._run or run_of(self.occurrence, self._entry.began_ms)
        if self._run is not None:
            if (ended := ended_entry(self._entry, self._run)) is not None:
                return ended
            why = f"`chaos run` ended with {exit_code} and left no verdict: `chaosdrill rescue {self._run.name}`"
            return replace(self._entry, outcome="died", run=self._run.name, code="process-died", why=why)
        said = mapping(json_document(self._directory / "journal.json").get("chaosdrill"))
        reasons = "; ".join(map(str, said.get("reasons") or ()))
        why = reasons or f"`chaos run` ended with {exit_code}: {self._directory}/chaos.out says why"
        known = replace(self._entry, why=why, verdict=text(said.get("verdict")))
        if exit_code < 0:
            return replace(known, outcome="died", code="process-died")
        known = replace(known, outcome="refused", code="drill-not-begun")
        return replace(known, code=first_code(said) or known.code)

    def _finish(self, ended: Entry) -> None:
        """Tag the run, observe its findings, notify, record the end. None of it changes the drill.

        The end comes last: a tick does all of it for a process that was killed before it has recorded the end.
        """
        notices = self._transitions()
        if self._run is not None:
            file_run(self._calendar, self._store, self._game_day, self._run)
        if ended.outcome == "ran" and self._run is not None:
            notices += finished(ended, self._run)
        elif ended.outcome == "died":
            notices.append(Notification("died", self.occurrence, {"run": ended.run, "why": ended.why}))
        else:
            facts = {"outcome": ended.outcome, "code": ended.code, "why": ended.why}
            notices.append(Notification("not-run", self.occurrence, facts))
        self._notifier.send(notices)
        self._record(ended)
        self._notifier.close()

    def _record(self, ended: Entry) -> None:
        for _ in range(RECORD_TRIES):
            try:
                self._ledger.finish(ended, self._token)
                return
            except DrillError as error:
                logger.error("How %s ended could not be recorded: %s", self.occurrence.key, error)
                time.sleep(RECORD_PAUSE_S)


def principal_by_hand(topology: Path | None) -> str:
    """Return who runs a game day by hand; the user of this machine where STS does not say it."""
    from chaosdrill.gamedays.identities import principal_of_process

    try:
        return principal_of_process(topology)
    except DrillError:
        return f"uid:{os.getuid()}"
