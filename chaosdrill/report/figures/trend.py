"""The figure of runs over time.

It has a row of stacked phases with the recovery time for each transition, and below them a row for each other
objective. Every objective is a line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.compared_figures import MOVEMENTS
from chaosdrill.analysis.objective_results import RTO, Aim
from chaosdrill.analysis.trend import STACKED, Point, Trend
from chaosdrill.report.figures.base import axis, layout
from chaosdrill.report.figures.objectives import (
    aim_row,
    axis_of,
    called,
    in_words,
    label,
    limits_of,
    near,
    objective,
    values_of,
)
from chaosdrill.report.palette import role
from chaosdrill.report.run_labels import run_labels
from chaosdrill.report.sanitizing import in_figure
from chaosdrill.report.texts import Words

Figure = dict[str, Any]

STACK_PX, AIM_PX, GAP_PX, TOP_PX, BOTTOM_PX = 250, 90, 46, 84, 92
TICKS = 16  # labels of runs on the axis, at most
# adjacent colours differ in hue and lightness; patterns help in black and white
COLOURS = ("neutral", "region-1", "region-4", "region-2", "region-3", "p99")
PATTERNS = ("", "/", "", "x", "", "\\")
BESIDE = "phase"  # the colour of any other phase


@dataclass(frozen=True)
class _Row:
    """A row of the figure: a transition's stacked phases, or what the runs reached of an objective.

    :param y: its axis.
    :param top_px: the distance from the top of the first row.
    """

    movement: str
    aim: Aim | None
    y: str
    top_px: int
    height_px: int


def trend_figure(trend: Trend, t: Words) -> Figure | None:
    """Return the figure; None when no run has a transition or a figure with an objective."""
    rows = _rows(trend)
    if not rows:
        return None
    data = [trace for row in rows for trace in _traces(trend, row, t)]
    named: set[str] = set()
    for trace in data:
        trace["showlegend"] = trace.get("showlegend", True) and trace["legendgroup"] not in named
        named |= {trace["legendgroup"]} if trace["showlegend"] else set()
    return {"data": data, "layout": _layout(trend, rows, t), "narrow": {"margin": {"l": 44, "r": 56}}}


def _rows(trend: Trend) -> list[_Row]:
    moved = [
        what for what in MOVEMENTS if any(what in point.stacks or what in point.recoveries for point in trend.points)
    ]
    others = [aim for aim in trend.aims if not (moved and aim.name == RTO)]  # then it is a line in each row of phases
    if not moved and not any(one.measured.value is not None for aim in others for them in aim.reached for one in them):
        return []
    rows: list[_Row] = []
    for what, aim in [*((what, None) for what in moved), *(("", aim) for aim in others)]:
        top_px = rows[-1].top_px + rows[-1].height_px + GAP_PX if rows else 0
        rows.append(_Row(what, aim, f"y{len(rows) + 1}" if rows else "y", top_px, AIM_PX if aim else STACK_PX))
    return rows


def _traces(trend: Trend, row: _Row, t: Words) -> Iterator[Figure]:
    if row.aim is not None:
        colours: Mapping[str, str] = dict(zip(STACKED, COLOURS, strict=True))
        runs = [point.run for point in trend.points]
        yield from aim_row(runs, row.aim, row.y, colours.get(row.aim.name, BESIDE), t)
        return
    yield from _stacks(trend, row.movement, row.y, t)
    yield from _recoveries(trend, row.movement, row.y, t)
    yield from (objective(aim, row.y, t) for aim in trend.aims if aim.name == RTO)


def _stacks(trend: Trend, what: str, y: str, t: Words) -> Iterator[Figure]:
    for number, phase in enumerate(STACKED):
        if bar := _bars(trend, what, phase, t):
            colour = {"color": role(COLOURS[number]), "line": {"color": role("paper"), "width": 0.5}}
            lines = {"fillmode": "overlay", "fgcolor": role("paper"), "size": 6, "solidity": 0.2}
            pattern = {"shape": PATTERNS[number], **lines} if PATTERNS[number] else {}
            yield {
                **bar,
                "type": "bar",
                "name": in_figure(t.of("moment", phase)),
                "marker": {**colour, "pattern": pattern},
                "hoverinfo": "text",
                "legendgroup": phase,
                "yaxis": y,
            }


def _bars(trend: Trend, what: str, phase: str, t: Words) -> Figure:
    budgets = trend.objectives.get(phase, (None,) * len(trend.points))
    places, seconds, told = [], [], []
    for number, (point, budget) in enumerate(zip(trend.points, budgets, strict=True)):
        for part in point.stacks.get(what, ()):
            if part.name == phase:
                limit = f" ({in_figure(t('compare.budget', seconds=f'{budget:g}'))})" if budget is not None else ""
                took = f"{in_figure(t.of('moment', phase))}: {in_figure(in_words(part.took, t))}{limit}"
                places.append(number)
                seconds.append(round(part.seconds, 6))
                told.append(f"<b>{in_figure(point.run)}</b><br>{took}")
    return {"x": places, "y": seconds, "hovertext": told} if places else {}


def _recoveries(trend: Trend, what: str, y: str, t: Words) -> Iterator[Figure]:
    known = [
        (number, point, took)
        for number, point in enumerate(trend.points)
        if (took := point.recoveries.get(what)) is not None and took.value is not None
    ]
    if not known:
        return
    words = in_figure(t("compare.recovery"))
    reached = next((aim.reached for aim in trend.aims if aim.name == RTO), ())
    beyond = {number for number, them in enumerate(reached) if any(one.of == what and one.met is False for one in them)}
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": words,
        "x": [number for number, _, _ in known],
        "y": [took.value for _, _, took in known],
        "error_y": {
            "type": "data",
            "array": [took.uncertainty or 0.0 for _, _, took in known],
            "color": role("ink"),
            "thickness": 1.2,
            "width": 3,
        },
        "marker": {
            "size": 8,
            "color": [role("bad" if number in beyond else "ink") for number, _, _ in known],
            "symbol": ["diamond" if point.verdict == "passed" else "x" for _, point, _ in known],
            "line": {"color": role("paper"), "width": 1},
        },
        "hovertext": [_told(point, in_words(took, t), words, t) for _, point, took in known],
        "hoverinfo": "text",
        "legendgroup": "recovery",
        "yaxis": y,
    }


def _told(point: Point, took: str, words: str, t: Words) -> str:
    verdict = in_figure(t.of("verdict", point.verdict))
    return f"<b>{in_figure(point.run)}</b><br>{in_figure(point.began)}: {verdict}<br>{words}: {in_figure(took)}"


def _layout(trend: Trend, rows: Sequence[_Row], t: Words) -> dict[str, Any]:
    inner = rows[-1].top_px + rows[-1].height_px
    names = run_labels([point.began for point in trend.points], [point.run for point in trend.points])
    count = len(trend.points)
    every = max(1, -(-count // TICKS))
    ticks = list(range(0, count, every))
    found: dict[str, Any] = layout(
        TOP_PX + inner + BOTTOM_PX,
        barmode="stack",
        bargap=0.25 if count < 60 else 0.05,
        margin={"l": 60, "r": 60, "t": TOP_PX, "b": BOTTOM_PX},
        xaxis=axis(
            range=[-0.6, count - 0.4],
            tickvals=ticks,
            ticktext=[in_figure(names[at], 20) for at in ticks],
            tickangle=-40,
            showgrid=False,
            anchor=rows[-1].y,
        ),
        annotations=[*(_heading(row, 1 - row.top_px / inner, t) for row in rows), *_labels(trend, rows, t)],
    )
    found["legend"] = {**found["legend"], "y": 1 + 26 / inner}
    for row in rows:
        top = 1 - row.top_px / inner
        domain = [max(0.0, top - row.height_px / inner), top]
        found[row.y.replace("y", "yaxis")] = axis(domain=domain, **axis_of(row.aim, t, _ends(trend, row)))
    return found


def _labels(trend: Trend, rows: Sequence[_Row], t: Words) -> Iterator[Figure]:
    """Yield the value of the objective at the end of each line."""
    rto = next((aim for aim in trend.aims if aim.name == RTO), None)
    for row in rows:
        aim = row.aim or rto
        if aim is not None and (found := label(aim, row.y, t, _ends(trend, row))) is not None:
            yield found


def _ends(trend: Trend, row: _Row) -> tuple[float, float] | None:
    """Return the ends of a row's axis if an objective is too far from its values to be drawn."""
    if row.aim is not None:
        return near(values_of(row.aim), limits_of(row.aim), row.aim.unit != "ratio")
    heights = [sum(part.seconds for part in point.stacks.get(row.movement, ())) for point in trend.points]
    recoveries = [one for point in trend.points if (one := point.recoveries.get(row.movement)) is not None]
    values = [*heights, *(one.value + (one.uncertainty or 0.0) for one in recoveries if one.value is not None)]
    rto = next((aim for aim in trend.aims if aim.name == RTO), None)
    return near(values, limits_of(rto) if rto is not None else [], True)


def _heading(row: _Row, top: float, t: Words) -> dict[str, Any]:
    text = called(row.aim, t) if row.aim is not None else t.of("movement", row.movement)
    return {
        "text": f"<b>{in_figure(text)}</b>",
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 13 if row.aim is None else 12, "color": role("ink")},
    }
