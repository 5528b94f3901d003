"""Probes that are watched during the method; one that misses its tolerance, or cannot see, stops the drill."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaoslib.activity import run_activity
from chaoslib.exceptions import ActivityFailed

from chaosdrill.controls.tolerance import meets, resolved
from chaosdrill.controls.watching import Periodic
from chaosdrill.errors import CannotSee
from chaosdrill.sentences import as_it_is, sentence

TIMEOUT_S = 30.0
Tripped = Callable[[str, str, bool], None]  # safeguard, why, whether it could not see


class Safeguards:
    """All safeguards of an experiment, each in a thread of its own.

    :param tripped: told once, by the first that trips: its name, why, and whether it could not see.
    """

    def __init__(
        self,
        probes: Sequence[Mapping[str, Any]],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any] | None,
        tripped: Tripped,
    ) -> None:
        self._guards = [_Guard(probe, configuration, secrets, tripped) for probe in probes]
        self._threads = [
            Periodic(f"safeguard-{guard.name}", guard.every_s, guard.look, guard.crashed) for guard in self._guards
        ]
        for guard in self._guards:  # a probe that hangs cannot tell so itself
            self._threads.append(Periodic(f"answers-{guard.name}", 1.0, guard.check_answer, guard.crashed))

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Watch no longer; a probe that is under way is not heard any more."""
        for guard in self._guards:
            guard.off = True
        for thread in self._threads:
            thread.stop(within_s=0.0)


class _Guard:
    def __init__(
        self,
        probe: Mapping[str, Any],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any] | None,
        tripped: Tripped,
    ) -> None:
        self.name = str(probe["name"])
        self.every_s = float(probe.get("frequency", 1))
        self.off = False
        self._probe, self._configuration, self._secrets = dict(probe), configuration, secrets
        self._tripped = tripped
        self._needed = int(probe.get("in_a_row", 1))
        self._missed = 0
        self._timeout_s = float(probe.get("timeout_s", TIMEOUT_S))
        self._asked_at: float | None = None

    def look(self) -> None:
        self._asked_at = time.monotonic()
        try:
            self._look()
        finally:
            self._asked_at = None

    def check_answer(self) -> None:
        """Trip when the probe has not answered in time."""
        asked_at = self._asked_at
        if asked_at is not None and time.monotonic() - asked_at > self._timeout_s:
            why = sentence("no answer within {seconds:g} s", seconds=self._timeout_s)
            self._trip(sentence("cannot be read: {why}", why=why), unreadable=True)

    def _look(self) -> None:
        try:
            value = run_activity(self._probe, self._configuration, self._secrets)
            good = meets(self._probe["tolerance"], value, self._configuration, self._secrets)
        except (ActivityFailed, CannotSee) as error:
            self._miss(sentence("cannot be read: {why}", why=as_it_is(error)), unreadable=True)
            return
        if good:
            self._missed = 0
        else:
            expected = resolved(self._probe["tolerance"], self._configuration, self._secrets)
            values = {"value": repr(value), "expected": repr(expected)}
            self._miss(sentence("is {value}, expected {expected}", **values), unreadable=value == "unknown")

    def crashed(self, error: Exception) -> None:
        why = as_it_is(f"{type(error).__name__}: {error}")
        self._miss(sentence("cannot be read: {why}", why=why), unreadable=True)

    def _miss(self, why: str, unreadable: bool) -> None:
        self._missed += 1
        if self._missed >= self._needed:
            self._trip(why, unreadable)

    def _trip(self, why: str, unreadable: bool) -> None:
        if not self.off:
            self.off = True
            self._tripped(self.name, why, unreadable)
