"""Rows of the figure of runs over time: what the runs reached of an objective, and the objective as a line."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from chaosdrill.analysis.compared_figures import MOVEMENTS
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.objective_results import Aim, Reached
from chaosdrill.report import figure_texts
from chaosdrill.report.palette import role
from chaosdrill.report.sanitizing import in_figure
from chaosdrill.report.texts import Words

Figure = dict[str, Any]

BAR, APART = 0.75, 0.38  # shares of the width of one run: the bar, and the distance of two bars
FAINT = 0.55  # opacity of the failback's bars
PERCENT = 100.0


def aim_row(runs: Sequence[str], aim: Aim, y: str, colour: str, t: Words) -> Iterator[Figure]:
    """Yield the traces of one objective: bars by transition for a phase, markers for figures of the whole run.

    :param runs: the names of the runs in order.
    :param y: the row's axis.
    :param colour: the role of the phase's colour.
    """
    if aim.is_budget:
        yield from (_bars(runs, aim, what, y, colour, t) for what in moved(aim))
        yield from _beyond(aim, y, t)
    else:
        yield from _marks(runs, aim, y, t)
    yield objective(aim, y, t)


def moved(aim: Aim) -> list[str]:
    """Return the transitions with a measured figure."""
    seen = {one.of for them in aim.reached for one in them if one.measured.value is not None}
    return [what for what in MOVEMENTS if what in seen]


def objective(aim: Aim, y: str, t: Words) -> Figure:
    """Return the line of an objective, in sections, because the limit may change from run to run."""
    edges = [(number + half, value) for number, value in enumerate(aim.limits) for half in (-0.5, 0.5)]
    told = [in_figure(f"{called(aim, t)}: {wanted(aim, value, t)}") if value is not None else "" for _, value in edges]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": in_figure(t("compare.objective")),
        "x": [place for place, _ in edges],
        "y": [None if value is None else in_its_unit(aim, value) for _, value in edges],
        "connectgaps": False,
        "line": {"color": role("bad"), "dash": "dash", "width": 1.8},
        "hovertext": told,
        "hoverinfo": "text",
        "legendgroup": "objective",
        "yaxis": y,
    }


def called(aim: Aim, t: Words) -> str:
    """Return the name of an objective."""
    if aim.is_budget:
        return t("objective.budget", phase=t.of("moment", aim.name))
    return f"{t.of('objective', aim.name)} ({aim.name})"


def wanted(aim: Aim, limit: float, t: Words) -> str:
    """Return an objective in words, such as ``at most 3 s``."""
    kind = "objective.at-least" if aim.name == "availability_ratio" else "objective.at-most"
    return t(kind, value=figure_texts.number(limit, aim.unit, t))


def in_its_unit(aim: Aim, value: float) -> float:
    """Return a value in the unit of its axis: a ratio in percent."""
    return round(value * PERCENT if aim.unit == "ratio" else value, 6)


FAR = 2.0  # in spans of a row's values: a farther objective would flatten them
LEAST_SPAN = 1.0  # for a ratio, in percent


def near(values: Sequence[float], limits: Sequence[float], from_zero: bool) -> tuple[float, float] | None:
    """Return the range of an axis that keeps the values of a row readable although an objective is far from them.

    :param values: the figures, in the axis's unit.
    :param limits: the objectives, in the same unit.
    :param from_zero: the axis begins at 0.
    :returns: the ends of the axis; None when every objective is near, so that the axis needs no range.
    """
    if not values:
        return None
    low, high = 0.0 if from_zero else min(values), max(values)
    span = high - low if from_zero else max(high - low, LEAST_SPAN)
    if span <= 0 or not any(is_far(one, low, high, span) for one in limits):
        return None
    drawn = [low, high, *(one for one in limits if not is_far(one, low, high, span))]
    margin = 0.15 * span
    return (0.0 if from_zero else min(drawn) - margin, max(drawn) + margin)


def is_far(limit: float, low: float, high: float, span: float) -> bool:
    """Return whether including an objective in the axis would flatten the values between ``low`` and ``high``."""
    return limit > high + FAR * span or limit < low - FAR * span


def axis_of(aim: Aim | None, t: Words, ends: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return the specific settings of the axis of an objective; without one, of stacked phases.

    :param ends: the ends of the axis, if an objective is outside them.
    """
    units = {"ratio": t("unit.%"), "writes": t("unit.writes")}
    title = units.get(aim.unit) if aim is not None else None
    found: dict[str, Any] = {"title": {"text": in_figure(title or t("compare.seconds")), "font": {"size": 11}}}
    if aim is None or aim.unit != "ratio":  # from zero, changes of a ratio would be invisible
        found["rangemode"] = "tozero"
    if ends is not None:
        found["range"] = list(ends)
    if aim is not None:
        found["nticks"] = 4
    if aim is not None and aim.unit == "writes":  # writes are whole numbers
        limits = [] if ends is not None else [one or 0.0 for one in aim.limits]
        most = max([1.0, *values_of(aim), *limits])
        found |= {"dtick": math.ceil(most / 3), "tickformat": "d"}
    return found


def values_of(aim: Aim) -> list[float]:
    """Return everything that the runs reached of an objective, in the unit of its axis."""
    return [in_its_unit(aim, one.measured.value or 0.0) for _, one in _seen(aim)]


def limits_of(aim: Aim) -> list[float]:
    """Return every limit of an objective, in the unit of its axis."""
    return [in_its_unit(aim, one) for one in aim.limits if one is not None]


def label(aim: Aim, y: str, t: Words, ends: tuple[float, float] | None = None) -> Figure | None:
    """Return the newest run's limit as a label at the end of its line; None without a limit.

    :param ends: the ends of the axis: for a limit outside them an arrow shows its direction.
    """
    limit = aim.limits[-1] if aim.limits else None
    if limit is None:
        return None
    text = in_figure(f"{limit:g}" if aim.unit == "writes" else figure_texts.number(limit, aim.unit, t))
    place = in_its_unit(aim, limit)
    if ends is not None and not ends[0] <= place <= ends[1]:
        text, place = (f"↑ {text}", ends[1]) if place > ends[1] else (f"↓ {text}", ends[0])
    return {
        "text": text,
        "xref": "paper",
        "yref": y,
        "x": 1,
        "y": place,
        "xanchor": "left",
        "yanchor": "middle",
        "xshift": 3,
        "showarrow": False,
        "font": {"size": 11, "color": role("bad")},
    }


def _bars(runs: Sequence[str], aim: Aim, what: str, y: str, colour: str, t: Words) -> Figure:
    shown = [(number, one) for number, one in _seen(aim) if one.of == what]
    return {
        "type": "bar",
        "name": in_figure(t.of("moment", aim.name)),
        "x": [_place(aim, number, what) for number, _ in shown],
        "y": [max(0.0, in_its_unit(aim, one.measured.value or 0.0)) for _, one in shown],
        "width": APART if len(moved(aim)) > 1 else BAR,
        "marker": {"color": role(colour), "opacity": 1 if what == MOVEMENTS[0] else FAINT},
        "hovertext": [_told(runs[number], aim, number, one, t) for number, one in shown],
        "hoverinfo": "text",
        "legendgroup": aim.name,
        "showlegend": False,  # the heading names it
        "yaxis": y,
    }


def _place(aim: Aim, number: int, what: str) -> float:
    """Return the position of a run's bar: of two, the failover is on the left."""
    both = moved(aim)
    return number if len(both) < 2 else number + (both.index(what) - 0.5) * APART


def _beyond(aim: Aim, y: str, t: Words) -> Iterator[Figure]:
    """Yield a cross on each bar that misses the run's objective."""
    missed = [(number, one) for number, one in _seen(aim) if one.met is False]
    if missed:
        yield {
            "type": "scatter",
            "mode": "markers",
            "name": in_figure(t("compare.beyond-objective")),
            "x": [_place(aim, number, one.of) for number, one in missed],
            "y": [in_its_unit(aim, one.measured.value or 0.0) for _, one in missed],
            "marker": {"size": 8, "symbol": "x", "color": role("bad"), "line": {"color": role("paper"), "width": 1}},
            "hoverinfo": "skip",
            "legendgroup": "beyond",
            "yaxis": y,
        }


def _marks(runs: Sequence[str], aim: Aim, y: str, t: Words) -> Iterator[Figure]:
    shown = list(_seen(aim))
    for missed, group, name in ((False, aim.name, t.of("objective", aim.name)),
                                (True, "beyond", t("compare.beyond-objective"))):  # fmt: skip
        some = [(number, one) for number, one in shown if (one.met is False) is missed]
        if some:
            colour = role("bad" if missed else "ink")
            yield {
                "type": "scatter",
                "mode": "markers",
                "name": in_figure(name),
                "x": [number for number, _ in some],
                "y": [in_its_unit(aim, one.measured.value or 0.0) for _, one in some],
                "error_y": {
                    "type": "data",
                    "array": [in_its_unit(aim, one.measured.uncertainty or 0.0) for _, one in some],
                    "color": colour,
                    "thickness": 1.2,
                    "width": 3,
                },
                "marker": {"size": 8, "symbol": "x" if missed else "circle", "color": colour},
                "cliponaxis": False,
                "hovertext": [_told(runs[number], aim, number, one, t) for number, one in some],
                "hoverinfo": "text",
                "legendgroup": group,
                "showlegend": missed,  # the heading names the others
                "yaxis": y,
            }


def _seen(aim: Aim) -> Iterator[tuple[int, Reached]]:
    for number, them in enumerate(aim.reached):
        for one in them:
            if one.measured.value is not None:
                yield number, one


def _told(run: str, aim: Aim, number: int, one: Reached, t: Words) -> str:
    of = f" ({t.of('movement', one.of)})" if one.of else ""
    limit = aim.limits[number]
    held = f"<br>{in_figure(wanted(aim, limit, t))}: {in_figure(_answer(one.met, t))}" if limit is not None else ""
    name = t.of("moment", aim.name) if aim.is_budget else t.of("objective", aim.name)
    took = in_figure(f"{name}{of}: {in_words(one.measured, t)}")
    return f"<b>{in_figure(run)}</b><br>{took}{held}"


def in_words(measured: Measured, t: Words) -> str:
    """Return a figure in the reader's language."""
    return str(figure_texts.figure_text(measured, t))


def _answer(met: bool | None, t: Words) -> str:
    return t({True: "met.yes", False: "met.no", None: "met.unknown"}[met])
