"""Rules on the recorders: silent load generators and workers, a late heartbeat, wrong clocks."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.run import RecordSource, Run, at_ns
from chaosdrill.messages import sentence

SILENT_NS = 5_000_000_000  # a healthy source records its watermark every second
CLOCK_OFF_S = 1.0
LATE_SHARE_OF_DEADLINE = 0.25
WORKER_SOURCES = "requests"


def load_span(run: Run) -> tuple[int, int] | None:
    """Return when the load was meant to begin and to end; None when there was none."""
    begun = [moment for event in run.named("load-started") if (moment := at_ns(event)) is not None]
    ended = [moment for event in run.named("load-stopping") if (moment := at_ns(event)) is not None]
    if not begun:
        return None
    last = max((moment for event in run.events if (moment := at_ns(event)) is not None), default=begun[0])
    return begun[0], ended[-1] if ended else last


def silent_load(run: Run) -> Iterator[Finding]:
    """Find a load generator or worker that recorded nothing while the load was meant to run."""
    span = load_span(run)
    sources = [source for source in run.sources if source.kind == WORKER_SOURCES]
    if span is None or not sources:
        return
    silent = {source.name: found for source in sources if (found := list(_silences(source, *span)))}
    name = "load-silent" if len(silent) == len(sources) else "worker-silent"
    for source, found in silent.items():
        since_ns, until_ns = max(found, key=lambda one: one[1] - one[0])
        after_s, seconds = (since_ns - span[0]) / 1e9, (until_ns - since_ns) / 1e9
        text = sentence(
            "{source} was not heard for {seconds:.1f} s, from {after_s:.1f} s after the load began",
            source=source,
            seconds=seconds,
            after_s=after_s,
        )
        yield finding(name, text, sentence("records: watermarks of {source}", source=source))


def load_ended_early(run: Run) -> Iterator[Finding]:
    """Find a load that ended in every source of requests before it was stopped."""
    span = load_span(run)
    sources = [source for source in run.sources if source.kind == WORKER_SOURCES]
    if span is None or not sources or not all(source.ended and source.watermark_ns is not None for source in sources):
        return
    early_s = (span[1] - max(source.watermark_ns or 0 for source in sources)) / 1e9
    if early_s > SILENT_NS / 1e9:
        text = sentence("the load ended {seconds:.1f} s before it was stopped", seconds=early_s)
        yield finding("load-stopped", text, sentence("records: its end"))


def silent_heartbeat(run: Run) -> Iterator[Finding]:
    """Find times in which the heartbeat recorded nothing while it was meant to run."""
    since_ns = at_ns(run.first("heartbeat-started"))
    if since_ns is None:
        return
    sources = [source for source in run.sources if source.kind == "beats"]
    if not sources:
        text = sentence("the heartbeat was started, and nothing of it was recorded")
        yield finding("heartbeat-silent", text, sentence("history"))
    until_ns = heartbeat_until_ns(run) or since_ns
    patience_ns = round(run.beats.timeout_s * 1e9) if run.beats is not None else 0  # for a hanging beat
    for source in sources:
        for begin, end in _silences(source, since_ns, until_ns, SILENT_NS + patience_ns):
            text = sentence("the heartbeat was not heard for {seconds:.1f} s", seconds=(end - begin) / 1e9)
            yield finding("heartbeat-silent", text, sentence("records: its watermarks"))


def heartbeat_until_ns(run: Run) -> int | None:
    """Return until when the heartbeat was meant to run; None when the history has no times."""
    asked = at_ns(run.first("heartbeat-stopped", "heartbeat-ending"))
    return asked or max((moment for event in run.events if (moment := at_ns(event)) is not None), default=None)


def ended_early(run: Run) -> Iterator[Finding]:
    """Find a heartbeat that ended before it was stopped."""
    until_ns = heartbeat_until_ns(run)
    for source in run.sources:
        if source.kind == "beats" and source.ended and source.watermark_ns is not None and until_ns is not None:
            early_s = (until_ns - source.watermark_ns) / 1e9
            if early_s > SILENT_NS / 1e9:
                text = sentence("the heartbeat ended {seconds:.1f} s before it was stopped", seconds=early_s)
                yield finding("heartbeat-silent", text, sentence("records: its end"))


def late_heartbeat(run: Run) -> Iterator[Finding]:
    """Find a heartbeat that sent 1 % of its beats so late that the delay may pass for an outage."""
    beats = run.beats
    if beats is None or not len(beats.late_us):
        return
    import numpy

    late_s, limit_s = float(numpy.percentile(beats.late_us, 99)) / 1e6, beats.deadline_s * LATE_SHARE_OF_DEADLINE
    if late_s > limit_s:
        text = sentence(
            "one beat in a hundred was sent {late_ms:.0f} ms late or later; "
            "more than {limit_ms:.0f} ms makes outages that are none",
            late_ms=late_s * 1000,
            limit_ms=limit_s * 1000,
        )
        yield finding("heartbeat-late", text, sentence("records: beats"))


def clocks_off(run: Run) -> Iterator[Finding]:
    """Report clocks that are off by more than a second, whose times were corrected."""
    worst: dict[str, Mapping[str, Any]] = {}
    for event in run.named("clock-measured"):
        source, offset = str(event.get("source")), event.get("offset_ns")
        if isinstance(offset, int) and abs(offset) > abs(worst.get(source, {}).get("offset_ns", 0)):
            worst[source] = event
    for source, event in worst.items():
        offset_s = event["offset_ns"] / 1e9
        if abs(offset_s) > CLOCK_OFF_S:
            uncertainty = event.get("uncertainty_ns")
            text = sentence(
                "the clock of {source} is {seconds:.3f} s{about} {which_way}; its times were corrected",
                source=source,
                seconds=abs(offset_s),
                about=sentence(" ± {seconds:.3g} s", seconds=uncertainty / 1e9) if isinstance(uncertainty, int) else "",
                which_way=sentence("ahead") if offset_s > 0 else sentence("behind"),
            )
            yield finding("clock-off", text, sentence("history: {event}", event="clock-measured"))


def clocks_unknown(run: Run) -> Iterator[Finding]:
    """Report clocks that were never compared with the recorder's: their durations are right, their times may not be."""
    recorders = ((sentence("the heartbeat"), run.beats), (sentence("the load generator"), run.requests))
    for name, records in recorders:
        if records is not None and records.clock_uncertainty_ns is None:
            text = sentence(
                "the clock of {recorder} was never compared with the recorder's: its moments may be off by any amount",
                recorder=name,
            )
            yield finding("clock-unknown", text, sentence("history: no {event}", event="clock-measured"))


def _silences(
    source: RecordSource, since_ns: int, until_ns: int, longest_ns: int = SILENT_NS
) -> Iterator[tuple[int, int]]:
    """Yield the silences in a time, with that from the last watermark to the end if the source recorded no end."""
    found = list(source.silences)
    if not source.ended:
        found.append((source.watermark_ns if source.watermark_ns is not None else since_ns, until_ns))
    for begin, end in found:
        inside = max(begin, since_ns), min(end, until_ns)
        if inside[1] - inside[0] > longest_ns:
            yield inside
