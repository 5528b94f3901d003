"""The contents of a report: pure functions from a run and its judgement to values, without the page's texts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from chaosdrill.analysis.hypothesis import Probe, hypothesis_of, probes_of_json
from chaosdrill.analysis.summary_fields import IMPORTED
from chaosdrill.analysis.undo_results import SystemChange, changes_of
from chaosdrill.analysis.untrusted_json import mapping, sequence, text
from chaosdrill.messages import Sentence
from chaosdrill.report.regulatory_evidence import ShownEvidence, capabilities_of, shown_evidence
from chaosdrill.report.view.headline import Headline, headline
from chaosdrill.report.view.inputs import ReportInputs, label
from chaosdrill.report.view.provenance import Surroundings, surroundings
from chaosdrill.report.view.regions import regions_of
from chaosdrill.report.view.steps import ActivityRun, ApiCall, calls, steps
from chaosdrill.report.view.timeline import Timeline, timeline
from chaosdrill.report.view.writes import Writes, writes

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement
    from chaosdrill.report.view.clients import ClientObservations

LAB = "lab"
T = TypeVar("T")


@dataclass(frozen=True)
class ReportProblem:
    """A part of the report that could not be computed, and why; the rest is shown."""

    part: str
    why: str


@dataclass(frozen=True, eq=False)
class ReportView:
    """The contents of a report.

    :param title: the title of the experiment; the run's name without one.
    :param notes: what a reader must know before anything else.
    :param broken: how the lab was broken on purpose.
    :param is_lab: the target was the embedded lab: its times are not those of a real system.
    :param scale: the scale of the lab's waits; None if it was not recorded.
    :param is_imported: it is a journal of plain Chaos Toolkit, and nothing else.
    :param changes: what the drill changed, and whether each change was undone.
    :param regulatory: what the drill shows, and does not show, for rules about business continuity.
    :param regions: the regions in the order of their colours.
    """

    name: str
    title: str
    judgement: "Judgement"
    headline: Headline | None
    notes: tuple[Sentence, ...]
    broken: tuple[str, ...]
    is_lab: bool
    scale: float | None
    is_dry: bool
    ended: bool
    changes: tuple[SystemChange, ...]
    is_imported: bool
    regions: tuple[str, ...]
    timeline: Timeline | None
    clients: "ClientObservations | None"
    hypothesis: tuple[Probe, ...]
    writes: Writes | None
    steps: tuple[ActivityRun, ...]
    calls: tuple[ApiCall, ...]
    surroundings: Surroundings | None
    regulatory: tuple[ShownEvidence, ...]
    problems: tuple[ReportProblem, ...]


def view_of(given: ReportInputs) -> ReportView:
    """Return the contents of the report of a run, in any state."""
    problems: list[ReportProblem] = []

    def known(part: str, otherwise: T, work_out: Callable[..., T], *values: Any) -> T:
        """Compute a part; if it fails, record the problem, so that the other parts are still shown."""
        try:
            return work_out(*values)
        except Exception as error:  # noqa: BLE001 - show the rest of a damaged history, and report the problem
            problems.append(ReportProblem(part, f"{type(error).__name__}: {error}"))
            return otherwise

    def seen_by_clients() -> "ClientObservations":
        from chaosdrill.report.view.clients import clients  # needs numpy

        return clients(given.run.beats, given.run.requests)

    no_regions: tuple[str, ...] = ()
    regions = known("regions", no_regions, regions_of, given)
    return ReportView(
        name=given.name,
        title=text(given.said.get("title")) or text(given.opened.get("title")) or given.name,
        judgement=given.judgement,
        headline=known("headline", None, headline, given),
        notes=given.notes,
        broken=tuple(map(label, sequence(given.said.get("broken")))),
        is_lab=given.target == LAB,
        scale=given.scale,
        is_dry=bool(given.opened.get("dry")),
        ended=bool(given.run.first("drill-closed")),
        changes=known("headline", (), changes_of, given.run.events),
        is_imported=given.said.get("source") == IMPORTED,
        regions=regions,
        timeline=known("timeline", None, timeline, given, regions),
        clients=known("clients", None, seen_by_clients),
        hypothesis=known("hypothesis", (), _hypothesis, given),
        writes=known("writes", None, writes, given),
        steps=known("steps", (), steps, given),
        calls=known("steps", (), calls, given),
        surroundings=known("surroundings", None, surroundings, given),
        regulatory=known("regulatory", (), _regulatory, given),
        problems=tuple(problems),
    )


def _hypothesis(given: ReportInputs) -> tuple[Probe, ...]:
    """Return the probes from the history, which has more details; an imported run may have only the summary."""
    return hypothesis_of(given.run.events) or probes_of_json(mapping(given.said).get("hypothesis"))


def _regulatory(given: ReportInputs) -> tuple[ShownEvidence, ...]:
    """Return what the drill shows for rules; a lab that was broken on purpose and a dry run show nothing."""
    changed = [one.func for one in changes_of(given.run.events)]
    objectives = mapping(given.opened.get("objectives"))
    is_artificial = bool(given.opened.get("dry")) or bool(sequence(given.said.get("broken")))
    return shown_evidence(capabilities_of(given.judgement, given.target, objectives, changed, is_artificial))
