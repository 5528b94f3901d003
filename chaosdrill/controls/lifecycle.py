"""The drill in progress, from its opening to its closing: it is notified of every stage and every step."""

import logging
import threading
from collections import deque
from collections.abc import Mapping, MutableMapping
from itertools import chain, count
from typing import Any, NoReturn

from chaoslib import substitute
from chaoslib.exceptions import InterruptExecution

from chaosdrill import history
from chaosdrill.activity import take_failure
from chaosdrill.aws.polling import end_step_when
from chaosdrill.controls.activities import activities_by_phase
from chaosdrill.controls.approvals import require_approval
from chaosdrill.controls.confirm import KEY
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.fitness import Recheck
from chaosdrill.controls.foreign_activities import ForeignActivities, OwnSteps, interruption_under_way
from chaosdrill.controls.lab_notes import note_truth
from chaosdrill.controls.lease import LOST
from chaosdrill.controls.monitors import Lookout
from chaosdrill.controls.outcome import Outcome, StepClock, not_begun, outcome_of
from chaosdrill.controls.owed_changes import OwedChanges
from chaosdrill.controls.planned_calls import PlannedCalls, note_planned_calls
from chaosdrill.controls.progress import DrillStep, number_of
from chaosdrill.controls.remaining_undos import remaining_in_words
from chaosdrill.controls.safeguards import GuardThreads, safeguards
from chaosdrill.controls.sampling import Sample, Samples
from chaosdrill.controls.settlement import begin_settlement_check, raise_writes, require_settled
from chaosdrill.controls.signals import LEAVE, STOP, Signals
from chaosdrill.coordination.interface import StopRequest
from chaosdrill.errors import DrillError, Refused
from chaosdrill.history import stop_grace
from chaosdrill.history.open_drill import STEADY_STATE_AFTER

logger = logging.getLogger("chaostoolkit")

SAMPLE_WITHIN_S = 5.0  # how long a sample may continue after the method
STOPPING_PHASES = ("setup", "method")  # stages in which a failed step stops what follows
OF_CONTROLS = (STOP.name, LEAVE.name)  # signals that a control sends, not a person
TERMINATION = "SIGTERM"
RAISED = "InterruptExecution"  # used as the signal's name where another control raised it
EXPLAINING = ("interrupted", "refused", "crashed", "safeguard-tripped", "approval-refused", history.TARGET_LOST, LOST)
ENDING = ("rollbacks", "closing", "ending the lab", "judging")


class Session(DrillContext):
    """One drill. Create it in the thread that runs the experiment.

    ``startup`` opens it and ``shutdown`` closes it.

    :ivar said: the summary, once it is closed.
    :ivar owed: the steps that stay in force after the drill.
    """

    def __init__(self, experiment: Mapping[str, Any], configuration: MutableMapping[str, Any], secrets: Any) -> None:
        super().__init__(experiment, configuration, secrets)
        self.signals = Signals(self._note_signal)
        self.lookout = Lookout(self.status, self.record)
        self.recheck: Recheck | None = None
        self.planned: tuple[DrillStep, ...] = ()
        self.planned_calls = PlannedCalls()
        self.said: dict[str, Any] | None = None
        self.owed: tuple[str, ...] = ()
        self.stop_conditions: GuardThreads | None = None
        self._safeguards: GuardThreads | None = None
        self._samples: Samples | None = None
        self._signals_noted: deque[tuple[str, str]] = deque()
        self._recording_signals = threading.Lock()
        self._main = threading.current_thread()
        self._local = threading.local()
        self._own_steps = OwnSteps(self._listed)
        self._owed_changes = OwedChanges()
        self._approvals = count(1)
        self._foreign = ForeignActivities(self.record)
        self._stopping = False
        self.opened = False
        self._method_ended = False

    # Phases, in order -----------------------------------------------------------------------------------------------

    def enter(self, phase: str) -> None:
        """Record that the drill has come to a stage (``phase``)."""
        self.status.phase, self.status.activity = phase, ""
        self.record.note("phase", phase=phase)

    def begin_hypothesis(self) -> None:
        """Begin a check of the steady state: before the method, after it, or (continuous strategy) during it."""
        if self._beside():
            self._local.phase = "steady-state-during"
        else:
            if not self._method_ended:
                begin_settlement_check(self)
                if self.recheck is not None:
                    self.recheck.begin()
            self.enter("steady-state-after" if self._method_ended else "steady-state-before")

    def end_hypothesis(self, met: bool | None) -> None:
        """End a check of the steady state: met, missed, or (None) not observed. Unless the method is next, only
        rollbacks remain.
        """
        if self._beside():
            return
        if self._method_ended and met is not None:
            self.record.note(STEADY_STATE_AFTER, met=met)  # rollbacks may depend on it
        if self._method_ended or not met:
            self.signals.leaving = True

    def begin_method(self) -> None:
        """Begin the method, with the safeguards and the samples of the steady state.

        :raises InterruptExecution: when the application settles the heartbeat's writes more slowly than they are sent,
            or a check now refuses that allowed the drill to begin.
        """
        try:
            require_settled(self)
            if self.recheck is not None:
                self.recheck.require_fit()
        except DrillError as error:
            self.record.refused(error)
            self.stop(f"The method does not begin: {error}")
        self.touched = True
        self.enter("method")
        probes = self.arguments.safeguards
        self._safeguards = GuardThreads(
            safeguards(probes, dict(self.configuration), self.secrets, self.safeguard_tripped)
        )
        self._safeguards.start()
        if not self.experiment.get("dry"):
            probes = activities_by_phase(self.experiment)["steady-state"]
            self._samples = Samples(probes, dict(self.configuration), self.secrets, self._sampled)
            self._samples.start()

    def end_method(self) -> None:
        """End the method, whether it is complete or not."""
        if self._safeguards is not None:
            self._safeguards.stop()
        if self._samples is not None:
            self._samples.stop(0.0 if self.signals.leaving else SAMPLE_WITHIN_S)
        self._method_ended = True
        if not activities_by_phase(self.experiment)["steady-state"]:
            self.signals.leaving = True  # nothing is checked any more: rollbacks are next
        self.enter("after the method")

    def begin_rollbacks(self) -> None:
        """Begin the rollbacks.

        :raises InterruptExecution: when this run did nothing, so that there is nothing to undo; or when another control
            requests to leave without rollbacks.
        """
        self.signals.leaving = True
        self._stop_watching_conditions()
        self.signals.settle()
        self.record.go_on_in_memory()
        self.enter("rollbacks")
        self.record_signals()  # a SIGTERM limits how long they may take
        if not self.touched:
            raise InterruptExecution("this run did nothing, so nothing is rolled back")
        if self.target is not None and (why := self.target.gone()):
            raise InterruptExecution(f"{why}: nothing is rolled back")
        if self.signals.no_rollbacks:
            raise InterruptExecution("exit_ungracefully() was called: nothing is rolled back")
        self.signals.can_give_up = True

    def end_rollbacks(self) -> None:
        """End the rollbacks. From here on nothing may be cut short."""
        self.signals.can_give_up = False
        self.signals.leaving = True
        self.signals.settle()
        if self.signals.gave_up and (left := self._remaining()):
            logger.warning(f"The rest of the rollbacks is left out: {left}")
        self.enter("closing")

    def begin_closing(self, interrupted: bool = False) -> None:
        """End what runs beside the drill: from here on nothing may be cut short.

        :param interrupted: whether Chaos Toolkit reports that the experiment was interrupted.
        """
        self.signals.leaving, self.signals.can_give_up = True, False
        self._stop_watching_conditions()
        self.signals.settle()
        if interrupted and not self._is_explained():
            self.record.note("interrupted", signal=RAISED, phase=self.status.phase, by="", why="")

    def give_up(self) -> None:
        """Stop the threads and release everything that is held: files, lock, the place of the open drill."""
        self.record.end()
        with self.held:
            self.lookout.close()

    # Steps ----------------------------------------------------------------------------------------------------------

    def begin_activity(self, activity: Mapping[str, Any]) -> None:
        """Record that an activity begins, on disk before it runs. A foreign activity is only noted.

        :raises InterruptExecution: when a signal has ended the method or the rollbacks (a step during which SIGTERM
            came turns the signal's exception into a failure of its own, and Chaos Toolkit continues); when the activity
            needs a person's approval and did not get it; when the undo that it will owe could not be published.
        """
        if not self._own_steps.begin(activity, self._in_hypothesis()):
            self._foreign.begin(activity)
            return
        self._local.clock = StepClock()
        if not self.opened:
            raise InterruptExecution("the drill was not opened, so nothing is run")
        if self.signals.gave_up or (self.signals.stopped and self.status.phase != "rollbacks"):
            self.signals.settle()
            raise InterruptExecution("a signal has ended the drill: no further step is begun")
        if KEY in activity:
            why_not = require_approval(self, activity, next(self._approvals), lambda: self.signals.leaving)
            if why_not:
                self.stop(why_not)
        step = self._step(activity)
        if self._beside():
            self._local.begun_in = step["phase"]
            end_step_when(self._is_stopped if step["phase"] != "rollbacks" else None)
        self.status.activity = step["activity"]
        self.status.step = number_of(self.planned, step["phase"], step["activity"], self.status.step)
        raise_writes(self, activity)
        arguments = (activity.get("provider") or {}).get("arguments") or {}
        written = substitute(arguments, self.configuration, self.secrets)
        owed = self._owed_changes.of_step(step, written, activity.get("dry", self.experiment.get("dry")))
        self.record.note("activity-started", **step, arguments=written, **owed)
        note_planned_calls(self, self.planned_calls, step, activity, written)
        self._publish_undo(step["activity"], owed.get("number"))

    def end_activity(self, activity: Mapping[str, Any], run: Mapping[str, Any] | None) -> None:
        """Record how an activity ended. A foreign activity stops nothing by itself.

        :raises InterruptExecution: when later steps must not build on it.
        """
        if not self._own_steps.end(activity):
            if self._own_steps.lists(activity) and not self._beside():
                self.notice_interruption()  # another control kept it from beginning
            else:
                self._foreign.end(activity, run, self.configuration, self.secrets)
            return
        self.notice_interruption()
        dry = getattr(self.experiment.get("dry"), "value", None) not in (None, "pause")
        step, refusal = self._step(activity), self._take_refusal()
        if self._beside():
            step["phase"] = getattr(self._local, "begun_in", step["phase"])  # the rollbacks may have begun meanwhile
        if refusal is not None:
            self.record.note("activity-ended", **step, duration_s=0.0, **vars(not_begun(refusal)))
            return
        outcome = outcome_of(activity, run, dry, self.configuration, self.secrets, take_failure())
        duration_s = self._local.clock.duration_s((run or {}).get("duration"))
        self.record.note("activity-ended", **step, duration_s=duration_s, **vars(outcome))
        self.pay_undos()
        note_truth(self)
        if outcome.status != "interrupted" and outcome.problem and self._must_stop(step["phase"], outcome, run):
            self.stop(f"{step['activity']}: {outcome.problem}; what follows would build on it, so the drill stops here")

    def stop(self, why: str) -> NoReturn:
        """End the stages before the rollbacks, which come next.

        :raises InterruptExecution: always. Outside the main thread Chaos Toolkit would lose it, so a signal is sent
            there, too.
        """
        self._stopping = True
        if self._beside():
            logger.error(why)
            self.signals.stop_method()
        else:
            self.signals.leaving = True
        raise InterruptExecution(why)

    def notice_interruption(self) -> None:
        """Record that another control or an activity ends the drill by raising ``InterruptExecution``. Outside the
        main thread Chaos Toolkit would lose the exception, so the method is stopped by a signal.
        """
        found = interruption_under_way()
        if found is None or self._stopping or self.signals.stopped:
            return
        self._stopping = True
        by, why = found
        self.record.note("interrupted", signal=RAISED, phase=self.status.phase, by=by, why=why)
        if self._beside():
            self.signals.stop_method()

    def _publish_undo(self, name: str, number: int | None) -> None:
        """Publish the undo that a step will owe, before it begins.

        :raises InterruptExecution: when that failed; the step is not begun.
        """
        if (drill := history.current()) is None:
            return
        try:
            drill.undos.begin(number)
        except Refused as refusal:
            self._local.refusal = refusal
            self.stop(f"{name}: {refusal}; the drill stops here")

    def _take_refusal(self) -> Refused | None:
        """Return why the step of this thread was not begun, and forget it; None when it was begun."""
        refusal, self._local.refusal = getattr(self._local, "refusal", None), None
        return refusal

    def pay_undos(self) -> None:
        """Publish which undos are no longer owed."""
        if (drill := history.current()) is not None:
            drill.undos.pay()

    def _is_explained(self) -> bool:
        """Return whether the history has the reason why the experiment was interrupted."""
        self.record_signals()
        events = self.record.events
        steps = [row for row in events if row["event"] == "activity-ended"]
        missed = any(row["status"] == "failed" or row["tolerance_met"] is False for row in steps)
        return missed or self._stopping or any(row["event"] in EXPLAINING for row in events)

    def _listed(self) -> list[Mapping[str, Any]]:
        return [*self.arguments.setup, *chain.from_iterable(activities_by_phase(self.experiment).values())]

    def _in_hypothesis(self) -> bool:
        return getattr(self._local, "phase", None) is not None

    def _step(self, activity: Mapping[str, Any]) -> dict[str, Any]:
        provider = activity.get("provider") or {}
        return {
            "activity": str(activity.get("name")),
            "type": activity.get("type"),
            "phase": getattr(self._local, "phase", None) or self.status.phase,
            "module": provider.get("module"),
            "func": provider.get("func"),
        }

    def _must_stop(self, phase: str, outcome: Outcome, run: Mapping[str, Any] | None) -> bool:
        # Chaos Toolkit handles the steady state itself, except a value that cannot be compared with its tolerance: it
        # would end with a traceback, without rollbacks.
        not_comparable = outcome.status == "failed" and (run or {}).get("status") == "succeeded"
        return phase in STOPPING_PHASES or (phase in ("steady-state-before", "steady-state-after") and not_comparable)

    def _is_stopped(self) -> bool:
        """Return whether rollbacks are next, so that background steps must end."""
        return self._stopping or self.signals.leaving

    def _beside(self) -> bool:
        """Return whether the calling thread is not the main one: a background step, or a continuous hypothesis."""
        return threading.current_thread() is not self._main

    # What comes in between ------------------------------------------------------------------------------------------

    def notice_signals(self) -> None:
        """Do what a signal handler must not do: record the signals, and stop waiting for background steps."""
        self.record_signals()
        if self.signals.leave_background():
            logger.warning("A step in the background has not ended: the rollbacks begin beside it")
        if self.signals.can_give_up and (left_s := stop_grace.left_s()) is not None and left_s <= 0:
            self._leave_to_rescue()

    def _leave_to_rescue(self) -> None:
        """Leave out the rest of the rollbacks: the process is killed soon."""
        if not stop_grace.is_left_to_rescue():
            why = f"the time for the rollbacks is over, by {stop_grace.VARIABLE}"
            self.record.note(stop_grace.LEFT_TO_RESCUE, function="", undo_of=None, why=why)
        self.signals.give_up()

    def record_signals(self) -> None:
        """Record received signals, which a signal handler must not do itself."""
        while (taken := self._record_signal()) is not None:
            name, phase = taken
            self._hurry()
            if phase == self.status.phase == "rollbacks" and not self.signals.gave_up and name not in OF_CONTROLS:
                left = self._remaining()
                logger.warning(f"{name}: the rollbacks continue; one more signal ends them early ({left})")

    def _record_signal(self) -> tuple[str, str] | None:
        """Record the next received signal, and after SIGTERM how much time the process has left.

        :returns: its name, and the stage in which it came; None when there is none.
        """
        with self._recording_signals:
            if not self._signals_noted:
                return None
            name, phase = self._signals_noted.popleft()
            by, why = self._foreign.suspect if name in OF_CONTROLS else ("", "")
            self.record.note("interrupted", signal=name, phase=phase, by=by, why=why)
            if name == TERMINATION and (seconds := stop_grace.grace_s()) is not None:
                self.record.note(stop_grace.BEGAN, grace_s=seconds, rollbacks_s=stop_grace.rollbacks_s(seconds))
            return name, phase

    def _remaining(self) -> str:
        run = "" if self.directory is None else self.directory.name
        return remaining_in_words(self.experiment, self.record.events, run)

    def _hurry(self) -> None:
        try:
            if self.target is not None and self.target.hurry():
                self.record.note("target-hurried")
                logger.info("The drill was interrupted: from here on the lab waits no longer than it must")
        except DrillError as error:
            logger.warning(f"the lab's waits could not be shortened: {error}")

    def target_lost(self, why: str) -> None:
        """Stop because the target no longer exists. The monitor of the target calls this once. Waits for the target
        end.
        """
        self.record.note(history.TARGET_LOST, why=why)
        logger.error(f"The drill ends here: {why}")
        self._stop_method()

    def stop_requested(self, request: StopRequest) -> None:
        """Stop at a person's request. The lease's renewal calls this once. The rollbacks are next."""
        if self.status.phase in ENDING:
            logger.info(f"{request.by} requests the drill to stop: it is in its {self.status.phase} already")
            return
        facts = {"phase": self.status.phase, "by": request.by, "why": request.why or "no reason was given"}
        self.record.note_of_others("interrupted", signal="chaosdrill stop", **facts)
        logger.error(f"{request.by} requests the drill to stop: {facts['why']}. Its changes are undone")
        self._stop_method()
        self._hurry()

    def lease_lost(self, why: str) -> None:
        """Stop because the lease is no longer reliable. The lease's renewal calls this once. The rollbacks are next."""
        self.record.note_of_others(LOST, why=why, phase=self.status.phase)
        if self.status.phase in ENDING:
            logger.warning(f"The lease is in doubt: {why}")
        else:
            logger.error(f"The drill ends here, and its changes are undone: {why}")
            self._stop_method()

    def _note_signal(self, name: str) -> None:
        self._signals_noted.append((name, self.status.phase))

    def _sampled(self, sample: Sample) -> None:
        self.record.note("hypothesis-sampled", **vars(sample))

    def _stop_watching_conditions(self) -> None:
        if self.stop_conditions is not None:
            self.stop_conditions.stop()

    def safeguard_tripped(self, name: str, why: str, unreadable: bool) -> None:
        """Stop the stages before the rollbacks because of a safeguard or a stop condition. May be called from any
        thread.
        """
        try:
            self.record.note("safeguard-tripped", safeguard=name, why=why, unreadable=unreadable)
        finally:
            logger.error(f"Safeguard {name}: {why}: the rollbacks are next")
            self._stop_method()

    def _stop_method(self) -> None:
        self._stopping = True
        self.signals.stop_method()
