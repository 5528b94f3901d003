"""When a load that begins is given up because nothing in it succeeds; what a late response is to those who wait."""

from pathlib import Path
from typing import Any

import pytest

from chaosdrill.client.locust_page import ResponseTimedOut
from chaosdrill.client.locust_rest import patiently, wait_for
from chaosdrill.client.plugin_responses import LoadState, LoadWindow
from chaosdrill.load.load_control import StartCheck
from tests.contract.activities_rig import drill
from tests.failing import fails_with

STARTED_S = 1000.0
STATE: dict[str, Any] = {
    "state": "spawning",
    "user_count": 3,
    "target_user_count": 10,
    "spawn_rate_per_s": 1.0,
    "distributed": False,
    "workers": 1,
    "workers_expected": 1,
    "workers_wanted": 1,
    "workers_gone": 0,
    "as_meant_since_s": None,
    "started_s": STARTED_S,
    "stopping_s": None,
    "ends_s": None,
    "locustfiles": (),
    "host": None,
    "user_classes": (),
    "user_classes_available": (),
    "shape": "",
    "exceptions": 0,
    "exception_messages": (),
    "errors": (),
}


def state(**changes: Any) -> LoadState:
    return LoadState(**{"now_s": STARTED_S, **STATE, **changes})


def window(after_s: float, requests: int, failures: int, raised: int = 0) -> LoadWindow:
    """What ended in the first ``after_s`` seconds of a load."""
    errors = (("GET /call: refused", failures),) if failures else ()
    messages = ("no account left",) if raised else ()
    load = state(now_s=STARTED_S + after_s, errors=errors, exceptions=raised, exception_messages=messages)
    return LoadWindow(
        STARTED_S, load.now_s, requests, failures, raised, 0, None, None, None, None, None, True, None, load
    )


class TestFailing:
    def test_every_request_for_so_long(self) -> None:
        start = StartCheck("http://x", STARTED_S)
        for after_s in (0.5, 4.0, 7.9):
            start.check(window(after_s, 5, 5))
        with fails_with("load-requests-failing") as error:
            start.check(window(8.0, 9, 9))
        assert "GET /call: refused (9)" in str(error.value)

    def test_the_script_before_any_request(self) -> None:
        start = StartCheck("http://x", STARTED_S)
        start.check(window(1.0, 0, 0, raised=3))
        with fails_with("load-script-raised") as error:
            start.check(window(8.1, 0, 0, raised=9))
        assert "no account left" in str(error.value)

    def test_is_only_logged_in_the_method(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with drill(tmp_path) as one_drill:
            one_drill.history.append("activity-started", activity="load", phase="method")
            start = StartCheck("http://x", STARTED_S)
            for after_s in (0.5, 8.0, 9.0, 30.0):
                start.check(window(after_s, 5, 5))
        assert [row.levelname for row in caplog.records if "http://x" in row.message] == ["WARNING"]

    def test_not_when_one_request_succeeds(self) -> None:
        start = StartCheck("http://x", STARTED_S)
        for after_s in (1.0, 8.0, 30.0):
            start.check(window(after_s, 100, 99, raised=9))

    def test_not_while_no_request_has_ended(self) -> None:
        start = StartCheck("http://x", STARTED_S)
        for after_s in (1.0, 8.0, 30.0):
            start.check(window(after_s, 0, 0))

    def test_not_before_the_first_failure_is_some_seconds_old(self) -> None:
        start = StartCheck("http://x", STARTED_S)
        start.check(window(9.0, 1, 1))
        start.check(window(11.5, 3, 3))
        with fails_with("load-requests-failing"):
            start.check(window(12.0, 4, 4))


@pytest.mark.parametrize(
    ("changes", "worker"),
    [
        ({"state": "spawning", "distributed": True}, False),
        ({"state": "running", "distributed": True}, True),
        ({"state": "running"}, False),
        ({"state": "running", "exceptions": 2, "exception_messages": ("no account left",)}, False),
    ],
)
def test_only_where_there_are_workers_one_may_have_gone(changes: dict[str, Any], worker: bool) -> None:
    (missing,) = [one for one in state(**changes).problems() if one.code == "load-users-missing"]
    assert ("worker" in missing) is worker


class TestLateResponses:
    def test_count_as_not_good_yet(self) -> None:
        answers = iter([ResponseTimedOut("late"), 1, ResponseTimedOut("late"), 2])

        def poll() -> int:
            answer = next(answers)
            if isinstance(answer, ResponseTimedOut):
                raise answer
            return answer

        assert wait_for(poll, lambda value: value == 2, 10, "two", 0.0) == 2

    def test_end_at_the_deadline(self) -> None:
        def late() -> LoadState:
            raise ResponseTimedOut("late", code="locust-response-late")

        with fails_with("load-not-answered"):
            wait_for(late, bool, 0.0, "it", 0.0, code="load-not-answered")
        with fails_with("locust-response-late"):
            patiently(late, 0.0)

    def test_what_was_observed_last_is_in_words(self) -> None:
        with fails_with("timed-out") as error:
            wait_for(lambda: window(1.0, 2, 2), lambda _: False, 0.0, "it", 0.0)
        assert "Window(" not in str(error.value)
        assert f"{window(1.0, 2, 2)}" in str(error.value)
