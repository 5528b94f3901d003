"""Checks, by the AWS endpoint's log alone, that the changing calls of runs that hold a lease in turn do not interleave.

A run takes the lease with the transaction that first names it and a resource of the system; one that takes it over
names the stale run, too. It changes the system with forward calls, and reverses them with others. Pure.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

OK = 200
Kind = Literal["without-lease", "after-take-over", "after-expiry", "taken-over-too-early", "not-repaired"]


@dataclass(frozen=True)
class Bound:
    """What a lease promises.

    :param lease_s: how long a lease lasts after a renewal, in seconds.
    :param attempt_s: the total of one attempt, in seconds.
    :param forward: operations that change the system.
    :param reversal: operations that reverse them.
    """

    lease_s: float
    attempt_s: float
    forward: Collection[str]
    reversal: Collection[str]


@dataclass(frozen=True)
class Violation:
    """A call that breaks the promise.

    :param run: whose call it is.
    :param number: the call's number in the log; 0 for the end of the log.
    :param by_s: by how much it is late or early, in seconds.
    """

    kind: Kind
    run: str
    number: int
    by_s: float = 0.0


@dataclass(frozen=True)
class Take:
    """The moment at which a run took the lease.

    :param app: the driver.
    :param over: the run whose expired lease it took over; empty when the lease was free.
    :param at_s: when the service began to carry it out, in seconds since the epoch.
    """

    app: str
    run: str
    over: str
    at_s: float
    number: int


@dataclass(frozen=True)
class Checked:
    """What the log of a race shows.

    :param takes: of the lease, in order.
    :param changes: how many forward calls arrived.
    :param repairs: take-overs from runs whose change was in force, which the taker reversed.
    :param slack_s: per take-over, how much later it came than the bound asks, in seconds.
    :param gaps_s: per take-over, the time from the stale run's last change to the next run's first, in seconds.
    """

    violations: tuple[Violation, ...]
    takes: tuple[Take, ...]
    changes: int
    repairs: int
    slack_s: tuple[float, ...]
    gaps_s: tuple[float, ...]

    @property
    def take_overs(self) -> tuple[Take, ...]:
        """The takes of a lease that had expired."""
        return tuple(take for take in self.takes if take.over)


def check(calls: Iterable[Mapping[str, Any]], bound: Bound) -> Checked:
    """Check the log of one race, whose system is as it should be at its beginning.

    :param calls: the endpoint's log (``GET /chaosdrill/calls``), without the calls of others.
    """
    log = sorted(calls, key=lambda call: (float(call["at_s"]), int(call["number"])))
    takes = _takes(log)
    reading = _Reading(bound, log, takes)
    return Checked(
        violations=(*reading.misplaced(), *reading.too_early(), *reading.not_repaired()),
        takes=takes,
        changes=sum(call["operation"] in bound.forward for call in log),
        repairs=reading.repairs(),
        slack_s=tuple(slack for _, slack in reading.slacks()),
        gaps_s=reading.gaps(),
    )


def _takes(log: Sequence[Mapping[str, Any]]) -> tuple[Take, ...]:
    known: set[str] = set()
    found = []
    for call in log:
        keys = leading_keys(call)
        if not (call["operation"] == "TransactWriteItems" and call["status"] == OK):
            continue
        runs = [key.removeprefix("run#") for key in keys if key.startswith("run#")]
        new = [run for run in runs if run not in known]
        if new and any(key.startswith("resource#") for key in keys):
            over = next((run for run in runs if run in known), "")
            found.append(Take(str(call["app"]), new[0], over, float(call["at_s"]), int(call["number"])))
            known.add(new[0])
    return tuple(found)


def leading_keys(call: Mapping[str, Any]) -> list[str]:
    """List the partition keys of the items that a request to DynamoDB is about, each once."""
    needed = call.get("permissions") or ()
    found = (key for one in needed for key in one["context"].get("dynamodb:LeadingKeys", ()))
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class _Change:
    """A changing call, by the run that its driver had taken the lease for last."""

    call: Mapping[str, Any]
    run: str
    is_forward: bool

    @property
    def at_s(self) -> float:
        return float(self.call["at_s"])

    @property
    def number(self) -> int:
        return int(self.call["number"])


class _Reading:
    def __init__(self, bound: Bound, log: Sequence[Mapping[str, Any]], takes: Sequence[Take]) -> None:
        self._bound, self._log, self._takes = bound, log, takes
        changing = {*bound.forward, *bound.reversal}
        self._changes = [
            _Change(call, self._run_of(call), call["operation"] in bound.forward)
            for call in log
            if call["operation"] in changing
        ]

    def _run_of(self, call: Mapping[str, Any]) -> str:
        own = [take for take in self._takes if take.app == call["app"] and take.at_s <= call["at_s"]]
        return own[-1].run if own else ""

    def misplaced(self) -> list[Violation]:
        """List the changing calls that arrived when another run held the lease, none did, or it had expired."""
        return [found for change in self._changes if (found := self._misplaced(change)) is not None]

    def _misplaced(self, change: _Change) -> Violation | None:
        before = [take for take in self._takes if take.at_s <= change.at_s]
        if not change.run:
            return Violation("without-lease", str(change.call["app"]), change.number)
        if before[-1].run != change.run:
            taken_s = next(take.at_s for take in self._after(change.run))
            return Violation("after-take-over", change.run, change.number, change.at_s - taken_s)
        late_s = change.at_s - self._renewed_s(change.run, change.at_s) - self._bound.lease_s
        if change.is_forward and late_s > 0:
            return Violation("after-expiry", change.run, change.number, late_s)
        return None

    def _after(self, run: str) -> Iterable[Take]:
        index = next(number for number, take in enumerate(self._takes) if take.run == run)
        return self._takes[index + 1 :]

    def _renewed_s(self, run: str, until_s: float) -> float:
        """Return when a run's last renewal, or its taking of the lease, arrived."""
        take = next(take for take in self._takes if take.run == run)
        renewed = [float(call["at_s"]) for call in self._log if _renews(call, take) and call["at_s"] <= until_s]
        return max([take.at_s, *renewed])

    def slacks(self) -> list[tuple[Take, float]]:
        """List the take-overs, each with how much later it came than the bound asks, in seconds."""
        wait_s = self._bound.lease_s + self._bound.attempt_s
        over = [take for take in self._takes if take.over]
        return [(take, take.at_s - self._renewed_s(take.over, take.at_s) - wait_s) for take in over]

    def too_early(self) -> list[Violation]:
        """List the take-overs that came while a request of the stale run could be under way."""
        return [
            Violation("taken-over-too-early", take.run, take.number, -slack)
            for take, slack in self.slacks()
            if slack < 0
        ]

    def not_repaired(self) -> list[Violation]:
        """List the runs that began on a system that another run had changed, and what nobody reversed at the end."""
        found = []
        changed_by = ""
        for change in self._changes:
            if change.is_forward and changed_by not in ("", change.run):
                found.append(Violation("not-repaired", changed_by, change.number))
            if change.call["status"] == OK:
                changed_by = change.run if change.is_forward else ""
        if changed_by:
            found.append(Violation("not-repaired", changed_by, 0))
        return found

    def repairs(self) -> int:
        """Count the take-overs from runs whose change was in force and was reversed by another run."""
        changed_by, count = "", 0
        for change in self._changes:
            if change.call["status"] == OK:
                count += bool(not change.is_forward and changed_by and changed_by != change.run)
                changed_by = change.run if change.is_forward else ""
        return count

    def gaps(self) -> tuple[float, ...]:
        """List, per take-over, the time between the last change of the stale run and the first of the next one."""
        found = []
        for take in self._takes:
            mine = [change.at_s for change in self._changes if take.over and change.run == take.over]
            next_ones = [change.at_s for change in self._changes if change.run == take.run]
            if mine and next_ones:
                found.append(min(next_ones) - max(mine))
        return tuple(found)


def _renews(call: Mapping[str, Any], take: Take) -> bool:
    """Tell whether a call is a renewal of a run; the payment of an undo has the same key, and comes last."""
    is_update = call["operation"] == "UpdateItem" and call["status"] == OK and call["app"] == take.app
    return is_update and leading_keys(call) == [f"run#{take.run}"]
