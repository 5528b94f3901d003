"""The ``chaosdrill runs show`` command: the details of a run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.screen import Screen, short
from chaosdrill.cli.text import usage_error
from chaosdrill.cli.times import both_times

if TYPE_CHECKING:
    from chaosdrill.time_zones import Zone

LONGEST = 300  # characters of a value; --json prints the whole value
Row = tuple[str, str]


@click.command()
@click.argument("run", default="", shell_complete=complete_run)
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines: all of it.")
def show(run: str, zone: "Zone", as_json: bool) -> None:
    """Show what a RUN (default: the newest one) is and what came of it.

    \b
        chaosdrill runs show
        chaosdrill runs show 20260501T0930
        chaosdrill runs show /backup/some-run --json

    The verdict and every reason; the experiment and the topology as they were, by file; the configuration, without
    secrets; versions, git commit, operator, machine, change ticket, approver, approvals, tags; region states, phases of
    each transition, objectives, each figure with its uncertainty, findings, what each probe of the hypothesis returned;
    of a dry run what each step would call; what the heartbeat left in the application's ledger; and every file with its
    size.

    It reads what is stored and judges nothing. A run that did not come to its end, is of a newer version, or is none,
    is shown as far as it goes, with a note that says so.

    Exit code: 0; 2 when there is no such run.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.runs.description import described
    from chaosdrill.runs.lookup import find_run

    try:
        found = described(find_run(run))
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _show(found, zone)


def _show(found: Mapping[str, Any], zone: "Zone") -> None:
    screen = Screen()
    screen.say(f"{found['run']}: {found['verdict'] or found['state']}", "bold")
    for line in found["reasons"]:
        screen.say(f"  {line}")
    for line in [*_lab(found), *found["notes"]]:
        screen.say(f"  note: {line}")
    for headings, rows in _tables(found, zone):
        if rows:
            screen.say("")
            screen.table(headings, rows)


def _tables(found: Mapping[str, Any], zone: "Zone") -> Iterator[tuple[Sequence[str], list[Sequence[str]]]]:
    from chaosdrill.runs.files import in_words

    yield ("what it is", ""), list(_facts(found, zone))
    yield ("region state", "seconds"), list(_region_states(found["region_states"]))
    for one in filter(_is_mapping, found["transitions"]):
        yield (text(one.get("what")) or "transition", "took", "evidence"), list(_phases(one))
    yield ("objective", ""), [(name, short(value, LONGEST)) for name, value in found["objectives"].items()]
    yield ("figure", "measured", "how"), [*_figures(found["figures"]), *_outage(found)]
    yield ("lost by the databases' own records", "writes", "ids that differ"), list(_truths(found["truths"]))
    yield (
        ("finding", "asks for", "what was seen"),
        [
            tuple(short(one.get(key), LONGEST) for key in ("name", "verdict", "text"))
            for one in found["findings"]
            if isinstance(one, Mapping)
        ],
    )
    yield ("would be called", "in", "with", "step"), list(_planned_calls(found["planned_calls"]))
    yield ("hypothesis", "tolerance", "before", "during", "after"), list(_hypothesis(found["hypothesis"]))
    yield ("configuration", ""), [(name, short(value, LONGEST)) for name, value in found["configuration"].items()]
    yield ("file", "size"), [(one["file"], in_words(one["bytes"])) for one in found["files"]]


def _facts(found: Mapping[str, Any], zone: "Zone") -> Iterator[Row]:
    git = found["git"] if isinstance(found["git"], Mapping) else {}
    scale = f", scale {found['scale']:g}" if isinstance(found["scale"], (int, float)) else ""
    changed = ", and the file was changed since" if git.get("changed") else ""
    facts = {
        "title": found["title"],
        "directory": found["directory"],
        "experiment": _with_file(found["experiment"], found["experiment_file"], found["experiment_sha256"]),
        "topology": _with_file("", found["topology_file"], found["topology_sha256"]),
        "target": f"{found['target']}{scale}" if found["target"] else "",
        "lab": _unlike_aws(found),
        "settlement": _settlement(found["settlement"]),
        "began": both_times(found["began"], zone),
        "took": f"{found['seconds']:g} s" if isinstance(found["seconds"], (int, float)) else "",
        "operator": found["operator"],
        "host": found["host"],
        "change ticket": found["change_ticket"],
        "approver": found["approver"],
        "approvals": "; ".join(map(_approval, found["approvals"])),
        "handed over": "; ".join(
            "{undo} ({step}) to {to}, until {until}".format(**one) for one in found["handed_over"]
        ),
        "synthetic writes": _synthetic_writes(found["synthetic_writes"]),
        "git commit": f"{git['commit']}{changed}" if git.get("commit") else "",
        "versions": ", ".join(f"{name} {version}" for name, version in found["versions"].items()),
        "tags": " ".join(found["tags"]),
        "report": found["report"],
    }
    return ((name, short(value, LONGEST)) for name, value in facts.items() if value)


def _planned_calls(planned: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for step in planned:
        for call in step["calls"]:
            name = f"{text(call.get('service'))} {text(call.get('operation'))}"
            with_note = ", ".join(filter(None, (json.dumps(call.get("parameters")), text(call.get("note")))))
            yield name, text(call.get("region")), short(with_note, LONGEST), step["activity"]
        if step["why"]:
            yield "not known", "", short(step["why"], LONGEST), step["activity"]


def _approval(one: Mapping[str, Any]) -> str:
    if one["approved"]:
        return f"{one['activity']} by {one['by']} at {one['at']}"
    return f"{one['activity']} was not approved, {one['by'] or 'nobody answered'} at {one['at']}"


def _unlike_aws(found: Mapping[str, Any]) -> str:
    lenient = sequence(mapping(found["circumstances"]).get("lenient lab"))
    notes = {"broken on purpose": found["broken"], "more lenient than AWS": lenient}
    return "; ".join(f"{what}: {', '.join(map(str, names))}" for what, names in notes.items() if names)


def _settlement(found: Mapping[str, Any]) -> str:
    lag_s, rate_per_s, capacity_per_s = (number(found.get(name)) for name in ("lag_s", "rate_per_s", "capacity_per_s"))
    if lag_s is None or rate_per_s is None:
        return ""
    most = "" if capacity_per_s is None else f", at most {capacity_per_s:g}/s beside the load"
    return f"writes were settled within {lag_s:.1f} s at {rate_per_s:g}/s{most}"


def _synthetic_writes(left: Mapping[str, Any]) -> str:
    if not left:
        return ""
    what = f"{left['writes']} on {left['accounts']} accounts"
    return f"{what} are in the application's ledger: `chaosdrill runs export --csv` lists them"


def _with_file(name: str, file: str | None, sha256: Any) -> str:
    known = [name, f"as it was: {file}" if file else "", f"sha256 {sha256}" if sha256 else ""]
    return ", ".join(filter(None, known))


def _figures(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    from chaosdrill.analysis.measurement import Measured

    for name, figure in figures.items():
        measured = Measured(**figure)
        yield name, measured.in_words(), measured.how


def _lab(found: Mapping[str, Any]) -> list[str]:
    if found["target"] != "lab":
        return []
    scale = number(found["scale"])
    waits = f", waits × {scale:g}" if scale not in (None, 1.0) else ""
    return [f"lab{waits}: not a real system's recovery time"]


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _region_states(states: Iterable[Any]) -> Iterator[Row]:
    for one in filter(_is_mapping, states):
        seconds = number(one.get("seconds"))
        yield text(one.get("state")), "?" if seconds is None else f"{seconds:.1f}"


def _phases(transition: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield each phase with the time since the previous one."""
    for one in filter(_is_mapping, sequence(transition.get("phases"))):
        took, uncertainty = number(one.get("seconds")), number(one.get("uncertainty_s"))
        about = f" ± {uncertainty:.2g}" if uncertainty else ""
        not_timed = "not observed" if one.get("at_ns") is None else "begin"
        shown = not_timed if took is None else f"{round(took, 1) + 0.0:+.1f}{about} s"
        yield text(one.get("name")), shown, ", ".join(map(str, sequence(one.get("evidence"))))
    if (whole_s := number(transition.get("whole_s"))) is not None:
        yield "in all", f"{whole_s:.1f} s", ""


def _outage(found: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield the longest outage of Locust's users, unless it is among the judgement's figures."""
    outage = found["client_outage"]
    if not outage or "client_outage" in found["figures"]:
        return
    seconds = number(outage.get("seconds"))
    if seconds is None:
        yield "client_outage", f"not measured: {text(outage.get('why'))}", ""
        return
    at_least = "" if outage.get("ended") else "at least "  # the load was stopped during the outage
    resolution = number(outage.get("resolution_s")) or 0.0
    yield "client_outage", f"{at_least}{seconds:.1f} s ± {resolution:g} s", text(outage.get("model"))


def _truths(truths: Iterable[Any]) -> Iterator[Sequence[str]]:
    for one in filter(_is_mapping, truths):
        differ = [*sequence(one.get("not_reported")), *sequence(one.get("not_lost"))]
        yield text(one.get("label")), str(len(sequence(one.get("lost")))), " ".join(map(str, differ)) or "none"


def _hypothesis(probes: Iterable[Any]) -> Iterator[Sequence[str]]:
    from chaosdrill.analysis.hypothesis import WHEN, probes_of_json

    for probe in probes_of_json(probes):
        read = [", ".join(map(_reading, probe.readings.get(when, ()))) or "-" for when in WHEN]
        yield probe.name, short(probe.tolerance, LONGEST), *read


def _reading(one: Any) -> str:
    met = {True: "met", False: "missed", None: "not known"}[one.met]
    return f"{short(one.value, LONGEST)} ({met}{f', {one.times} times' if one.times > 1 else ''})"
