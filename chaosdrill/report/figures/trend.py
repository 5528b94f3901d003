"""The figure of runs over time: the phases of each movement stacked, the recovery time, the objective as a line."""

from collections.abc import Iterator, Sequence
from typing import Any

from chaosdrill.analysis.compared_figures import MOVEMENTS
from chaosdrill.analysis.trend import RTO, STACKED, Point, Trend
from chaosdrill.report.figures.base import axis, layout
from chaosdrill.report.palette import role
from chaosdrill.report.shown import in_figure
from chaosdrill.report.words import Words

Figure = dict[str, Any]

ROW_PX, GAP_PX, TOP_PX, BOTTOM_PX = 250, 46, 64, 92
TICKS = 16  # labels of runs on the axis, at most
# neighbours differ in hue, in lightness, and by a pattern where they do not print in colour
COLOURS = ("neutral", "region-1", "region-4", "region-2", "region-3", "p99")
PATTERNS = ("", "/", "", "x", "", "\\")


def trend_figure(trend: Trend, t: Words) -> Figure | None:
    """:returns: the figure; None when nothing was moved in any run."""
    moved = [
        what for what in MOVEMENTS if any(what in point.stacks or what in point.recoveries for point in trend.points)
    ]
    if not moved:
        return None
    data = [
        trace for row, what in enumerate(moved) for trace in _row(trend, what, f"y{row + 1 if row else ''}", t, row)
    ]
    return {"data": data, "layout": _layout(trend, moved, t), "narrow": {"margin": {"l": 44, "r": 6}}}


def _row(trend: Trend, what: str, y: str, t: Words, row: int) -> Iterator[Figure]:
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
                "showlegend": row == 0,
                "yaxis": y,
            }
    yield from _recoveries(trend, what, y, t, row)
    yield from _objective(trend, y, t, row)


def _bars(trend: Trend, what: str, phase: str, t: Words) -> Figure:
    budgets = trend.objectives.get(phase, (None,) * len(trend.points))
    places, seconds, told = [], [], []
    for number, (point, budget) in enumerate(zip(trend.points, budgets, strict=True)):
        for part in point.stacks.get(what, ()):
            if part.name == phase:
                limit = f" ({in_figure(t('compare.budget', seconds=f'{budget:g}'))})" if budget is not None else ""
                took = f"{in_figure(t.of('moment', phase))}: {in_figure(part.took.in_words())}{limit}"
                places.append(number)
                seconds.append(round(part.seconds, 6))
                told.append(f"<b>{in_figure(point.run)}</b><br>{took}")
    return {"x": places, "y": seconds, "hovertext": told} if places else {}


def _recoveries(trend: Trend, what: str, y: str, t: Words, row: int) -> Iterator[Figure]:
    known = [
        (number, point, took)
        for number, point in enumerate(trend.points)
        if (took := point.recoveries.get(what)) is not None and took.value is not None
    ]
    if not known:
        return
    words = in_figure(t("compare.recovery"))
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
            "color": role("ink"),
            "symbol": ["diamond" if point.verdict == "passed" else "x" for _, point, _ in known],
            "line": {"color": role("paper"), "width": 1},
        },
        "hovertext": [_told(point, took.in_words(), words, t) for _, point, took in known],
        "hoverinfo": "text",
        "legendgroup": "recovery",
        "showlegend": row == 0,
        "yaxis": y,
    }


def _told(point: Point, took: str, words: str, t: Words) -> str:
    verdict = in_figure(t.of("verdict", point.verdict))
    return f"<b>{in_figure(point.run)}</b><br>{in_figure(point.began)}: {verdict}<br>{words}: {in_figure(took)}"


def _objective(trend: Trend, y: str, t: Words, row: int) -> Iterator[Figure]:
    """A line as long as the objective was the same; it may have changed from run to run."""
    values = trend.objectives.get(RTO)
    if values is None:
        return
    edges = [(place, value) for number, value in enumerate(values) for place, value in _edges(number, value)]
    yield {
        "type": "scatter",
        "mode": "lines",
        "name": in_figure(t("compare.rto")),
        "x": [place for place, _ in edges],
        "y": [value for _, value in edges],
        "connectgaps": False,
        "line": {"color": role("bad"), "dash": "dash", "width": 1.8},
        "hovertemplate": f"{in_figure(t('compare.rto'))}: %{{y:g}} s<extra></extra>",
        "legendgroup": "rto",
        "showlegend": row == 0,
        "yaxis": y,
    }


def _edges(number: int, value: float | None) -> tuple[tuple[float, float | None], ...]:
    return ((number - 0.5, value), (number + 0.5, value))


def _layout(trend: Trend, moved: Sequence[str], t: Words) -> dict[str, Any]:
    height = TOP_PX + BOTTOM_PX + len(moved) * ROW_PX + (len(moved) - 1) * GAP_PX
    inner = height - TOP_PX - BOTTOM_PX
    count = len(trend.points)
    every = max(1, -(-count // TICKS))
    ticks = list(range(0, count, every))
    found: dict[str, Any] = layout(
        height,
        barmode="stack",
        bargap=0.25 if count < 60 else 0.05,
        margin={"l": 60, "r": 12, "t": TOP_PX, "b": BOTTOM_PX},
        xaxis=axis(
            range=[-0.6, count - 0.4],
            tickvals=ticks,
            ticktext=[in_figure(_day(trend.points[at])) for at in ticks],
            tickangle=-40,
            showgrid=False,
            anchor=f"y{len(moved)}" if len(moved) > 1 else "y",
        ),
        annotations=[_heading(what, 1 - row * (ROW_PX + GAP_PX) / inner, t) for row, what in enumerate(moved)],
    )
    found["legend"] = {**found["legend"], "y": 1 + 26 / inner}
    for row in range(len(moved)):
        top = 1 - row * (ROW_PX + GAP_PX) / inner
        domain = [max(0.0, top - ROW_PX / inner), top]
        title = {"text": in_figure(t("compare.seconds")), "font": {"size": 11}}
        found[f"yaxis{row + 1 if row else ''}"] = axis(domain=domain, rangemode="tozero", title=title)
    return found


def _day(point: Point) -> str:
    return point.began[:16].replace("T", " ") or point.run


def _heading(what: str, top: float, t: Words) -> dict[str, Any]:
    return {
        "text": f"<b>{in_figure(t.of('movement', what))}</b>",
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 13, "color": role("ink")},
    }
