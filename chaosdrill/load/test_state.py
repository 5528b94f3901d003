"""The state of a Locust's test: since when it has all users and workers, the workers that it began with, its users.

It uses Locust's own objects, but imports none of them: it runs inside Locust, beside ``plugin``.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

IDLE = ("ready", "stopped")
UNPOLLED_VARIABLE = "CHAOSDRILL_LOAD_UNPOLLED_S"
UNPOLLED_S = 900.0  # the same as for the programs on a client host without a command
MESSAGES_SHOWN = 5
LONGEST_MESSAGE = 200  # characters
_REPR = re.compile(r"(\w+)\((['\"])(.*)\2\)$")  # such as HTTPError('404 Client Error')


class LoadTestState:
    """The state of the running test, or of the last one.

    :param workers: returns the ids of the workers that are connected now; None: users run in this process.
    :param now_s: the clock, seconds since the epoch.
    :param unpolled_s: how long a test continues after the last poll of the driver that has polled it.
    """

    def __init__(
        self,
        environment: Any,
        workers: Callable[[], Sequence[str]] | None,
        now_s: Callable[[], float],
        unpolled_s: float = UNPOLLED_S,
    ) -> None:
        self._environment, self._now_s = environment, now_s
        self._distributed, self._workers = workers is not None, workers or _no_workers
        self._wanted = max(1, getattr(environment.parsed_options, "expect_workers", None) or 1)
        self._began_with: set[str] = set()
        self._as_meant_since_s: float | None = None
        self._started_s: float | None = None
        self._stopping_s: float | None = None
        self._ends_s: float | None = None
        self._unpolled_s = unpolled_s
        self._polled_s: float | None = None
        self._classes_at_first = [one.__name__ for one in environment.user_classes]

    def begin(self, **_: Any) -> None:
        """Handle Locust's ``test_start`` event: the workers that are present now must stay to the end."""
        self._began_with = set(self._workers())
        self._as_meant_since_s = self._stopping_s = self._polled_s = None
        self._started_s = self._now_s()

    def end(self, **_: Any) -> None:
        """Handle Locust's ``test_stopping`` event."""
        self._stopping_s = self._now_s()
        self._ends_s = None

    def change(self, run_time_s: float | None) -> None:
        """Note that Locust accepted a number of users, with a run time or without one."""
        self._as_meant_since_s = None
        self._ends_s = None if run_time_s is None else self._now_s() + run_time_s

    def poll(self) -> None:
        """Note that the driver has polled the test, so it is alive."""
        self._polled_s = self._now_s()

    def is_abandoned(self) -> bool:
        """Return whether a test that a driver polled still runs, and the driver no longer polls it."""
        if self._polled_s is None or self._environment.runner.state in (*IDLE, "stopping", "cleanup"):
            return False
        return self._now_s() - self._polled_s > self._unpolled_s

    def look(self) -> None:
        """Check users and workers. Call it often: a moment in which some are missing ends the complete period."""
        runner, present = self._environment.runner, set(self._workers())
        full = 0 < runner.target_user_count <= runner.user_count
        if runner.state != "running" or not full or not self._began_with <= present or len(present) < self._wanted:
            self._as_meant_since_s = None
            return
        self._began_with |= present  # a worker that came later has users of its own
        if self._as_meant_since_s is None:
            self._as_meant_since_s = self._now_s()

    def choose(self, names: Sequence[str]) -> str:
        """Choose the users of the next test.

        :param names: of user classes; without any, those that Locust was started with.
        :returns: why that is not possible; empty: they are chosen.
        """
        available = self._available()
        if unknown := [name for name in names if name not in available]:
            return f"no user class {', '.join(unknown)} in the load script; it has {', '.join(sorted(available))}"
        if self._environment.runner.state not in IDLE:
            return "a test runs: a running user class cannot be taken away"
        chosen = names or [name for name in self._classes_at_first if name in available]
        self._environment.user_classes = [available[name] for name in dict.fromkeys(chosen)]
        return ""

    def _available(self) -> dict[str, Any]:
        """Return the user classes by name, without those of weight 0, which Locust never uses."""
        environment = self._environment
        classes = environment.available_user_classes or environment.user_classes_by_name
        return {name: one for name, one in classes.items() if one.weight > 0 or one.fixed_count > 0}

    def state(self) -> dict[str, Any]:
        """Return the present state."""
        self.look()
        environment, runner, present = self._environment, self._environment.runner, set(self._workers())
        exceptions = sorted(runner.exceptions.values(), key=lambda row: -row["count"])
        errors = sorted(runner.stats.errors.values(), key=lambda one: -one.occurrences)[:MESSAGES_SHOWN]
        return {
            "now": self._now_s(),
            "state": runner.state,
            "user_count": runner.user_count,
            "target_user_count": runner.target_user_count,
            "spawn_rate": getattr(environment.parsed_options, "spawn_rate", None),
            "distributed": self._distributed,
            "workers": len(present),
            "workers_expected": self._wanted,
            "workers_wanted": max(self._wanted, len(self._began_with)),
            "workers_gone": len(self._began_with - present),
            "as_meant_since": self._as_meant_since_s,
            "started": self._started_s,
            "stopping": self._stopping_s,
            "ends": self._ends_s,
            "host": environment.host,
            "user_classes": [one.__name__ for one in environment.user_classes],
            "user_classes_available": sorted(self._available()),
            "shape": type(environment.shape_class).__name__ if environment.shape_class else "",
            "exceptions": sum(row["count"] for row in exceptions),
            "exception_messages": [str(row["msg"])[:LONGEST_MESSAGE] for row in exceptions[:MESSAGES_SHOWN]],
            "errors": [[_name_of(one), one.occurrences] for one in errors],
        }


def _no_workers() -> Sequence[str]:
    return ["local"]


def _name_of(error: Any) -> str:
    """Return an error of requests in words, as Locust shows it; its class if its own text is not available."""
    try:
        return _REPR.sub(r"\3 (\1)", str(error.to_name()))[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001 - raised by a load script's own object
        return f"{error.method} {error.name}: {type(error.error).__name__}"[:LONGEST_MESSAGE]
