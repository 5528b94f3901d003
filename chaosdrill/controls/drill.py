"""The drill control. Under an experiment's ``controls:``::

    - name: drill
      provider:
        type: python
        module: chaosdrill.controls.drill
        arguments: {expect: ..., objectives: ..., setup: [...], safeguards: [...]}

It opens the run, starts or finds the target, runs ``setup``, refuses a drill that does not start in the state of
``expect``, stops the method after a failed step or a missed tolerance, runs the safeguards, and judges the drill. It
fails closed: any failure of its own before the rollbacks ends the experiment.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from chaoslib.exceptions import ChaosException, InterruptExecution, InvalidControl
from chaoslib.types import Activity, Configuration, Control, Experiment, Hypothesis, Journal, Run, Secrets

from chaosdrill.controls.arguments import problems_of_arguments
from chaosdrill.controls.control_validation import MODULE, arguments_of_control, problems_of_control
from chaosdrill.controls.display import take_colours_out_of_logs
from chaosdrill.controls.exit_code import set_exit_code
from chaosdrill.controls.experiment import find_source, problems_of_size
from chaosdrill.controls.junit import remove_earlier_junit, write_drill_junit
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.outcome import steady_state_met
from chaosdrill.controls.shutdown import end_drill
from chaosdrill.controls.startup import open_drill
from chaosdrill.controls.summary import print_summary
from chaosdrill.errors import BadInput
from chaosdrill.terminal_text import keep_streams_writable

__all__ = [
    "after_activity_control",
    "after_experiment_control",
    "after_hypothesis_control",
    "after_method_control",
    "after_rollback_control",
    "before_activity_control",
    "before_experiment_control",
    "before_hypothesis_control",
    "before_method_control",
    "before_rollback_control",
    "cleanup_control",
    "configure_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")
Hook = Callable[..., None]

_session: Session | None = None


def validate_control(control: Control) -> None:
    """Check the control and its arguments, for ``chaos validate`` and before ``chaos run``.

    :raises InvalidControl: with every misspelt argument, activity, and argument of an activity, as far as they do not
        depend on the experiment's configuration.
    """
    take_colours_out_of_logs()
    keep_streams_writable()
    problems = problems_of_size(find_source())
    if problems := problems or problems_of_control(control) + problems_of_arguments(arguments_of_control(control)):
        set_exit_code("refused", reported=ChaosException)
        raise InvalidControl("\n".join(problems)) from BadInput(problems)


def _fails_closed(hook: Hook) -> Hook:
    """Make a hook end the experiment with its exception, except in the rollbacks. Chaos Toolkit hides all exceptions
    of a control but one.
    """

    @functools.wraps(hook)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            hook(*args, **kwargs)
        except InterruptExecution:
            raise
        except Exception as error:
            where = hook.__name__.replace("_control", "").replace("_", " ")
            if _session is None:
                raise InterruptExecution(f"chaosdrill failed in {where}: {error}") from error
            try:
                _session.record.crashed(where, error)
            finally:  # also when the record itself cannot be written, because the disk is full
                if _session.status.phase not in ("rollbacks", "closing") and where != "after experiment":
                    _session.stop(f"chaosdrill failed in {where}: {error}")

    return guarded


def _the_session() -> Session:
    if _session is None or not _session.opened:
        raise InterruptExecution("the drill was not opened, so nothing is run")
    return _session


def configure_control(
    experiment: Experiment, configuration: Configuration = None, secrets: Secrets = None, **_: Any
) -> None:
    """Handle signals before any control begins: a control before this one may already end the drill."""
    global _session
    if _session is None:
        _session = Session(experiment, configuration, secrets)
        _session.signals.install()


@_fails_closed
def before_experiment_control(
    context: Experiment, configuration: Configuration = None, secrets: Secrets = None, **_: Any
) -> None:
    """Open the drill.

    :raises InterruptExecution: when it must not start; the reason is in the message and in the summary.
    """
    global _session
    if _session is not None and _session.opened:
        raise InterruptExecution(f"the control {MODULE} is declared twice: keep it in the experiment only")
    take_colours_out_of_logs()
    keep_streams_writable()
    remove_earlier_junit()
    if _session is None:
        _session = Session(context, configuration, secrets)
    _session.opened = True
    try:
        open_drill(_session)
    except InterruptExecution:
        raise
    except Exception as error:
        _session.record.refused(error)
        raise InterruptExecution(f"The drill does not start: {error}") from error


@_fails_closed
def before_hypothesis_control(context: Hypothesis, **_: Any) -> None:
    """Begin a check of the steady state."""
    _the_session().begin_hypothesis()


@_fails_closed
def after_hypothesis_control(context: Hypothesis, state: Any = None, **_: Any) -> None:
    """End a check of the steady state."""
    _the_session().notice_interruption()
    _the_session().end_hypothesis(steady_state_met(state))


@_fails_closed
def before_method_control(context: Experiment, **_: Any) -> None:
    """Begin the method, and with it the safeguards."""
    _the_session().begin_method()


@_fails_closed
def after_method_control(context: Experiment, **_: Any) -> None:
    """End the method."""
    _the_session().notice_interruption()
    _the_session().end_method()


@_fails_closed
def before_rollback_control(context: Experiment, **_: Any) -> None:
    """Begin the rollbacks.

    :raises InterruptExecution: when this run did nothing, so that no rollback runs.
    """
    _the_session().begin_rollbacks()


@_fails_closed
def after_rollback_control(context: Experiment, **_: Any) -> None:
    """End the rollbacks."""
    _the_session().end_rollbacks()


@_fails_closed
def before_activity_control(context: Activity, **_: Any) -> None:
    """Record in the history that an activity begins."""
    if _session is not None:  # an activity of another control may run before the drill is opened, and after it
        _session.begin_activity(context)


@_fails_closed
def after_activity_control(context: Activity, state: Run = None, **_: Any) -> None:
    """Record in the history how an activity ended.

    :raises InterruptExecution: in setup and method, when it failed or missed its tolerance.
    """
    if _session is not None:
        _session.end_activity(context, state)


@_fails_closed
def after_experiment_control(context: Experiment, state: Journal = None, **_: Any) -> None:
    """Judge the drill and set the journal's status, which determines the exit code.

    It never raises: other controls end after this one, and a process whose safeguards were not ended does not exit.
    """
    interrupted = state is not None and state["status"] == "interrupted"
    if state is not None:
        state["status"] = "aborted"
    if _session is not None:
        end_drill(_session, state, interrupted)


def cleanup_control() -> None:
    """Print the summary, as the last output. This is the last hook of all."""
    global _session
    session, _session = _session, None
    if session is None:
        return
    try:
        end_drill(session, None)
        if session.said is not None:
            write_drill_junit(session.said)
            print_summary(session.said, session.owed)
            set_exit_code(session.said["verdict"], leaves_threads=session.signals.left_background)
    except Exception as error:
        logger.error(f"the drill could not be closed: {error}", exc_info=error)
        set_exit_code("invalid")
    finally:
        session.signals.restore()
