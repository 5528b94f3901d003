"""The drill that goes on: opened before the experiment, told of every step, closed after it."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chaoslib import __version__ as chaoslib_version
from chaoslib import substitute
from chaoslib.activity import execute_activity
from chaoslib.exceptions import InterruptExecution
from chaoslib.exit import exit_gracefully

import chaosdrill
from chaosdrill import history
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.controls import arguments as written
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.closing import close
from chaosdrill.controls.display import Display, Status
from chaosdrill.controls.experiment import find_source, keep_copy, planned, problems_of_variables_given
from chaosdrill.controls.lock import take_lock
from chaosdrill.controls.outcome import Outcome, outcome_of
from chaosdrill.controls.safeguards import Safeguards
from chaosdrill.controls.settings import Settings, read_settings
from chaosdrill.controls.signals import Signals
from chaosdrill.controls.target import Target, open_target
from chaosdrill.controls.watching import LoadWatch, Periodic, RegionWatch
from chaosdrill.errors import BadInput, DrillError, Refused
from chaosdrill.history.run_directory import HISTORY, TIMELINE, make_run_directory
from chaosdrill.home import home
from chaosdrill.topology import load_topology

logger = logging.getLogger("chaostoolkit")

WATCH_EVERY_S = 1.0
READABLE_WITHIN_S = 5.0
STOPPING_PHASES = ("setup", "method")  # in these a failed step stops what follows
ENVIRONMENT_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Session:
    """One drill. Everything it learns goes through :meth:`record`, to disk as soon as there is a run directory."""

    def __init__(self, experiment: Mapping[str, Any], configuration: MutableMapping[str, Any], secrets: Any) -> None:
        self.experiment, self.configuration, self.secrets = experiment, configuration, secrets
        self.status = Status()
        self.signals = Signals(self._note_signal)
        self.arguments = Arguments()
        self.directory: Path | None = None
        self.target: Target | None = None
        self.region_watch: RegionWatch | None = None
        self.load_watch: LoadWatch | None = None
        self.touched = False  # whether there is anything to roll back
        self.said: dict[str, Any] | None = None
        self._display = Display(self.status)
        self._cleanup = ExitStack()
        self._watchers: dict[str, Periodic] = {}
        self._safeguards: Safeguards | None = None
        self._history: history.History | None = None
        self._early: list[history.Event] = []
        self._signals_noted: deque[tuple[str, str]] = deque()
        self._local = threading.local()
        self._method_ended = False
        self._troubles: dict[str, str] = {}

    # What happens, in order -----------------------------------------------------------------------------------------

    def open(self, raw: Mapping[str, Any]) -> None:
        """Check everything, take lock and target, and run the setup.

        :param raw: the control's arguments as they stand in the experiment.
        :raises DrillError: when the drill must not start; nothing was touched then.
        :raises InterruptExecution: when a step of the setup failed.
        """
        self.signals.install()
        settings = self._check(raw)
        lock = take_lock(settings)
        self._cleanup.callback(os.close, lock)
        self._open_run_directory(settings)
        self._watch("display", self._display.every_s, self._tick)
        self._display.start()
        self._cleanup.callback(self._display.stop)
        self._open_target(settings)
        self._require_expected_state()
        self._run_setup()

    def _check(self, raw: Mapping[str, Any]) -> Settings:
        source = find_source()
        settings, problems = read_settings(self.configuration)
        known = set(self.configuration) | {name for part in (self.secrets or {}).values() for name in part}
        own = {name: self.experiment.get(name) for name in ("steady-state-hypothesis", "method", "rollbacks")}
        problems += problems_of_variables_given(source, self.experiment)
        problems += written.problems_of_arguments(raw)
        problems += written.problems_of_experiment(self.experiment)
        problems += written.problems_of_variables([raw, own], known)
        if problems:
            raise BadInput(problems)
        given = {name: value for name, value in raw.items() if value is not None}
        self.arguments = Arguments(**substitute(given, self.configuration, self.secrets))
        if problems := written.problems_of_values(self.arguments):
            raise BadInput(problems)
        return settings

    def _open_run_directory(self, settings: Settings) -> None:
        source = find_source()
        self.directory = make_run_directory(home(), source.name)
        hide = history.secret_texts(self.secrets) | {os.environ.get(name, "") for name in ENVIRONMENT_SECRETS}
        self._history = history.History(self.directory / HISTORY, hide)
        self._cleanup.callback(self._history.close)
        drill = history.OpenDrill(self.directory.name, self.directory, self._history)
        self._cleanup.enter_context(history.opened(drill))
        dry = self.experiment.get("dry")
        self.record(
            "drill-opened",
            run_id=self.directory.name,
            title=self.experiment.get("title"),
            versions={"chaosdrill": chaosdrill.__version__, "chaostoolkit-lib": chaoslib_version},
            experiment_sha256=keep_copy(source, self.experiment, self.directory),
            configuration=dict(self.configuration),
            target=settings.target,
            change_ticket=settings.change_ticket,
            expect=self.arguments.expect,
            objectives=dict(self.arguments.objectives or {}),
            planned=planned(self.experiment, self.arguments.setup),
            dry=getattr(dry, "value", dry),
        )
        logger.info(f"Run directory: {self.directory}")

    def _open_target(self, settings: Settings) -> None:
        self.status.phase = "starting the lab" if settings.topology is None else "opening the target"
        target = self.target = open_target(settings, lambda text: logger.info(text[:1].upper() + text[1:]))
        self.configuration["topology"] = str(target.topology)
        self.configuration["scale"] = self.status.scale = target.scale
        topology = load_topology(target.topology)
        self.record("target-opened", target=target.kind, scale=target.scale, started_here=target.started_here)
        self.region_watch = RegionWatch(dict(self.configuration), self.secrets, self._region_changed)
        self._watch("region", WATCH_EVERY_S, self._look_at_region)
        assert self.directory is not None
        self.load_watch = LoadWatch(LoadGenerator(topology.load_generator.url), self.directory / TIMELINE)
        self._cleanup.callback(self.load_watch.close)
        self._watch("load", WATCH_EVERY_S, self._look_at_load)

    def _require_expected_state(self) -> None:
        self.status.phase = "preflight"
        assert self.region_watch is not None
        give_up = time.monotonic() + READABLE_WITHIN_S
        while (state := self.region_watch.look()) == "unknown" and time.monotonic() < give_up:
            time.sleep(0.2)
        if self.arguments.expect and state != self.arguments.expect:
            raise Refused(f"the region state is {state}, expected {self.arguments.expect}: nothing was touched")

    def _run_setup(self) -> None:
        self.enter("setup")
        for activity in self.arguments.setup:
            self.touched = True
            execute_activity(self.experiment, activity, self.configuration, self.secrets, self.experiment.get("dry"))

    def enter(self, phase: str) -> None:
        """The drill's main line has come to ``phase``."""
        self.status.phase, self.status.activity = phase, ""
        self.record("phase", phase=phase)

    def begin_hypothesis(self) -> None:
        """The steady state is checked: before the method, after it, or (continuous strategy) during it."""
        if self.status.phase == "method":
            self._local.phase = "steady-state-during"
        else:
            self.enter("steady-state-after" if self._method_ended else "steady-state-before")

    def end_hypothesis(self, met: bool) -> None:
        """The check has ended; unless the method is next, only rollbacks are left."""
        self._local.phase = None
        if self.status.phase != "method" and (self._method_ended or not met):
            self.signals.leaving = True

    def begin_method(self) -> None:
        """The method begins, and with it the safeguards."""
        self.touched = True
        self.enter("method")
        guards = self.arguments.safeguards
        self._safeguards = Safeguards(guards, dict(self.configuration), self.secrets, self._safeguard_tripped)
        self._safeguards.start()

    def end_method(self) -> None:
        """The method has ended, one way or another."""
        if self._safeguards is not None:
            self._safeguards.stop()
        self._method_ended = True
        self.enter("after the method")

    def begin_rollbacks(self) -> None:
        """:raises InterruptExecution: when this run did nothing, so that there is nothing to undo."""
        self.signals.leaving = True
        self.enter("rollbacks")
        if not self.touched:
            raise InterruptExecution("this run did nothing, so nothing is rolled back")
        self.signals.can_give_up = True

    def end_rollbacks(self) -> None:
        """The rollbacks have ended; from here on nothing may be cut short."""
        self.signals.can_give_up = False
        self.signals.leaving = True
        self.enter("closing")

    def end(self, journal: MutableMapping[str, Any] | None) -> None:
        """Judge the drill, leave its summary, and give up everything that was taken; a second call does nothing.

        :param journal: Chaos Toolkit's; its status is set so that the exit code is 0 for ``passed`` only.
        """
        if self.said is None:
            self.signals.leaving, self.signals.can_give_up = True, False
            self.said = close(self, journal)

    # Steps ----------------------------------------------------------------------------------------------------------

    def begin_activity(self, activity: Mapping[str, Any]) -> None:
        """An activity is about to run: on disk before it does."""
        provider = activity.get("provider") or {}
        name = str(activity.get("name"))
        self.status.activity = name
        self.record(
            "activity-started",
            activity=name,
            type=activity.get("type"),
            phase=self.phase,
            module=provider.get("module"),
            func=provider.get("func"),
            arguments=substitute(provider.get("arguments") or {}, self.configuration, self.secrets),
        )

    def end_activity(self, activity: Mapping[str, Any], run: Mapping[str, Any] | None) -> None:
        """An activity has ended.

        :raises InterruptExecution: when what follows must not build on it.
        """
        dry = getattr(self.experiment.get("dry"), "value", None) not in (None, "pause")
        outcome = outcome_of(activity, run, dry, self.configuration, self.secrets)
        phase, provider = self.phase, activity.get("provider") or {}
        self.record(
            "activity-ended",
            activity=str(activity.get("name")),
            type=activity.get("type"),
            phase=phase,
            module=provider.get("module"),
            func=provider.get("func"),
            duration_s=(run or {}).get("duration"),
            **vars(outcome),
        )
        if outcome.status != "interrupted" and outcome.problem and self._must_stop(phase, outcome, run):
            self._stop_after(activity, outcome.problem)

    def _must_stop(self, phase: str, outcome: Outcome, run: Mapping[str, Any] | None) -> bool:
        # A steady state is Chaos Toolkit's own matter, all but a value that its tolerance cannot be compared with:
        # there it would end with a traceback, without rollbacks.
        not_comparable = outcome.status == "failed" and (run or {}).get("status") == "succeeded"
        return phase in STOPPING_PHASES or (phase in ("steady-state-before", "steady-state-after") and not_comparable)

    def _stop_after(self, activity: Mapping[str, Any], problem: str) -> None:
        why = f"{activity.get('name')}: {problem}; what follows would build on it, so the drill stops here"
        if activity.get("background"):
            logger.error(why)
            exit_gracefully()  # raised in a background thread it would vanish
        else:
            self.signals.leaving = True
            raise InterruptExecution(why)

    # Records --------------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """The phase that the calling thread is in."""
        return getattr(self._local, "phase", None) or self.status.phase

    @property
    def events(self) -> Sequence[history.Event]:
        """Everything recorded so far."""
        return self._history.events() if self._history is not None else self._early

    def record(self, event: str, **facts: Any) -> None:
        """Write an event to the history; before there is one, remember it."""
        if self._history is not None:
            self._history.append(event, **facts)
        else:
            self._early.append({"event": event, "monotonic_s": time.monotonic(), **facts})

    def refuse(self, error: Exception) -> None:
        """The drill does not start; ``error`` says why."""
        self.record("refused" if isinstance(error, DrillError) else "crashed", where="opening", why=_in_words(error))

    def crashed(self, where: str, error: Exception) -> None:
        """chaosdrill itself failed."""
        logger.error(f"chaosdrill failed in {where}: {_in_words(error)}", exc_info=error)
        self.record("crashed", where=where, why=_in_words(error))

    def record_signals(self) -> None:
        """Write down signals that came; a signal handler must not."""
        while self._signals_noted:
            name, phase = self._signals_noted.popleft()
            self.record("interrupted", signal=name, phase=phase)
            if phase == "rollbacks":
                logger.warning(f"{name}: the rollbacks go on; once more to leave without the rest of them")

    def _note_signal(self, name: str) -> None:
        self._signals_noted.append((name, self.status.phase))

    def _region_changed(self, state: str, facts: Mapping[str, Any]) -> None:
        self.status.region = state
        self.record("region-state", state=state, facts=facts)

    def _safeguard_tripped(self, name: str, why: str, unreadable: bool) -> None:
        self.record("safeguard-tripped", safeguard=name, why=why, unreadable=unreadable)
        logger.error(f"Safeguard {name} {why}: the method ends here")
        exit_gracefully()

    # Watching -------------------------------------------------------------------------------------------------------

    def _watch(self, name: str, every_s: float, look: Any) -> None:
        watcher = Periodic(name, every_s, look, lambda error: self._trouble(name, error))
        self._watchers[name] = watcher
        self._cleanup.callback(watcher.stop)
        watcher.start()

    def _tick(self) -> None:
        self.record_signals()
        self._display.show()

    def _look_at_region(self) -> None:
        assert self.region_watch is not None
        self.region_watch.look()
        self._troubles.pop("region", None)

    def _look_at_load(self) -> None:
        assert self.load_watch is not None
        try:
            self.load_watch.look()
            self._troubles.pop("load", None)
        finally:
            self.status.error_ratio = self.load_watch.error_ratio

    def _trouble(self, name: str, error: Exception) -> None:
        """A watcher could not look: recorded when it begins, not every second."""
        if self._troubles.get(name) is None:
            self._troubles[name] = str(error)
            self.record("watch-failed", watch=name, why=_in_words(error))
            if name == "region":
                self.status.region = "unknown"

    def stop_looking(self) -> None:
        """Look at the target no more: it is about to go."""
        for name, watcher in self._watchers.items():
            if name != "display":
                watcher.stop()

    def give_up(self) -> None:
        """Stop the display and give up everything that is held: files, lock, the place of the open drill."""
        self._cleanup.close()


def _in_words(error: BaseException) -> str:
    return str(error) if isinstance(error, DrillError) else f"{type(error).__name__}: {error}"
