"""Activities and stops of other controls, such as the safeguards of chaostoolkit-addons.

Chaos Toolkit calls the drill control around every activity that any code runs with its ``execute_activity``. Only those
of the experiment itself and of the drill's setup are steps of the drill. The others are recorded as foreign: they are
not judged, not attributed to a stage, and nothing is raised in their threads. When their control then ends the drill,
that is recorded as an interruption, with the activity or the module that caused it.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chaoslib.exceptions import InterruptExecution

from chaosdrill.activity import take_failure
from chaosdrill.controls.outcome import Outcome, outcome_of
from chaosdrill.controls.record import DrillRecord

logger = logging.getLogger("chaostoolkit")

Activity = Mapping[str, Any]


class OwnSteps:
    """Distinguishes the drill's own steps from foreign activities. Create it in the thread that runs the experiment.

    :param listed: returns all present activities of the experiment and the setup.
    """

    def __init__(self, listed: Callable[[], Iterable[Activity]]) -> None:
        self._listed = listed
        self._main = threading.current_thread()
        self._local = threading.local()

    def begin(self, activity: Activity, in_hypothesis: bool) -> bool:
        """Return whether the activity that begins in this thread is a step of the drill.

        :param in_hypothesis: whether this thread checks the steady state during the method.
        """
        current = threading.current_thread() is self._main or bool(activity.get("background")) or in_hypothesis
        own = current and self._under_way() is None and self.lists(activity)
        if own:
            self._local.step = activity
        return own

    def end(self, activity: Activity) -> bool:
        """Return whether the activity that has ended in this thread is a step of the drill that began in it."""
        if self._under_way() is not activity:
            return False
        self._local.step = None
        return True

    def lists(self, activity: Activity) -> bool:
        """Return whether the experiment or the setup contains this very object, not only an equal one."""
        return any(one is activity for one in self._listed())

    def _under_way(self) -> Activity | None:
        return getattr(self._local, "step", None)


class ForeignActivities:
    """Records the activities of other controls.

    :param record: gets ``foreign-activity-started`` and ``foreign-activity-ended``.
    """

    def __init__(self, record: DrillRecord) -> None:
        self._record = record
        self._suspect: tuple[str, str] = ("", "")

    @property
    def suspect(self) -> tuple[str, str]:
        """The last one that failed or missed its tolerance, and why: the likely cause of a stop that follows. Or two
        empty texts.
        """
        return self._suspect

    def begin(self, activity: Activity) -> None:
        """Record that a foreign activity begins."""
        self._note("foreign-activity-started", activity)

    def end(
        self,
        activity: Activity,
        run: Mapping[str, Any] | None,
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any] | None,
    ) -> None:
        """Record how a foreign activity ended.

        :param run: its control's record of it; None when it was interrupted.
        """
        outcome = outcome_of(activity, run, False, configuration, secrets, take_failure())
        name = str(activity.get("name"))
        if outcome.problem:
            self._suspect = (name, outcome.problem)
        elif self._suspect[0] == name:
            self._suspect = ("", "")
        began = {name: (run or {}).get(name) for name in ("start", "end")}
        self._note("foreign-activity-ended", activity, **began, **_told(outcome))

    def _note(self, event: str, activity: Activity, **facts: Any) -> None:
        provider = activity.get("provider") or {}
        described = {"activity": str(activity.get("name")), "type": activity.get("type")}
        described |= {"module": provider.get("module"), "func": provider.get("func")}
        try:
            self._record.note_of_others(event, **described, **facts)
        except OSError as error:  # the disk is full; an error in another control's thread would not be reported
            logger.warning(f"the activity {described['activity']} of another control was not recorded: {error}")


def _told(outcome: Outcome) -> dict[str, Any]:
    named = ("status", "output", "error", "tolerance", "tolerance_met")
    return {name: getattr(outcome, name) for name in named}


def interruption_under_way() -> tuple[str, str] | None:
    """Return the module that raised the ``InterruptExecution`` that is passing through this thread, and its text;
    None when there is none. Chaos Toolkit calls the hooks after an activity while the exception passes.
    """
    error = sys.exc_info()[1]
    if not isinstance(error, InterruptExecution):
        return None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(module), str(error)
