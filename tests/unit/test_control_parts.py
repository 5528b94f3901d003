"""Parts of the drill control that need no run: settings, outcomes, display, summary."""

import logging
import os
import signal
import time
from functools import partial

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from chaoslib.exceptions import ActivityFailed

from chaosdrill.activity import action, probe, take_failure
from chaosdrill.client.load_generator import load_generator
from chaosdrill.controls.arguments import Arguments, problems_of_arguments, problems_of_values, problems_of_variables
from chaosdrill.controls.outcome import StepClock, outcome_of
from chaosdrill.controls.settings import read_settings
from chaosdrill.controls.signals import TAKEN, Signals
from chaosdrill.controls.tolerance import meets
from chaosdrill.errors import CannotSee, codes_of
from tests.failing import fails_with
from tests.waiting import wait_for


def test_a_password_in_the_load_generators_url_is_refused_and_not_shown() -> None:
    _, (problem,) = read_settings({"load_generator_url": "http://driller:planted-pw@127.0.0.1:8089"})
    assert (problem.code, problem.startswith("load_generator_url ")) == ("setting-invalid", True)
    assert "`secrets:`" in problem
    assert "planted" not in problem
    with fails_with("password-in-url"):  # outside a drill, too
        load_generator({"load_generator_url": "http://driller@127.0.0.1:8089"})


def test_numbers_given_as_text_become_numbers():
    configuration = {"users": "50", "spawn_rate": 2, "scale": "0.5", "loss_percent": "30.0", "other": "x"}
    settings, problems = read_settings(configuration)
    (problem,) = problems
    assert (problem.code, problem.startswith("loss_percent: '30.0' ")) == ("setting-invalid", True)
    assert problem.endswith(" 1 to 100")
    assert (configuration["users"], configuration["spawn_rate"], settings.scale) == (50, 2.0, 0.5)


@pytest.mark.parametrize("bad", [0, -1, "ten", None, True, 1.5, [1]])
def test_a_bad_number_is_named(bad):
    _, (problem,) = read_settings({"users": bad})
    assert (problem.code, problem.startswith(f"users: {bad!r} ")) == ("setting-invalid", True)
    assert problem.endswith(" 1 to 100000")


def test_variables_that_nobody_declared_are_named_once():
    part = {"a": ["${x} ${y}", "$${no}"], "b": {"c": "${x}"}}
    assert [problem.split(":")[0] for problem in problems_of_variables(part, {"y"})] == ["${x}"]


@pytest.mark.parametrize("bad", [0, -1, True, "ten", float("nan"), float("inf")])
def test_an_objective_that_nothing_could_miss_is_named(bad):
    (problem,) = problems_of_values(Arguments(objectives={"rto_s": bad}))
    assert (problem.code, problem.startswith(f"objectives: rto_s: {bad!r} ")) == ("objective-invalid", True)
    assert problem.endswith(" 0")


@pytest.mark.parametrize("bad", [0.01, True, "often", float("nan"), float("inf"), 1e300])
def test_a_frequency_at_which_nobody_would_look_is_named(bad):
    guard = {"type": "probe", "name": "g", "tolerance": 1, "frequency": bad, "provider": {"type": "x"}}
    found = [one for one in problems_of_arguments({"safeguards": [guard]}) if " frequency " in one]
    assert codes_of(found) == ["safeguard-invalid"]
    assert [one for one in ("safeguards: g: ", f" {bad!r},", " 0.1 to 3600") if one not in found[0]] == []


def test_objectives_are_a_mapping():
    (problem,) = problems_of_arguments({"objectives": ["rto_s"]})
    assert problem.code == "objective-invalid"
    assert [one for one in (" objectives: ", " mapping, ", "{rto_s: 300}") if one not in problem] == []


@pytest.mark.parametrize(
    ("tolerance", "value", "expected"),
    [
        ("${home}", "tokyo", True),
        (True, False, False),
        ({"type": "regex", "pattern": "^a"}, "ba", False),
        ([1, 3], 2, True),
    ],
)
def test_tolerances_as_chaos_toolkit_reads_them(tolerance, value, expected):
    assert meets(tolerance, value, {"home": "tokyo"}, None) is expected


@pytest.mark.parametrize(("tolerance", "value"), [({"type": "regex", "pattern": "x"}, None), (0.5, 0.5), ([1, 3], "x")])
def test_what_cannot_be_compared_is_blind(tolerance, value):
    with pytest.raises(CannotSee):
        meets(tolerance, value, {}, None)


def test_an_outcome_names_the_error_behind_a_failure():
    trace = [
        "Traceback (most recent call last):\n",
        "chaosdrill.errors.CannotSee: two\nlines\n",
        "\nThe above exception was the direct cause of the following exception:\n\n",
        "chaoslib.exceptions.ActivityFailed: chaoslib.exceptions.ActivityFailed: two\nlines\n",
    ]
    run = {"status": "failed", "output": None, "exception": trace}
    outcome = outcome_of({"tolerance": 1}, run, False, {}, None, CannotSee("two\nlines"))
    assert (outcome.status, outcome.error_kind, outcome.problem) == ("failed", "CannotSee", "two\nlines")


@probe
def refused_by_aws() -> None:
    raise ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, "GetItem")


@action
def change_refused_by_aws(standalone: bool = False) -> None:
    raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("activity", "kind"), [(refused_by_aws, "CannotSee"), (partial(change_refused_by_aws, standalone=True), "")]
)
def test_an_error_of_aws_leaves_a_probe_without_a_result_and_has_its_code(activity, kind):
    with pytest.raises(ActivityFailed):
        activity()
    run = {"status": "failed", "output": None, "exception": ["no"]}
    outcome = outcome_of({}, run, False, {}, None, take_failure())
    assert (outcome.error_kind, outcome.error_codes) == (kind, ("aws-request-failed",))


def test_an_activity_without_a_result_was_interrupted():
    assert outcome_of({}, None, False, {}, None).status == "interrupted"


@pytest.mark.parametrize("set_s", [100, -100])
def test_a_step_during_which_the_clock_is_set_lasts_as_long_as_it_did(monkeypatch, set_s):
    wall, clock = time.time, StepClock()
    began_s = time.monotonic()
    wait_for(lambda: time.monotonic() - began_s, lambda elapsed_s: elapsed_s > 0.02, "20 ms")
    monkeypatch.setattr(time, "time", lambda: wall() + set_s)
    assert clock.duration_s(0.01 + set_s) == pytest.approx(0.01, abs=0.005)
    assert clock.duration_s(None) is None
    assert clock.duration_s(-99.9 - set_s) >= 0.02, "what the clock cannot explain is the elapsed time"


def test_without_a_change_of_the_clock_a_duration_is_chaos_toolkits():
    assert StepClock().duration_s(2.375554) == 2.375554


def test_a_dry_step_is_not_held_against_its_tolerance():
    run = {"status": "succeeded", "output": None}
    assert outcome_of({"tolerance": 1}, run, True, {}, None).problem == ""
    assert outcome_of({"tolerance": 1}, run, False, {}, None).problem == "is None, expected 1"


@pytest.fixture
def taken():
    """Signals, what they noted, and what came through to the handlers that were there before."""
    noted, through = [], []
    before = {number: signal.getsignal(number) for number in TAKEN}
    for number in before:
        signal.signal(number, lambda n, frame: through.append(signal.Signals(n).name))
    signals = Signals(noted.append)
    signals.install()
    yield signals, noted, through
    signals.restore()
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*names):
    for name in names:
        os.kill(os.getpid(), signal.Signals[name])


def test_the_first_signal_comes_through_and_later_ones_wait_for_the_rollbacks(taken):
    signals, noted, through = taken
    send("SIGINT", "SIGINT", "SIGTERM")
    assert (noted, through) == (["SIGINT", "SIGINT", "SIGTERM"], ["SIGINT"])
    assert signals.leaving


def test_in_the_rollbacks_it_takes_two(taken):
    signals, _, through = taken
    signals.leaving = signals.can_give_up = True
    send("SIGINT")
    assert through == []
    send("SIGTERM")
    assert through == ["SIGTERM"]


def test_a_safeguard_that_trips_too_late_is_not_heard(taken):
    signals, noted, through = taken
    signals.leaving = signals.can_give_up = True
    for _ in range(3):
        signals.stop_method()
    assert (noted, through) == ([], [])


def test_the_drills_own_stop_is_no_interruption(taken):
    signals, noted, through = taken
    signals.stop_method()
    assert (noted, through, signals.stopped) == ([], ["SIGUSR1"], False)


def test_another_controls_stop_is_noted_whenever_it_comes_and_never_cuts_the_rollbacks(taken):
    signals, noted, through = taken
    send("SIGUSR1")
    assert (noted, through, signals.stopped) == (["SIGUSR1"], ["SIGUSR1"], True)
    signals.can_give_up = True
    send("SIGUSR1", "SIGUSR1")
    assert (noted, through) == (["SIGUSR1"] * 3, ["SIGUSR1"])


@pytest.mark.parametrize(
    ("leaving", "can_give_up", "delivered"), [(False, False, 1), (True, True, 1), (True, False, 0)]
)
def test_to_leave_without_rollbacks_is_remembered_where_it_cannot_be_done_at_once(
    taken, leaving, can_give_up, delivered
):
    signals, noted, through = taken
    signals.leaving, signals.can_give_up = leaving, can_give_up
    send("SIGUSR2")
    assert (noted, through, signals.no_rollbacks) == (["SIGUSR2"], ["SIGUSR2"] * delivered, True)


class SignalsWhileItWrites(logging.Handler):
    """A log in the middle of which a signal comes."""

    def __init__(self, through, then=lambda: None):
        super().__init__()
        self.through, self.then, self.delivered_meanwhile = through, then, None

    def emit(self, record):
        send("SIGUSR1")
        self.delivered_meanwhile = list(self.through)
        self.then()


def test_a_signal_in_the_middle_of_logging_is_delivered_after_it(taken):
    """Else the log's lock stays taken, and the process never exits."""
    _, noted, through = taken
    log, handler = logging.getLogger("test-signals"), SignalsWhileItWrites(through)
    log.addHandler(handler)
    log.warning("now")
    log.removeHandler(handler)
    wait_for(lambda: through, bool, "the signal")
    assert (handler.delivered_meanwhile, noted, through) == ([], ["SIGUSR1"], ["SIGUSR1"])


def test_a_signal_that_is_still_due_is_dropped_when_what_it_would_end_has_ended(taken):
    """Else it comes when the drill is closed, or ends the process before Chaos Toolkit has written its journal."""
    signals, noted, through = taken
    log, handler = logging.getLogger("test-signals"), SignalsWhileItWrites(through, signals.settle)
    log.addHandler(handler)
    log.warning("now")
    log.removeHandler(handler)
    signals.restore()
    assert (noted, through) == (["SIGUSR1"], [])


def test_signals_are_taken_once(taken):
    signals, _, through = taken
    signals.install()
    send("SIGINT")
    assert through == ["SIGINT"]
