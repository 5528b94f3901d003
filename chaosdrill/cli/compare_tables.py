"""Terminal output of comparisons: of two runs, of several runs, of two groups."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chaosdrill.cli.screen import Screen, short

if TYPE_CHECKING:
    from chaosdrill.analysis.comparability import ExcludedRun
    from chaosdrill.analysis.compared_run import ComparedRun
    from chaosdrill.analysis.comparison import Comparison, FigureDifference, ProbeComparison
    from chaosdrill.analysis.groups import GroupFigure, Groups, Repeated
    from chaosdrill.analysis.hypothesis import ProbeResult
    from chaosdrill.analysis.many_runs import Checks, ManyRuns
    from chaosdrill.analysis.measurement import Measured

CLAIMS = ("better", "worse", "different")
NAMED = 5  # runs that are named per reason for leaving runs out
READ_WIDTH = 40  # characters of a reading
READINGS = 4  # successive readings of a probe that are shown
LABEL_WIDTH, COLUMN_WIDTH = 70, 22  # of the tables with a column per run


def show_two(screen: Screen, found: "Comparison", everything: bool) -> None:
    """Print a candidate beside a baseline."""
    for side, run in (("baseline", found.baseline), ("candidate", found.candidate)):
        screen.say(f"{side}: {run.run}: {run.verdict}")
    for why in found.why_not:
        screen.say(f"they cannot be compared: {why}")
    screen.table(("not the same", "baseline", "candidate"), found.circumstances)
    if found.why_not:
        return
    headings = ("hypothesis", "tolerance", "baseline", "candidate", "")
    screen.table(headings, (_checked(one) for one in found.checked))
    if not any(one.flipped for one in found.checked):
        screen.say("no check of the hypothesis flipped")
    rows = [_difference(one) for one in found.differences if everything or _is_told(one)]
    screen.table(("measured", "baseline", "candidate", "change", ""), rows)


def _checked(one: "ProbeComparison") -> Sequence[str]:
    from chaosdrill.analysis.hypothesis import state

    before, after = one.tolerances
    tolerance = short(after) if before == after or before is None else f"{short(before)}, then {short(after)}"
    sides = [in_words(side) for side in (one.baseline, one.candidate)]
    flipped = f"flipped: {state(one.baseline)}, then {state(one.candidate)}" if one.flipped else ""
    return f"{one.probe}, {one.when}", tolerance, *sides, flipped


def in_words(readings: "Sequence[ProbeResult]") -> str:
    """Return a probe's successive readings in words: ``0 (met)``; for many, how many were met, and the first few."""
    if not readings:
        return "not read"
    every = sum(one.times for one in readings)
    told = [
        short(one.value, READ_WIDTH) + (f" ({one.times} times)" if one.times > 1 else "") for one in readings[:READINGS]
    ]
    if every == 1:
        return f"{told[0]} ({_met(readings[0].met)})"
    more = ", …" if len(readings) > READINGS else ""
    met = sum(one.times for one in readings if one.met)
    unread = sum(one.times for one in readings if one.met is None)
    unknown = f", {unread} not known" if unread else ""
    return f"{met} of {every} met ({met / every:.0%}){unknown}: {', '.join(told)}{more}"


def _met(met: bool | None) -> str:
    return {True: "met", False: "missed", None: "not known"}[met]


def _is_told(one: "FigureDifference") -> bool:
    """Return whether a difference is shown. Latencies are many, so only changed ones are; other figures always are."""
    from chaosdrill.analysis.comparison import exceeds

    if one.baseline is None and one.candidate is None:
        return False
    return not one.name.startswith("latency.") or (one.change is not None and exceeds(one.change))


def _difference(one: "FigureDifference") -> Sequence[str]:
    from chaosdrill.analysis.comparison import exceeds

    sides = [_figure(side) for side in (one.baseline, one.candidate)]
    if one.change is None:
        return one.name, *sides, "-", ""
    share = "" if one.ratio is None else f" ({one.ratio:+.0%})"
    beyond = "more than both uncertainties" if exceeds(one.change) else ""
    return one.name, *sides, f"{_signed(one.change)}{share}", one.change.why or beyond


def _figure(one: "Measured | None") -> str:
    return "not measured" if one is None else one.in_words()


def _signed(change: "Measured") -> str:
    return f"{'+' if (change.value or 0.0) > 0 else ''}{change.in_words()}"


def show_left_out(screen: Screen, left_out: "Iterable[ExcludedRun]") -> None:
    """Print which runs are not compared, and why."""
    reasons: dict[str, list[str]] = {}
    for one in left_out:
        reasons.setdefault(one.why, []).append(one.run)
    for why, runs in reasons.items():
        more = f" and {len(runs) - NAMED} earlier" if len(runs) > NAMED else ""
        screen.say(f"left out: {', '.join(runs[-NAMED:])}{more}: {why}")


def show_many(screen: Screen, found: "ManyRuns", everything: bool) -> None:
    """Print runs side by side. If there are more than fit, print a column that summarizes all, and the newest runs."""
    show_left_out(screen, found.left_out)
    number = max(2, (screen.width - LABEL_WIDTH) // COLUMN_WIDTH)
    shown = range(max(0, len(found.runs) - number), len(found.runs))
    if len(shown) < len(found.runs):
        screen.say(f"{len(found.runs)} runs from {found.runs[0].run}; the newest {len(shown)} have a column")
    columns = [_heading(found, at) for at in shown]
    screen.table(("not the same", *columns), (
        (name, *(values[at] for at in shown)) for name, values in found.circumstances.items()
        if any(values[at] != values[shown[0]] for at in shown)
    ))  # fmt: skip
    screen.table(("hypothesis", "flipped in", *columns), (_checks(one, found, shown) for one in found.checks))
    screen.table(("measured", "in all: median, range", *columns), (
        (name, _spread(values), *(_figure(values[at]) for at in shown)) for name, values in found.measured.items()
        if everything or not name.startswith("latency.")
    ))  # fmt: skip


def _heading(found: "ManyRuns", at: int) -> str:
    return f"{short_names(found.runs)[at]} {found.runs[at].verdict}"


def short_names(runs: "Sequence[ComparedRun]") -> list[str]:
    """Return the start times of the runs' IDs; the whole ID where the time is not unique."""
    times = [run.run.partition("-")[0] for run in runs]
    return [time if times.count(time) == 1 else run.run for time, run in zip(times, runs, strict=True)]


def _checks(one: "Checks", found: "ManyRuns", shown: range) -> Sequence[str]:
    from chaosdrill.analysis.hypothesis import state

    cells = []
    for at in shown:
        text = in_words(one.readings[at]) if state(one.readings[at]) != "not read" else "not read"
        cells.append(f"{text}{', flipped' if at in one.flips else ''}")
    names = short_names(found.runs)
    flipped = ", ".join(names[at] for at in one.flips[-NAMED:])
    more = f" and {len(one.flips) - NAMED} earlier" if len(one.flips) > NAMED else ""
    return f"{one.probe}, {one.when}: {short(one.tolerance)}", f"{flipped}{more}" or "-", *cells


def _spread(values: "Sequence[Measured | None]") -> str:
    from statistics import median

    known = [one.value for one in values if one is not None and one.value is not None]
    if not known:
        return "not measured"
    unit = next(f" {one.unit}" if one.unit != "ratio" else "" for one in values if one is not None)
    missing = f", in {len(known)} of {len(values)}" if len(known) < len(values) else ""
    return f"{median(known):.4g}{unit} ({min(known):.4g} to {max(known):.4g}){missing}"


def show_groups(screen: Screen, found: "Groups", everything: bool) -> None:
    """Print candidates beside baselines, and the conclusions."""
    for side, runs in (("baseline", found.baseline), ("candidate", found.candidate)):
        names = ", ".join(run.run for run in runs[-NAMED:])
        earlier = f" and {len(runs) - NAMED} earlier" if len(runs) > NAMED else ""
        screen.say(f"{side}: {names}{earlier}" if runs else f"{side}: no run")
    show_left_out(screen, found.left_out)
    if not found.comparable:
        screen.say("they cannot be compared: each side needs a run")
        return
    screen.table(("not the same", "baseline", "candidate"), _between(found))
    screen.table(
        ("hypothesis", "tolerance", "baseline", "candidate"), (_of_sides(one, found) for one in found.runs.checks)
    )
    headings = ("measured", "baseline: median", "candidate: median", "change", "by scatter (95 %)", "effect", "")
    screen.table(headings, (_repeated(one) for one in found.measured if everything or _is_news(one)))
    if same := [one for one in found.measured if not everything and one.is_constant]:
        screen.say(f"the same in all runs: {', '.join(one.name for one in same)}")
    screen.say(_what_is_claimed(found))


def _between(found: "Groups") -> Iterable[Sequence[str]]:
    candidates = {run.run for run in found.candidate}
    names = [run.run for run in found.runs.runs]
    for name, values in found.runs.circumstances.items():
        sides: list[list[str]] = [[], []]
        for run, value in zip(names, values, strict=True):
            sides[run in candidates].append(short(value))
        yield name, *(", ".join(dict.fromkeys(side)) for side in sides)


def _of_sides(one: "Checks", found: "Groups") -> Sequence[str]:
    from chaosdrill.analysis.hypothesis import state

    candidates = {run.run for run in found.candidate}
    sides: list[list[str]] = [[], []]
    for run, readings in zip(found.runs.runs, one.readings, strict=True):
        sides[run.run in candidates].append(state(readings))
    counted = [", ".join(f"{side.count(word)} {word}" for word in dict.fromkeys(side)) for side in sides]
    return f"{one.probe}, {one.when}", short(one.tolerance), *counted


def _is_news(one: "Repeated") -> bool:
    return not one.is_constant and (not one.name.startswith("latency.") or one.answer in CLAIMS)


def _repeated(one: "Repeated") -> Sequence[str]:
    from chaosdrill.analysis.statistics import effect_in_words

    sides = [_side(side) for side in (one.baseline, one.candidate)]
    if one.change is None:
        return one.name, *sides, "-", "-", "-", f"{one.answer}: {one.why}"
    scatter = "-" if one.interval is None else f"{one.interval.low:+.4g} to {one.interval.high:+.4g}"
    effect = "-" if one.delta is None else f"{effect_in_words(one.delta)} ({one.delta:+.2f})"
    return one.name, *sides, _signed(one.change), scatter, effect, f"{one.answer}: {one.why}"


def _side(side: "GroupFigure") -> str:
    if side.median is None:
        return "not measured"
    missing = f", in {len(side.values)} of {side.of}" if len(side.values) < side.of else ""
    return f"{'at least ' if side.at_least else ''}{side.median:.4g}{missing}"


def _what_is_claimed(found: "Groups") -> str:
    from chaosdrill.analysis.statistics import ALPHA

    return (
        f"{found.looked_at} measurements were compared. Where nothing differs, at most {ALPHA:.0%} of such "
        "comparisons report a difference. A reported difference says that the groups differ, not why"
    )
