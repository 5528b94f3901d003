"""The ``chaosdrill status`` command: the drill of a system, what is in force, and what is owed."""

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.named_system import named_system
from chaosdrill.cli.text import one_line, usage_error
from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.rescue.status import DrillStatus, OwedStatus, SystemStatus

WIDTH = 80
NAME_WIDTH = 14  # of the first column
MINUTE_S, HOUR_S = 60, 3600


@click.command()
@click.argument("system", metavar="[RUN|TOPOLOGY]", default="", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="For machines: all of it.")
def status(system: str, as_json: bool) -> None:
    """Show who drills a system, what is in force, and what is owed. Only reads.

    \b
        chaosdrill status topology/aws.yaml
        chaosdrill status 20260501T0930          what concerns one run
        chaosdrill status                        of CHAOSDRILL_TOPOLOGY, or of the lab that runs here
        chaosdrill status --json | jq '.owed[] | select(.is_overdue)'

    From any machine where the topology names a table (`coordination:`): the runs that hold the system's lease, since
    when, stage and step, for how long the lease lasts or since when it has expired; a request to stop; the step that
    waits for an approval; every undo that is owed, how it ends by itself or is undone by hand, and those that were
    handed over with their date; and the region state, read now. Without a table, and without a topology, it shows what
    this machine knows: its file of leases, and the histories of its drills that go on or died.

    Exit code: 0 when no drill is in force and nothing is owed; 1 when something is; 2 when the input cannot be used,
    or the leases cannot be read; 3 when an undo that was handed over is past its date. The region state does not count.
    """
    try:
        found = _read(system)
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        for line in _lines(found):
            click.echo(line)
    if found.unreadable:
        click.echo(f"chaosdrill: {one_line(found.unreadable.why)} [{found.unreadable.code}]", err=True)
    sys.exit(2 if found.unreadable else 3 if found.is_overdue else 0 if found.is_clear else 1)


def _read(text: str) -> "SystemStatus":
    import hashlib

    from chaosdrill.aws import system_of
    from chaosdrill.paths import runs_directory
    from chaosdrill.rescue.status import status_of, status_of_machine
    from chaosdrill.runs.unended import SystemFile

    named, runs = named_system(text), runs_directory()
    if named.topology is None:
        found = status_of_machine(runs)
    else:
        system = system_of({"topology": str(named.topology)})
        sha256 = hashlib.sha256(Path(system.topology.path).read_bytes()).hexdigest()
        found = status_of(
            system, SystemFile(system.topology.target, Path(system.topology.path), sha256), runs, named.run
        )
    found = found.of_run(named.run)
    if named.run and not (named.is_here or found.drills or found.owed or found.unreadable):
        why = f"run {named.run!r} is not in {runs}, and has no lease and no owed undo: check its id"
        raise BadInput([problem("run-missing", why)])
    return found


def _lines(found: "SystemStatus") -> Iterator[str]:
    yield from _row("system", found.topology or "none named: name a topology, or set CHAOSDRILL_TOPOLOGY")
    yield from _row("known from", _sources(found))
    yield from _row("read", found.at)
    if found.region:
        yield from _row("region state", found.region.state)
        for why in found.region.unreadable:
            yield from _row("", f"not readable: {why}")
    for drill in found.drills:
        yield ""
        yield from _drill(drill)
    for asked in found.approvals:
        yield ""
        yield from _row("WAITS", f"{asked.step} waits for a person's approval since {asked.asked}")
        yield from _row("question", asked.question)
        yield f"{'approve':<{NAME_WIDTH}}`chaosdrill approve {asked.run}`"
    live = {one.run for one in found.drills if one.state == "live"}
    for owed in sorted(found.owed, key=lambda one: not one.is_overdue):
        yield ""
        yield from _owed(owed, owed.run in live)
    yield ""
    yield _conclusion(found)


def _sources(found: "SystemStatus") -> str:
    if found.is_shared:
        return f"{found.coordination}, and the runs of this machine"
    if found.topology:
        return f"this machine only ({found.coordination}, and its runs): the topology names no table (`coordination:`)"
    return "the runs of this machine only"


def _drill(one: "DrillStatus") -> Iterator[str]:
    yield from _row(one.purpose, f"{one.run}: {one.state}")
    yield from _row("experiment", one.experiment)
    yield from _row("by", one.by)
    yield from _row("since", one.since)
    yield from _row("at", ", ".join(filter(None, (one.stage, one.step))))
    yield from _row("ends in", one.end)
    if one.left_s is not None and one.left_s >= 0:
        yield from _row("lease", f"until {one.expires}, {duration(one.left_s)} still, and is renewed")
    elif one.left_s is not None:
        yield from _row("lease", f"expired {duration(-one.left_s)} ago, at {one.expires}")
    if one.is_dead:
        yield from _row("", "its process on this machine has ended")
    if one.stop:
        why = f": {one.stop.why}" if one.stop.why else ""
        yield from _row("stop", f"requested at {one.stop.at} by {one.stop.by}{why}")


def _owed(one: "OwedStatus", is_live: bool) -> Iterator[str]:
    alert = "PAST ITS DATE" if one.is_overdue else one.state
    yield from _row(alert, f"{one.undo} for {one.action} (step {one.step})")
    yield from _row("run", one.run)
    yield from _row("since", one.since)
    yield from _row("ends", _ending(one))
    if one.state == "handed-over":
        yield from _row("handed over", f"to {one.to}, until {one.until}")
    if is_live and one.state == "owed":
        yield from _row("undone by", "its drill, which is live; `chaosdrill stop` makes it do that now")
    for command in one.by_hand:
        yield f"{'by hand':<{NAME_WIDTH}}{one_line(command)}"  # not wrapped, so that it can be copied


def _ending(one: "OwedStatus") -> str:
    from chaosdrill.history.owed_undos import HEARTBEAT

    if one.left_s is None and one.kind == HEARTBEAT:
        return "by itself 15 min after the drill's last call"
    if one.left_s is None:
        return "not by itself"
    return f"by itself at {one.ends}, in {duration(one.left_s)}" if one.left_s else f"ended by itself at {one.ends}"


def _conclusion(found: "SystemStatus") -> str:
    if found.unreadable:
        return "the leases and owed undos could not be read: this is not all"
    if found.is_clear:
        known = "" if found.is_shared else "by what this machine knows, "
        return f"{known}no drill is in force, and nothing is owed"
    overdue = sum(one.is_overdue for one in found.owed)
    late = f", {overdue} past the date" if overdue else ""
    in_force = [one.state for one in found.drills if one.state not in ("released", "taken-over")]
    way = "" if "live" in in_force else "; undo: `chaosdrill rescue`"
    return f"drills in force: {len(in_force)}; undos owed: {len(found.owed)}{late}{way}"


def _row(name: str, text: str) -> Iterator[str]:
    """Yield a name and a text in lines of 80 characters; nothing when the text is empty."""
    if text:
        lines = textwrap.wrap(one_line(text), WIDTH - NAME_WIDTH, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            yield f"{'' if number else name:<{NAME_WIDTH}}{line}"


def duration(seconds: float) -> str:
    """Return a duration in words: ``40 s``, ``12 min``, ``3 h 20 min``."""
    whole = round(seconds)
    if whole < 2 * MINUTE_S:
        return f"{whole} s"
    if whole < 2 * HOUR_S:
        return f"{whole // MINUTE_S} min"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
