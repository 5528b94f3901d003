"""The situation before a rescue, from coordination and this machine's runs, and whether the rescue may act."""

from dataclasses import dataclass
from pathlib import Path

from chaosdrill.aws import System
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.interface import Coordination, SystemState
from chaosdrill.coordination.items import iso
from chaosdrill.errors import Problem, problem
from chaosdrill.parts.registry import lease_keys
from chaosdrill.rescue.lease import live_leases, stale_leases
from chaosdrill.rescue.owing_runs import OwingRun, owed_of, owing_runs, unknown_runs
from chaosdrill.runs.unended import SystemFile, UnendedRun


@dataclass(frozen=True)
class Situation:
    """The leases and owed undos of a system.

    :param runs: those that owe an undo.
    :param unknown: drills of this machine that coordination does not know: they are running, or they died without a
        lease.
    """

    coordination: Coordination
    state: SystemState
    runs: tuple[OwingRun, ...]
    unknown: tuple[UnendedRun, ...]

    @property
    def is_clear(self) -> bool:
        """Whether nothing is owed and no lease is held, according to coordination."""
        return not (self.runs or self.state.holding())

    def driver_lives(self) -> Problem | None:
        """Return why a rescue may not act because a driver is alive; None when none is known to be."""
        if (held := why_it_lives(self.state)) is not None:
            return held
        for one in self.unknown:
            if one.state == "live":
                why = f"run {one.run} of {one.by} drills this system on this machine: wait for its end, or interrupt it"
                return problem("drill-going-on", why)
        return None

    def knows(self, run: str) -> bool:
        """Return whether coordination or this machine knows a run.

        :param run: its id, or the beginning of it.
        """
        known = [one.run for one in (*self.state.leases, *self.coordination.read_run(run).leases)]
        known += [one.run for one in self.state.owed] + [one.run for one in self.unknown]
        return any(one.startswith(run) for one in known)

    def no_lease_expired(self) -> str:
        """Return why a rescue that acts on expired leases only has nothing to do; empty when it has.

        It also handles the undos of a run whose lease another rescue took over: that rescue died or left something.
        """
        stale = stale_leases(self.state)
        expired = [one for one in stale if one.expires_ms < self.state.now_ms]
        taken = [one for one in self.runs if one.lease is not None and one.lease.state == "taken-over"]
        if expired or taken:
            return ""
        if not owed_of(self.state):
            return "nothing is owed, and no lease has expired"
        if stale:
            runs, until = ", ".join(one.run for one in stale), iso(max(one.expires_ms for one in stale))
            return f"the process of run {runs} has ended, its lease lasts until {until}: a later rescue pays"
        return "undos are owed by runs that have released their lease: `chaosdrill rescue` without --when-stale pays"


def situation_of(system: System, runs: Path, file: SystemFile) -> Situation:
    """Read leases and owed undos of a system, and the drills of this machine.

    :param runs: the store of this machine.
    :param file: the system's topology, by which the runs of this machine are recognised.
    :raises CannotSee: when coordination cannot be reached.
    :raises Refused: when a newer version wrote an item (``coordination-newer``).
    :raises BadInput: when the store cannot be read.
    """
    coordination = coordination_of(system)
    state = coordination.read(lease_keys(system.topology))
    unknown = tuple(unknown_runs(coordination, runs, file))
    return Situation(coordination, state, tuple(owing_runs(coordination, state)), unknown)


def why_it_lives(state: SystemState) -> Problem | None:
    """Return which run holds the system with a lease that is being renewed; None when none does."""
    for lease in live_leases(state):
        who = f"{lease.holder.user}@{lease.holder.host}, pid {lease.holder.pid}"
        until = iso(lease.expires_ms)
        why = (
            f"run {lease.run} ({lease.purpose} of {who}) holds the system, and its lease lasts until {until}: nothing "
            f"was changed. `chaosdrill stop {lease.run}` makes it undo what it did. If it died, its lease is not "
            f"renewed any more: run the rescue after {until}"
        )
        return problem("lease-held", why)
    return None
