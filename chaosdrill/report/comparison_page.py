"""The page of a comparison: of two runs, several, or two groups; over time, by hypothesis, by figure."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from chaosdrill import __version__
from chaosdrill.analysis.comparison import Comparison, exceeds
from chaosdrill.analysis.groups import BETTER, DIFFERENT, WORSE, Groups
from chaosdrill.analysis.hypothesis import ProbeResult, state
from chaosdrill.analysis.many_runs import Checks, ManyRuns
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.run import moment_ns
from chaosdrill.analysis.statistics import ALPHA, effect_in_words
from chaosdrill.analysis.trend import Trend
from chaosdrill.report import figure_texts
from chaosdrill.report.figures.trend import trend_figure
from chaosdrill.report.page import page
from chaosdrill.report.run_labels import run_labels
from chaosdrill.report.sanitizing import on_one_line
from chaosdrill.report.texts import Words
from chaosdrill.time_zones import Zone, both

COLUMNS = 40  # runs with a column in a table
MARKS = {"met": "✓", "missed": "✗", "not known": "?", "not read": "-"}
CLAIMS = (WORSE, BETTER, DIFFERENT)
LISTED = 12  # readings listed in a cell
_CIRCUMSTANCES = {"version": "version of ", "variable": "variable "}  # prefixes of chaosdrill.analysis.summary_fields
_LATENCY = re.compile(r"latency\.(\w+)\.(before|during|after)\.(p\d+)_s")
_SHARE = re.compile(r"hypothesis\.(\w+)\.met_ratio")
_PHASE = re.compile(r"(fail_over|fail_back)\.(\w+)_s")


@dataclass(frozen=True)
class ComparisonContents:
    """The contents of the page of a comparison.

    :param runs: the compared runs, side by side.
    :param trend: the same runs over time.
    :param two: a candidate compared with a baseline; None for more runs.
    :param groups: candidates compared with baselines; None without groups.
    """

    runs: ManyRuns
    trend: Trend
    two: Comparison | None = None
    groups: Groups | None = None


@dataclass(frozen=True)
class Cell:
    """A probe in one run.

    :param share: the percentage of samples that were within the tolerance; empty for a single reading.
    :param told: the readings, in words.
    """

    mark: str
    state: str
    share: str
    told: str
    flipped: bool


def comparison_page(compared: ComparisonContents, language: str, zone: Zone = None) -> str:
    """Return the page as HTML.

    :param language: one of :data:`chaosdrill.report.texts.LANGUAGES`.
    :param zone: the time zone of the local times shown next to UTC; default: that of this machine.
    :raises NoReport: when the extra ``report`` is not installed.
    """
    t = Words(language)
    figure = trend_figure(compared.trend, t)
    runs = compared.runs
    first = max(0, len(runs.runs) - COLUMNS)
    labels = run_labels([one.began for one in runs.runs], [one.run for one in runs.runs])
    return page(
        "comparison.html.j2",
        t,
        {} if figure is None else {"trend": figure},
        compared=compared,
        title=_title(compared, t),
        shown=list(enumerate(runs.runs))[first:],
        first=first,
        labels=labels,
        verdicts=list(Counter(one.verdict for one in runs.runs).items()),
        began=partial(_began, zone=zone),
        rows=[(one, _cells(one, t)[first:]) for one in runs.checks],
        flips=list(_flips(runs, t)),
        spreads={name: _spread(values, t) for name, values in runs.measured.items()},
        claims=_claims(compared.groups),
        said=partial(figure_texts.figure_text, t=t),
        called=partial(called, t=t),
        circumstance=partial(circumstance, t=t),
        change=partial(_change, t=t),
        signed=_signed,
        exceeds=exceeds,
        effect=effect_in_words,
        is_candidate=_is_candidate(compared),
        alpha=f"{ALPHA:.0%}",
        version=__version__,
    )


def _began(text: str, zone: Zone) -> str:
    """Return when a run began, in UTC and in the reader's zone; an invalid time unchanged."""
    at_ns = moment_ns(text)
    return text if at_ns is None else both(at_ns, zone)


def called(name: str, t: Words) -> str:
    """Return the name of a figure in the reader's language."""
    if match := _LATENCY.fullmatch(name):
        return t("kind-of.latency", of=match[1], when=t.of("when", match[2]), quantile=match[3])
    if match := _SHARE.fullmatch(name):
        return t("kind-of.share", of=match[1])
    if match := _PHASE.fullmatch(name):
        movement, phase = (part.replace("_", "-") for part in match.groups())
        return f"{t.of('movement', movement)}: {t.of('moment', phase)}"
    return t.of("figure", name)


def circumstance(name: str, t: Words) -> str:
    """Return the name of a circumstance in the reader's language."""
    for kind, begins in _CIRCUMSTANCES.items():
        if name.startswith(begins):
            return t(f"circumstance-of.{kind}", name=name.removeprefix(begins))
    return t.of("circumstance", name)


def _title(compared: ComparisonContents, t: Words) -> str:
    usable = compared.runs.runs
    if not usable or (compared.two is not None and compared.two.why_not):
        return t("compare.title.none")
    experiment = usable[-1].experiment
    if compared.groups is not None:
        counts = {"candidates": len(compared.groups.candidate), "baselines": len(compared.groups.baseline)}
        return t("compare.title.groups", experiment=experiment, **counts)
    kind = "two" if compared.two is not None else "many"
    return t(f"compare.title.{kind}", experiment=experiment, n=len(usable))


def _is_candidate(compared: ComparisonContents) -> Callable[[str], bool | None]:
    """Return whether a run is a candidate; None without sides."""
    if compared.groups is not None:
        candidates = {run.run for run in compared.groups.candidate}
    elif compared.two is not None:
        candidates = {compared.two.candidate.run}
    else:
        return lambda run: None
    return lambda run: run in candidates


def _cells(checks: Checks, t: Words) -> list[Cell]:
    return [
        _cell(readings, number in checks.flips, checks.when == "during", t)
        for number, readings in enumerate(checks.readings)
    ]


def _cell(readings: Sequence[ProbeResult], flipped: bool, sampled: bool, t: Words) -> Cell:
    word = state(readings)
    every = sum(one.times for one in readings)
    met = sum(one.times for one in readings if one.met)
    share = f"{met / every:.0%}" if sampled and every else ""
    told = [f"{_value(one)}: {t.of('check', state((one,)))}" for one in readings[:LISTED]]
    return Cell(MARKS[word], word, share, "\n".join([*told, *(["…"] if len(readings) > LISTED else [])]), flipped)


def _value(reading: ProbeResult) -> str:
    """Return a value, and how often it was read in succession."""
    return on_one_line(reading.value, 80) + (f" x {reading.times}" if reading.times > 1 else "")


def _flips(runs: ManyRuns, t: Words) -> Iterator[tuple[str, str]]:
    """Yield the runs in which a check changed its result, and how; newest first."""
    found = [(at, one) for one in runs.checks for at in one.flips]
    for at, one in sorted(found, key=lambda flip: flip[0], reverse=True):
        before = next(state(read) for read in reversed(one.readings[:at]) if read)
        words = {"before": t.of("check", before), "after": t.of("check", state(one.readings[at]))}
        yield runs.runs[at].run, t("compare.flip", probe=one.probe, when=t.of("when", one.when), **words)


def _spread(values: Sequence[Measured | None], t: Words) -> tuple[str, str, str]:
    """Return median and range of the measured values, and in how many runs, if not in all."""
    known = [one for one in values if one is not None and one.value is not None]
    if not known:
        return "", "", ""
    numbers = [one.value or 0.0 for one in known]
    middle, low, high = (_number(value, known[0], t) for value in (median(numbers), min(numbers), max(numbers)))
    missing = t("compare.in", n=len(known), of=len(values)) if len(known) < len(values) else ""
    return middle, low if low == high else f"{low} - {high}", missing


def _number(value: float, like: Measured, t: Words) -> str:
    return figure_texts.number(float(f"{value:.4g}"), like.unit, t)


def _change(change: Measured, t: Words) -> str:
    """Return a change with its sign."""
    text = str(figure_texts.figure_text(change, t))
    return f"+{text}" if (change.value or 0.0) > 0 else text


def _signed(value: float, unit: str) -> str:
    return f"{value * 100:+.3g} %" if unit == "ratio" else f"{value:+.4g}"


def _claims(found: Groups | None) -> list[Any]:
    """Return the claims, the worse ones first."""
    if found is None:
        return []
    return sorted((one for one in found.measured if one.answer in CLAIMS), key=lambda one: CLAIMS.index(one.answer))
