"""Provenance of the figures: versions, topology, configuration, operator, host, and uncertainty of the clocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.clocks import offset_of
from chaosdrill.analysis.summary_fields import approvals_of, handed_over_of
from chaosdrill.analysis.untrusted_json import mapping, number
from chaosdrill.messages import Sentence, sentence, together
from chaosdrill.report.view.inputs import ReportInputs, label

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ClockOffset:
    """How far a clock was ahead of the recorder's, and the uncertainty; None: never compared."""

    source: str
    ahead_ms: float | None
    uncertainty_ms: float | None


@dataclass(frozen=True)
class RecordFile:
    """A file of records, as it was when it was collected or stored."""

    name: str
    rows: str
    sha256: str


@dataclass(frozen=True)
class Surroundings:
    """Possible causes of a difference from another run.

    :param facts: pairs of a key of the catalogue (``fact.…``) and its value.
    :param configuration: the experiment's variables.
    """

    facts: Pairs
    versions: Pairs
    configuration: Pairs
    clocks: tuple[ClockOffset, ...]
    files: tuple[RecordFile, ...]
    topology: str
    experiment: str


def surroundings(given: ReportInputs) -> Surroundings:
    """Return the provenance of a run, as far as it was recorded."""
    return Surroundings(
        tuple((name, value) for name, value in _facts(given) if value),
        _pairs(given.opened.get("versions")),
        _pairs(given.opened.get("configuration")),
        tuple(_clocks(given)),
        tuple(_files(given)),
        given.topology,
        given.experiment,
    )


def _facts(given: ReportInputs) -> Iterator[tuple[str, str]]:
    opened, target = given.opened, given.run.first("target-opened")
    origin, said = mapping(opened.get("origin")), given.said
    git = mapping(origin.get("git"))
    changed = {True: " (with changes that were not committed)"}.get(git.get("changed") is True, "")
    yield "run", label(opened.get("run_id")) or given.name
    yield "began", label(opened.get("at"))
    yield "seconds", _seconds(given)
    yield "target", given.target
    yield "scale", "" if given.scale is None else f"{given.scale:g}"
    yield "operator", label(origin.get("operator"))
    yield "approver", label(origin.get("approver") or opened.get("approver"))
    yield "approvals", together(map(_approval, approvals_of(given.run.events)))
    yield "handed-over", together(map(_handed_over, handed_over_of(given.run.events)))
    yield "ticket", label(opened.get("change_ticket"))
    yield "host", label(origin.get("host"))
    yield "commit", f"{label(git.get('commit'))}{changed}" if git.get("commit") else ""
    yield "settlement", _settlement(given)
    yield "expect", label(opened.get("expect"))
    yield "source", label(said.get("source"))
    yield "experiment-sha256", label(opened.get("experiment_sha256"))
    yield "topology-sha256", label(target.get("topology_sha256"))
    yield "history-sha256", given.history_sha256


def _approval(one: Mapping[str, Any]) -> Sentence:
    told = {"activity": label(one["activity"]), "by": label(one["by"]), "at": label(one["at"])}
    if one["approved"]:
        return sentence("{activity}: approved by {by} at {at}", **told)
    return sentence("{activity}: not approved, {at}", activity=told["activity"], at=told["at"])


def _handed_over(one: Mapping[str, str]) -> Sentence:
    told = {name: label(value) for name, value in one.items()}
    return sentence("{undo} (step {step}) to {to}, until {until}", **told)


def _seconds(given: ReportInputs) -> str:
    span = given.span_ns
    return "" if span is None else sentence("{seconds:.1f} s", seconds=(span[1] - span[0]) / 1e9)


def _settlement(given: ReportInputs) -> str:
    """Return how fast writes were settled before the method; empty when that was not measured."""
    found = given.run.first("settlement-measured")
    lag_s, rate_per_s, capacity_per_s = (number(found.get(name)) for name in ("lag_s", "rate_per_s", "capacity_per_s"))
    if lag_s is None or rate_per_s is None:
        return ""
    if capacity_per_s is None:
        return sentence("{lag_s:.1f} s at {rate_per_s:g}/s", lag_s=lag_s, rate_per_s=rate_per_s)
    values = {"lag_s": lag_s, "rate_per_s": rate_per_s, "capacity_per_s": capacity_per_s}
    return sentence("{lag_s:.1f} s at {rate_per_s:g}/s, at most {capacity_per_s:g}/s beside the load", **values)


def _pairs(value: Any) -> Pairs:
    return tuple((label(name), label(one)) for name, one in mapping(value).items())


def _clocks(given: ReportInputs) -> Iterator[ClockOffset]:
    events = given.run.events
    sources = dict.fromkeys(source.name for source in given.run.sources)
    for source in sources:
        offset = offset_of(events, source)
        if offset.measured:
            yield ClockOffset(source, offset.offset_ns / 1e6, offset.uncertainty_ns / 1e6)
        else:
            yield ClockOffset(source, None, None)


def _files(given: ReportInputs) -> Iterator[RecordFile]:
    for event in given.run.named("records-collected", "records-stored"):
        if event.get("sha256"):
            yield RecordFile(label(event.get("file")), label(event.get("rows")), label(event.get("sha256")))
