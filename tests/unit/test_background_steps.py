"""Background steps hold up no rollbacks: their waits end with the drill, and so does Chaos Toolkit's for them."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chaosdrill.aws import polling
from chaosdrill.aws.guard import guard_account
from chaosdrill.client import locust_rest
from chaosdrill.controls import signals as taking
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.signals import STOP, TAKEN, Signals
from chaosdrill.errors import CannotSee
from tests.small_drills import do, experiment
from tests.waiting import LONG_S, wait_for

NEVER_S = 10 * LONG_S


def dark() -> bool:
    raise CannotSee("dark")


WAITS: dict[str, Callable[[], object]] = {
    "pause": lambda: polling.pause(NEVER_S),
    "looks": lambda: list(polling.poll_times(NEVER_S)),
    "seen_within": lambda: polling.poll_until(lambda: False, bool, NEVER_S),
    "seen-and-blind": lambda: polling.poll_until(dark, bool, NEVER_S),
    "seen": lambda: list(polling.poll(dark, NEVER_S)),
    "locust": lambda: locust_rest.wait_for(lambda: False, bool, NEVER_S, "a test"),
}


class Step:
    """A step in the background, in a thread of its own, until the drill is stopped."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.stopped, self.begun = threading.Event(), threading.Event()
        self.ended: list[BaseException | None] = []
        self._work = work
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        polling.end_step_when(self.stopped.is_set)
        self.begun.set()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - whatever ends it
            self.ended.append(error)
        else:
            self.ended.append(None)


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_the_wait_of_a_step_ends_when_the_drill_is_stopped(wait: Callable[[], object]) -> None:
    one = Step(wait)
    assert one.begun.wait(LONG_S)
    assert one.ended == []
    one.stopped.set()
    one.thread.join(LONG_S)
    (error,) = one.ended
    assert isinstance(error, SystemExit), "no failure of the step"


def test_a_wait_of_another_thread_goes_on() -> None:
    """Of a rollback, when a step in the background was ended before in another one."""
    one = Step(lambda: polling.pause(NEVER_S))
    one.stopped.set()
    one.thread.join(LONG_S)
    polling.pause(0.01)
    two = Step(lambda: (polling.end_step_when(None), polling.pause(0.01)))
    two.stopped.set()
    two.thread.join(LONG_S)
    assert two.ended == [None]


class Events:
    """Keeps what is registered with botocore's events."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def register(self, name: str, handler: Any) -> None:
        self.handlers[name] = handler


@pytest.mark.parametrize(("operation", "is_sent"), [("StartExecution", False), ("DescribeExecution", True)])
def test_a_step_of_a_stopped_drill_changes_nothing_more(operation: str, is_sent: bool) -> None:
    events, client, keys = Events(), type("Client", (), {})(), type("Keys", (), {"current": lambda self: None})()
    client.meta = type("Meta", (), {"events": events})()
    guard_account(client, keys, lambda: None)
    sign, go_on = events.handlers["before-sign"], threading.Event()
    one = Step(lambda: (go_on.wait(LONG_S), sign(request=None, operation_name=operation)))
    one.stopped.set()
    go_on.set()
    one.thread.join(LONG_S)
    assert [isinstance(error, SystemExit) for error in one.ended] == [not is_sent]


def test_background_steps_of_the_method_end_with_it_and_those_of_the_rollbacks_do_not() -> None:
    session = Session(experiment([do("work")], [do("back")]), {}, None)
    session.opened = True
    ended: list[str] = []

    def run(activity: Any) -> None:
        session.begin_activity({**activity})  # foreign: not listed
        session.begin_activity(activity)
        session.signals.leaving = True
        try:
            polling.pause(0.01)
            ended.append("by itself")
        except SystemExit:
            ended.append("with the drill")

    for phase, part in (("method", "method"), ("rollbacks", "rollbacks")):
        session.status.phase = phase
        session.signals.leaving = False
        activity = session.experiment[part][0]
        activity["background"] = True
        thread = threading.Thread(target=run, args=[activity])
        thread.start()
        thread.join(LONG_S)
    assert ended == ["with the drill", "by itself"]


CHAOSLIB: dict[str, Any] = {"__name__": "chaoslib.run"}
exec("def apply_activities(pool):\n    pool.shutdown(wait=True)\n", CHAOSLIB)


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Signals]:
    """Signals taken from handlers that raise SystemExit, as chaoslib's do."""

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(20)

    monkeypatch.setattr(taking, "BACKGROUND_ENDS_WITHIN_S", 0.0)
    before = {number: signal.signal(number, leave) for number in TAKEN}
    one = Signals(lambda name: None)
    one.install()
    yield one
    one.restore()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_chaos_toolkits_wait_for_a_step_that_does_not_end_is_ended(signals: Signals) -> None:
    go_on, pool = threading.Event(), ThreadPoolExecutor(1)
    step = pool.submit(go_on.wait, LONG_S)
    signals.leaving = True
    beside = threading.Thread(target=lambda: wait_for(signals.leave_background))
    beside.start()
    try:
        with pytest.raises(SystemExit):
            CHAOSLIB["apply_activities"](pool)
        assert not step.done()
    finally:
        go_on.set()
        beside.join()


def test_nothing_else_is_ended_by_it(signals: Signals) -> None:
    signals.leaving = True
    assert not signals.leave_background(), "nothing waits"
    signals._leaves_wait = True
    os.kill(os.getpid(), STOP)  # comes when the wait has ended by itself
    assert not signals._leaves_wait
    signals.leaving = False
    with pytest.raises(SystemExit):
        signals.stop_method()
