"""The checks of coordination: who holds the system, and the owed undos and leftovers of earlier drills."""

from collections.abc import Callable, Iterator
from functools import cache, partial

from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.interface import SystemState
from chaosdrill.coordination.items import iso
from chaosdrill.parts.check_readings import FAILURES
from chaosdrill.parts.interface import Check, CheckContext, Reading
from chaosdrill.parts.registry import lease_keys
from chaosdrill.paths import runs_directory
from chaosdrill.rescue import sweep

MOST_SHOWN = 4
_TABLE = "create the table that `chaosdrill init --coordination` prints, and name it under `coordination:`"


def coordination_checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: the table can be read, no other run holds the system, nothing is owed, nothing was left."""
    state = cache(partial(_state, context))
    table = partial(_table, context, state)
    yield Check("coordination", "coordination.table", "coordination table", _TABLE, table, quick=True)
    fix = "wait until it has ended, or stop it with `chaosdrill stop`"
    held = partial(_held, context, state)
    yield Check("coordination", "coordination.lease", "lease of the system", fix, held, quick=True)
    fix = "`chaosdrill rescue RUN`, or undo it by hand as `chaosdrill status RUN` lists it"
    owed = partial(_owed, context, state)
    yield Check("coordination", "coordination.owed-undos", "owed undos of earlier drills", fix, owed, quick=True)
    if context.on_host:
        fix = "`chaosdrill sweep TOPOLOGY` lists it, and removes it with --remove"
        left = partial(_left, context)
        yield Check("coordination", "coordination.leftovers", "left by earlier drills", fix, left, on_host=True)


def _state(context: CheckContext) -> SystemState:
    return coordination_of(context.system).read(lease_keys(context.system.topology))


def _table(context: CheckContext, state: Callable[[], SystemState]) -> Reading:
    state()
    where = str(coordination_of(context.system))
    if context.system.topology.coordination is None and context.system.topology.target == "aws":
        why = "the topology names no table: a drill that is started on another machine is not noticed"
        return Reading(where, "warning", why, code="coordination-missing")
    return Reading(where)


def _held(context: CheckContext, state: Callable[[], SystemState]) -> Reading:
    others = [lease for lease in state().holding() if lease.run != context.run]
    if not others:
        return Reading("held by this drill" if context.run else "free")
    told = [f"run {one.run} of {one.holder.user}@{one.holder.host} until {iso(one.expires_ms)}" for one in others]
    return Reading("held", "refuse", f"held by {'; '.join(told)}", code="lease-held")


def _owed(context: CheckContext, state: Callable[[], SystemState]) -> Reading:
    owed = [
        one
        for one in state().owed
        if one.run != context.run and not (one.state == "handed-over" and one.to == context.experiment)
    ]
    if not owed:
        return Reading("none")
    told = [f"run {one.run} owes {one.undo.undo} for its step {one.undo.step!r}" for one in owed[:MOST_SHOWN]]
    return Reading(str(len(owed)), "refuse", "; ".join(told) + _more(len(owed)), code="undo-owed")


def _left(context: CheckContext) -> Reading:
    system = context.system
    live = sweep.live_runs_here(runs_directory(), system.topology)
    try:  # this drill is in progress, and has changed nothing yet
        found = sweep.find(system, live, ended=(context.run,), with_reused=False)
    except FAILURES as error:
        return Reading("unknown", "warning", str(error), code="leftovers-found")
    # leftovers that a sweep does not remove have other checks: executions, rules, half-switched regions, owed undos
    all_left = [one for one in found.left if one.is_removable and one.part != sweep.COORDINATION]
    if not (all_left or found.unreadable):
        return Reading("nothing")
    left = [f"{one.part}: {one.what}" for one in all_left[:MOST_SHOWN]]
    unread = [f"{part} could not be read: {why}" for part, why in found.unreadable.items()]
    why = "; ".join([*left, *unread]) + _more(len(all_left))
    return Reading(str(len(all_left)), "refuse" if left else "warning", why, code="leftovers-found")


def _more(count: int) -> str:
    return f" and {count - MOST_SHOWN} more" if count > MOST_SHOWN else ""
