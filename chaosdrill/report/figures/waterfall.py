"""The figure of a drill: the waterfall, and below it on the same time axis what clients observed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chaosdrill.report.figures.base import axis, layout, milliseconds, numbers
from chaosdrill.report.palette import role
from chaosdrill.report.sanitizing import in_figure
from chaosdrill.report.texts import Words
from chaosdrill.report.view.clients import LOAD, ClientObservations, Points, Spans
from chaosdrill.report.view.regions import region_role, serving_region
from chaosdrill.report.view.timeline import CLIENTS, Bar, Lane, Timeline
from chaosdrill.time_zones import LAST_NS, Zone, local

LANE_PX, GROUP_PX = 22, 9
PANELS_PX = {"errors": 96, "latency": 150, "beats": 170}
GAP_PX, TOP_PX, BOTTOM_PX, LEFT_PX = 40, 48, 34, 150
NS = 1_000_000_000

Figure = dict[str, Any]


def waterfall(
    timeline: Timeline, clients: ClientObservations, regions: Sequence[str], t: Words, zone: Zone = None
) -> Figure:
    """Return the figure.

    :param regions: the regions in the order of their colours.
    :param zone: the time zone of the local times shown next to UTC; default: that of this machine.
    """
    lanes = [*timeline.lanes, *_lanes_of_clients(clients, regions, t)]
    lanes = sorted(lanes, key=lambda lane: [*_groups(timeline.lanes), CLIENTS].index(lane.group))
    panels = [name for name, is_there in _panels(clients).items() if is_there]
    rows = _Rows(lanes, panels, _headings(clients, t))
    data = [*_bars(lanes, rows.places, timeline.zero_ns, t, zone), _above(timeline)]
    for place, name in enumerate(panels, 2):
        data += _PANELS[name](clients, regions, timeline.zero_ns, t, f"y{place}")
    return {"data": data, "layout": _layout(timeline, rows, t), "narrow": _narrow(rows)}


def _groups(lanes: Sequence[Lane]) -> list[str]:
    return list(dict.fromkeys(lane.group for lane in lanes))


def _panels(clients: ClientObservations) -> Mapping[str, bool]:
    return {
        "errors": bool(clients.ratios),
        "latency": clients.percentiles is not None,
        "beats": bool(clients.points),
    }


def _headings(clients: ClientObservations, t: Words) -> Mapping[str, tuple[str, str]]:
    """Return the heading of each panel, with the legend of its lines."""
    shown, every = (sum(getattr(one, name) for one in clients.points) for name in ("shown", "of_all"))
    beats = t("panel.beats") if shown == every else t("panel.beats-thinned", shown=f"{shown:,}", all=f"{every:,}")
    operations = ", ".join(
        f"{name} ({t(f'symbol.{number % len(_SYMBOLS)}')})" for number, name in enumerate(_operations(clients))
    )
    width = {"errors": clients.ratios[0].width_ns if clients.ratios else 0}
    width["latency"] = clients.percentiles.width_ns if clients.percentiles is not None else 0
    of = t.of("of", clients.percentiles.of if clients.percentiles is not None else "")
    seconds = {name: f"{ns / NS:g} {t.of('unit', 's')}" for name, ns in width.items()}
    told = {
        "errors": (t("panel.errors"), t("panel.errors-told", width=seconds["errors"])),
        "latency": (t("panel.latency", of=of), t("panel.latency-told", width=seconds["latency"])),
        "beats": (beats, t("panel.beats-told", operations=operations)),
    }
    return {name: (f"<b>{in_figure(title)}</b>", in_figure(text)) for name, (title, text) in told.items()}


def _operations(clients: ClientObservations) -> list[str]:
    return list(dict.fromkeys(points.operation for points in clients.points))


class _Rows:
    """The layout of the figure: lanes from the top down with gaps between groups, then the panels."""

    def __init__(self, lanes: Sequence[Lane], panels: Sequence[str], headings: Mapping[str, tuple[str, str]]) -> None:
        self.lanes, self.panels, self.headings = lanes, panels, headings
        self.places: list[float] = []
        self.edges: list[float] = []
        place = 0.0
        for number, lane in enumerate(lanes):
            if number and lane.group != lanes[number - 1].group:
                self.edges.append(place - 0.5 + GROUP_PX / LANE_PX / 2)
                place += GROUP_PX / LANE_PX
            self.places.append(place)
            place += 1
        self.lanes_px = max(1.0, place) * LANE_PX
        self.height = TOP_PX + self.lanes_px + sum(GAP_PX + PANELS_PX[name] for name in panels) + BOTTOM_PX

    def domains(self) -> list[tuple[float, float]]:
        """Return the vertical domain of each row, the lanes first."""
        inner = self.height - TOP_PX - BOTTOM_PX
        found, top = [(1 - self.lanes_px / inner, 1.0)], self.lanes_px
        for name in self.panels:
            top += GAP_PX
            found.append((max(0.0, 1 - (top + PANELS_PX[name]) / inner), 1 - top / inner))
            top += PANELS_PX[name]
        return found


def _lanes_of_clients(clients: ClientObservations, regions: Sequence[str], t: Words) -> Iterator[Lane]:
    """Yield the lanes of the regions that served the heartbeat, and of failed requests of the load."""
    operations = dict.fromkeys(spans.of for spans in clients.served)
    for name in operations:
        bars = [bar for spans in clients.served if spans.of == name for bar in _of_spans(spans, regions, t)]
        yield Lane(CLIENTS, f"served {name}", tuple(sorted(bars, key=lambda bar: bar.since_ns)))
    for spans in clients.failing:
        if len(spans.since_ns):
            yield Lane(
                CLIENTS, "failing" if spans.of == LOAD else f"unserved {spans.of}", tuple(_of_spans(spans, regions, t))
            )


def _of_spans(spans: Spans, regions: Sequence[str], t: Words) -> Iterator[Bar]:
    colour = "bad" if spans.kind in ("failed", "mixed") else region_role(spans.kind, regions)
    label = "" if spans.kind == "failed" else spans.kind
    for since_ns, until_ns, count in zip(
        spans.since_ns.tolist(), spans.until_ns.tolist(), spans.count.tolist(), strict=True
    ):
        yield Bar(since_ns, until_ns, colour, label, t("figure.number", n=f"{count:,}"))


def _above(timeline: Timeline) -> Figure:
    """Return an invisible trace on the upper axis, with the range of the lower axis.

    Plotly draws an axis only if it has data.
    """
    ends = [milliseconds(timeline.zero_ns), milliseconds(timeline.until_ns)]
    invisible = {"type": "scatter", "mode": "markers", "opacity": 0, "hoverinfo": "skip", "showlegend": False}
    return {**invisible, "name": "", "x": numbers(ends), "y": [0, 0], "xaxis": "x2", "yaxis": "y"}


def _bars(lanes: Sequence[Lane], places: Sequence[float], zero_ns: int, t: Words, zone: Zone) -> Iterator[Figure]:
    """Yield one trace for each colour, so that its bars follow the theme."""
    by_colour: dict[str, list[tuple[Lane, float, Bar]]] = {}
    for lane, place in zip(lanes, places, strict=True):
        for bar in lane.bars:
            by_colour.setdefault(bar.colour, []).append((lane, place, bar))
    for colour, found in by_colour.items():
        texts = [in_figure(_label(lane, bar, t), 60) for lane, _, bar in found]
        yield {
            "type": "bar",
            "name": colour,
            "orientation": "h",
            "base": numbers([milliseconds(bar.since_ns) for *_, bar in found]),
            "x": numbers([milliseconds(bar.until_ns - bar.since_ns) for *_, bar in found]),
            "y": numbers([float(place) for _, place, _ in found]),
            "width": 0.84,
            "marker": {"color": role(colour), "line": {"color": role(colour), "width": 1}},
            "text": texts,
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "textfont": {"color": role("ink" if colour in _LIGHT_ONES else "on-colour"), "size": 10},
            "hovertext": [_told(lane, bar, zero_ns, t, zone) for lane, _, bar in found],
            "hoverinfo": "text",
            "showlegend": False,
        }


_LIGHT_ONES = ("neutral-faint", "probe", "bad-faint")


def _label(lane: Lane, bar: Bar, t: Words) -> str:
    if lane.name == "region-state":
        return serving_region(bar.label) or t.say(bar.label)
    return t.of("stage", bar.label) if lane.name == "phase" else t.say(bar.label)


def _told(lane: Lane, bar: Bar, zero_ns: int, t: Words, zone: Zone) -> str:
    """Return the hover text of a bar: its name, start, end, duration and details."""
    what = in_figure(_label(lane, bar, t))
    head = f"<b>{in_figure(lane_name(lane.name, t))}</b>" + (f": {what}" if what else "")
    seconds = (bar.until_ns - bar.since_ns) / NS
    end = f"{clock(bar.until_ns)} UTC" if bar.ended else t("figure.not-ended")
    span = t("figure.span", since=clock(bar.since_ns), until=end, seconds=f"{seconds:.3f}")
    beside = [in_figure(one)] if (one := local(bar.since_ns, zone)) else []
    lines = [head, span, *beside, since(bar.since_ns, zero_ns, t)]
    return "<br>".join([*lines, *([in_figure(t.say(bar.told))] if bar.told else [])])


def lane_name(name: str, t: Words) -> str:
    """Return the name of a lane; for an operation of the heartbeat with the operation."""
    kind, _, operation = name.partition(" ")
    if operation:
        return t(f"lane.{kind}", operation=operation)
    return t.of("lane", name, t.of("moment", name))


def clock(at_ns: int) -> str:
    """Return the time of day in UTC, to the millisecond; for a time outside the calendar its nanoseconds."""
    if not 0 <= at_ns < LAST_NS:
        return f"{at_ns} ns"
    return datetime.fromtimestamp(at_ns // NS, UTC).strftime("%H:%M:%S") + f".{at_ns % NS // 1_000_000:03d}"


def since(at_ns: int, zero_ns: int, t: Words) -> str:
    """Return the time since the drill was opened."""
    return t("figure.since", seconds=f"{(at_ns - zero_ns) / NS:+.3f}")


def _errors(clients: ClientObservations, regions: Sequence[str], zero_ns: int, t: Words, y: str) -> Iterator[Figure]:
    import numpy

    for ratios, dash, colour in zip(clients.ratios, ("solid", "dot"), ("bad", "interrupted"), strict=False):
        some = ratios.count > 0
        share = numpy.where(some, ratios.bad / numpy.maximum(ratios.count, 1), numpy.nan)
        told = [f"{bad} / {count}" for bad, count in zip(ratios.bad.tolist(), ratios.count.tolist(), strict=True)]
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": t(f"series.{ratios.of}"),
            "x": numbers(milliseconds(ratios.at_ns)),
            "y": numbers(share * 100),
            "text": told,
            "line": {"shape": "hv", "width": 1.6, "dash": dash, "color": role(colour)},
            "hovertemplate": f"%{{x|%H:%M:%S}} UTC<br>{in_figure(t(f'series.{ratios.of}'))}: %{{y:.2f}} % (%{{text}})"
            "<extra></extra>",
            "yaxis": y,
            "legendgroup": "errors",
            "showlegend": False,
        }


def _latency(clients: ClientObservations, regions: Sequence[str], zero_ns: int, t: Words, y: str) -> Iterator[Figure]:
    found = clients.percentiles
    if found is None:
        return
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": t("series.slowest"),
        "x": numbers(milliseconds(found.slowest_at_ns)),
        "y": numbers(found.slowest_ms),
        "marker": {"size": 4, "color": role("most"), "symbol": "diamond"},
        "hovertemplate": f"%{{x|%H:%M:%S.%3f}} UTC<br>{in_figure(t('series.slowest'))}: %{{y:,.1f}} ms<extra></extra>",
        "yaxis": y,
        "showlegend": False,
    }
    for name, row, dash in zip(("p50", "p95", "p99"), found.values_ms, ("solid", "dash", "dot"), strict=True):
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": numbers(milliseconds(found.at_ns)),
            "y": numbers(row),
            "line": {"shape": "hv", "width": 1.6, "dash": dash, "color": role(name)},
            "hovertemplate": f"%{{x|%H:%M:%S}} UTC<br>{name}: %{{y:,.1f}} ms<extra></extra>",
            "yaxis": y,
            "showlegend": False,
        }


_SYMBOLS = ("circle-open", "diamond-open", "square-open", "triangle-up-open")


def _beats(clients: ClientObservations, regions: Sequence[str], zero_ns: int, t: Words, y: str) -> Iterator[Figure]:
    operations = _operations(clients)
    for points in sorted(clients.points, key=lambda one: one.kind in ("unserved", "unknown")):
        symbol = _SYMBOLS[operations.index(points.operation) % len(_SYMBOLS)]
        yield _of_points(points, symbol, regions, t, y)


def _of_points(points: Points, symbol: str, regions: Sequence[str], t: Words, y: str) -> Figure:
    unserved = points.kind in ("unserved", "unknown")
    colour = {"unserved": "bad", "unknown": "warn"}.get(points.kind) or region_role(points.kind, regions)
    kind = t.of("beat", points.kind) if unserved else t("beat.served", region=points.kind)
    what = in_figure(f"{points.operation}: {kind}").replace("%{", "% {")
    return {
        "type": "scatter",
        "mode": "markers",
        "name": what,
        "x": numbers(milliseconds(points.at_ns)),
        "y": numbers(points.latency_ms),
        "marker": {
            "size": 6 if unserved else 4.5,
            "symbol": "x-thin" if unserved else symbol,
            "color": role(colour),
            "line": {"width": 1.4 if unserved else 0.9, "color": role(colour)},
        },
        "hovertemplate": f"%{{x|%H:%M:%S.%3f}} UTC<br>{what}<br>%{{y:,.1f}} ms<extra></extra>",
        "yaxis": y,
        "showlegend": False,
    }


_PANELS = {"errors": _errors, "latency": _latency, "beats": _beats}
_DECADES = {
    "type": "log",
    "tickvals": [10.0**power for power in range(-2, 7)],
    "ticktext": ["0.01 ms", "0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s", "1000 s"],
}
_AXES: Mapping[str, Mapping[str, Any]] = {
    "errors": {"rangemode": "tozero", "ticksuffix": " %", "nticks": 4},
    "latency": _DECADES,
    "beats": _DECADES,
}


def _narrow(rows: "_Rows") -> Figure:
    """Return the settings for narrow screens."""
    return {
        "margin": {"l": 104, "r": 6},
        "yaxis": {"tickfont": {"size": 9}},
        "xaxis": {"nticks": 4},
        "xaxis2": {"nticks": 4},
        "annotations": [{**_heading(rows, name), "text": rows.headings[name][0]} for name in rows.panels],
    }


def _layout(timeline: Timeline, rows: _Rows, t: Words) -> Figure:
    domains = rows.domains()
    names = [in_figure(lane_name(lane.name, t), 40) for lane in rows.lanes]
    axes: Figure = {
        "xaxis": axis(
            type="date",
            range=[milliseconds(timeline.zero_ns), milliseconds(timeline.until_ns)],
            tickformatstops=_TICKS,
            anchor="y" if len(domains) == 1 else f"y{len(domains)}",
            showspikes=True,
            spikemode="across",
            spikesnap="cursor",
            spikethickness=1,
            spikedash="dot",
            spikecolor=role("faint"),
            nticks=10,
        ),
        "xaxis2": axis(
            type="date",
            matches="x",
            tickmode="auto",
            overlaying="x",
            side="top",
            anchor="y",
            tickformatstops=_TICKS,
            nticks=10,
            showgrid=False,
            tickfont={"size": 11},
        ),
        "yaxis": axis(
            domain=domains[0],
            tickvals=rows.places,
            ticktext=names,
            range=[(rows.places[-1] if rows.places else 0) + 0.5, -0.5],
            fixedrange=True,
            showgrid=False,
            tickfont={"size": 11},
        ),
    }
    for number, (name, domain) in enumerate(zip(rows.panels, domains[1:], strict=True), 2):
        axes[f"yaxis{number}"] = axis(domain=domain, fixedrange=True, tickfont={"size": 11}, **_AXES[name])
    margin = {"l": LEFT_PX, "r": 12, "t": TOP_PX, "b": BOTTOM_PX}
    return layout(
        round(rows.height),
        **axes,
        margin=margin,
        barmode="overlay",
        bargap=0,
        hovermode="closest",
        uniformtext={"mode": "hide", "minsize": 9},
        shapes=[_edge(place) for place in rows.edges],
        annotations=[_heading(rows, name) for name in rows.panels],
    )


_TICKS = [
    {"dtickrange": [None, 1000], "value": "%H:%M:%S.%2f"},
    {"dtickrange": [1000, 60000], "value": "%H:%M:%S"},
    {"dtickrange": [60000, 86400000], "value": "%H:%M"},
    {"dtickrange": [86400000, None], "value": "%Y-%m-%d"},
]


def _edge(place: float) -> Figure:
    """Return a line between two groups, which extends over the names."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": "y",
        "y0": place,
        "y1": place,
        "line": {"color": role("line"), "width": 1},
        "layer": "below",
    }


def _heading(rows: "_Rows", name: str) -> Figure:
    """Return the heading above a panel."""
    top = rows.domains()[1 + rows.panels.index(name)][1]
    return {
        "text": "  ".join(rows.headings[name]),
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 2,
        "showarrow": False,
        "font": {"size": 12, "color": role("ink")},
    }
