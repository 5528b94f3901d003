"""Repeated reads that stop a drill: the experiment's safeguard probes, and chaosdrill's stop conditions.

A number of consecutive misses trips a guard: results that are wrong or unreadable. So does a read that does not end in
time.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaoslib.activity import run_activity
from chaoslib.exceptions import ActivityFailed

from chaosdrill.controls.tolerance import meets, resolved
from chaosdrill.controls.watching import Periodic
from chaosdrill.errors import CannotSee
from chaosdrill.messages import as_it_is, sentence

TIMEOUT_S = 30.0
Tripped = Callable[[str, str, bool], None]  # the guard's name, the reason, and whether it could not be read


@dataclass(frozen=True)
class Miss:
    """A read with a wrong result, or (``unreadable``) without one."""

    why: str
    unreadable: bool = False


@dataclass(frozen=True)
class Patience:
    """The frequency and the tolerance of a guard.

    :param every_s: seconds between the beginnings of two reads.
    :param timeout_s: how long a read may take, in seconds.
    :param misses: how many consecutive misses trip it.
    :param unreadable: how many consecutive misses trip it when the last one was unreadable.
    """

    every_s: float = 1.0
    timeout_s: float = TIMEOUT_S
    misses: int = 1
    unreadable: int = 1


class Guard:
    """A condition that stops the drill, once.

    :param read: returns what is wrong; None when nothing is. An error that it raises counts as unreadable.
    :param tripped: called once: with the name, the reason, and whether it could not be read.
    """

    def __init__(self, name: str, read: Callable[[], Miss | None], tripped: Tripped, patience: Patience) -> None:
        self.name, self.patience, self.off = name, patience, False
        self._read, self._tripped = read, tripped
        self._missed = 0
        self._asked_at: float | None = None

    def look(self) -> None:
        """Read once."""
        self._asked_at = time.monotonic()
        try:
            self._judge(self._read())
        except (ActivityFailed, CannotSee) as error:
            self._judge(Miss(sentence("cannot be read: {why}", why=as_it_is(error)), unreadable=True))
        finally:
            self._asked_at = None

    def check_answer(self) -> None:
        """Trip when a read has not ended in time."""
        asked_at, timeout_s = self._asked_at, self.patience.timeout_s
        if asked_at is not None and time.monotonic() - asked_at > timeout_s:
            why = sentence("no answer within {seconds:g} s", seconds=timeout_s)
            self._trip(Miss(sentence("cannot be read: {why}", why=why), unreadable=True))

    def crashed(self, error: Exception) -> None:
        """Count a read that raised an error."""
        why = as_it_is(f"{type(error).__name__}: {error}")
        self._judge(Miss(sentence("cannot be read: {why}", why=why), unreadable=True))

    def _judge(self, miss: Miss | None) -> None:
        self._missed = 0 if miss is None else self._missed + 1
        if miss is not None and self._missed >= (self.patience.unreadable if miss.unreadable else self.patience.misses):
            self._trip(miss)

    def _trip(self, miss: Miss) -> None:
        if not self.off:
            self.off = True
            self._tripped(self.name, miss.why, miss.unreadable)


class GuardThreads:
    """Several guards, each in a thread of its own, so that a read that hangs does not block the others."""

    def __init__(self, guards: Iterable[Guard]) -> None:
        self._guards = list(guards)
        self._threads = [
            Periodic(f"safeguard-{guard.name}", guard.patience.every_s, guard.look, guard.crashed)
            for guard in self._guards
        ]
        for guard in self._guards:  # a read that hangs cannot report that itself
            self._threads.append(Periodic(f"answers-{guard.name}", 1.0, guard.check_answer, guard.crashed))

    def start(self) -> None:
        """Start all guards."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop all guards; the result of a running read is ignored."""
        for guard in self._guards:
            guard.off = True
        for thread in self._threads:
            thread.stop(within_s=0.0)


def safeguards(
    probes: Sequence[Mapping[str, Any]],
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any] | None,
    tripped: Tripped,
) -> list[Guard]:
    """Create the guards of an experiment's safeguards: probes, each with a tolerance."""

    def guard(probe: Mapping[str, Any]) -> Guard:
        misses = int(probe.get("in_a_row", 1))
        every_s, timeout_s = float(probe.get("frequency", 1)), float(probe.get("timeout_s", TIMEOUT_S))
        patience = Patience(every_s, timeout_s, misses, misses)
        return Guard(str(probe["name"]), lambda: _outside(probe, configuration, secrets), tripped, patience)

    return [guard(dict(probe)) for probe in probes]


def _outside(
    probe: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> Miss | None:
    value = run_activity(probe, configuration, secrets)
    if meets(probe["tolerance"], value, configuration, secrets):
        return None
    values = {"value": repr(value), "expected": repr(resolved(probe["tolerance"], configuration, secrets))}
    return Miss(sentence("is {value}, expected {expected}", **values), unreadable=value == "unknown")
