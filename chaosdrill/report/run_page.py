"""The page of one run."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from chaosdrill import __version__
from chaosdrill.analysis.compared_figures import measured_of
from chaosdrill.analysis.findings import PASSED
from chaosdrill.analysis.run import moment_ns
from chaosdrill.analysis.undo_results import AS_MEANT, NOT_UNDONE, UNDONE, UNKNOWN
from chaosdrill.report import figure_texts
from chaosdrill.report.figures.waterfall import clock, lane_name, waterfall
from chaosdrill.report.page import page
from chaosdrill.report.texts import Words
from chaosdrill.report.view import ReportProblem, ReportView
from chaosdrill.report.view.regions import region_role
from chaosdrill.time_zones import Zone, both, local, offset

LISTED = 400  # bars in the table below the figure


def run_page(view: ReportView, language: str, zone: Zone = None) -> str:
    """Return the report as HTML.

    :param language: one of :data:`chaosdrill.report.texts.LANGUAGES`.
    :param zone: the time zone of the local times shown next to UTC; default: that of this machine.
    """
    t = Words(language)
    figures, problems = _figures(view, t, zone)
    return page(
        "run.html.j2",
        t,
        figures,
        view=view,
        problems=problems,
        judgement=view.judgement,
        reasons=list(_reasons(view, t)),
        said=partial(figure_texts.figure_text, t=t),
        in_ms=partial(figure_texts.in_milliseconds, t=t),
        wanted=partial(figure_texts.number, t=t),
        clock=clock,
        local=partial(local, zone=zone),
        aftermath=list(aftermath(view, t)),
        facts=list(_facts(view, t, zone)),
        lane_name=partial(lane_name, t=t),
        region_role=region_role,
        rows=list(_rows(view))[:LISTED],
        milliseconds=lambda at_ns: at_ns / 1e6,
        latencies=[_latency(one) for one in view.judgement.latencies],
        steps_of=[(phase, list(them)) for phase, them in groupby(view.steps, attrgetter("phase"))],
        version=__version__,
    )


def aftermath(view: ReportView, t: Words) -> Iterator[str]:
    """Yield what the drill left of its changes; nothing if it passed and left nothing, or for a journal."""
    outcomes = {one.outcome for one in view.changes}
    if view.is_imported or (view.judgement.verdict == PASSED and outcomes <= {UNDONE, AS_MEANT}):
        return
    if not view.changes:
        yield t("aftermath.untouched")
    elif outcomes <= {UNDONE, AS_MEANT}:
        yield t("aftermath.as-meant" if AS_MEANT in outcomes else "aftermath.undone")
    for outcome in (NOT_UNDONE, UNKNOWN):
        if names := [t.quoted(one.activity) for one in view.changes if one.outcome == outcome]:
            yield t(f"aftermath.{outcome}", names=", ".join(names))


def _facts(view: ReportView, t: Words, zone: Zone) -> Iterator[tuple[str, str]]:
    """Yield the facts of the run by their key in the catalogue; the beginning in UTC and in the reader's zone."""
    for name, value in view.surroundings.facts if view.surroundings is not None else ():
        began_ns = moment_ns(value) if name == "began" else None
        yield name, t.say(value) if began_ns is None else both(began_ns, zone)
        if began_ns is not None and (ahead := offset(began_ns, zone)):
            yield "time-zone", ahead


def _reasons(view: ReportView, t: Words) -> Iterator[tuple[str, str]]:
    """Yield the reasons for the verdict; one that is not available in the reader's language comes with its meaning."""
    meant = {one.text: t.of("finding", one.name, "") for one in view.judgement.findings}
    for reason in view.judgement.reasons:
        yield "" if t.can_say(reason) else meant.get(reason, ""), reason


def _figures(view: ReportView, t: Words, zone: Zone) -> tuple[dict[str, Any], tuple[ReportProblem, ...]]:
    """Return the figures, and the problems; a figure that fails must not prevent the page."""
    if view.timeline is None or view.clients is None:
        return {}, view.problems
    try:
        return {"waterfall": waterfall(view.timeline, view.clients, view.regions, t, zone)}, view.problems
    except Exception as error:  # noqa: BLE001 - show the rest of a damaged history, and report the problem
        return {}, (*view.problems, ReportProblem("timeline", f"{type(error).__name__}: {error}"))


def _rows(view: ReportView) -> Iterator[Any]:
    """Yield the bars of the waterfall as rows of a table."""
    for lane in view.timeline.lanes if view.timeline is not None else ():
        for bar in lane.bars:
            yield lane, bar


def _latency(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the judgement's latencies, with its figures as values."""
    return {name: measured_of(value) or value for name, value in one.items()}
