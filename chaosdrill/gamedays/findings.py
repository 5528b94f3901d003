"""Findings that stay open until a later drill that could have shown them did not. Pure.

Each run that showed a finding needs a later run of its own that does at least the same, on the same target, judged at
least as strictly, proves something, and does not show it. Removing a run, its ageing, or a verdict that becomes invalid
therefore closes nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from chaosdrill.analysis.untrusted_json import mapping, number
from chaosdrill.gamedays.observations import Observation
from chaosdrill.gamedays.plans import canonical

DUE_DAYS = 30  # a finding is due so many days after it was first shown, unless somebody says otherwise
OBJECTIVES: Mapping[str, tuple[str, ...]] = {  # what a finding is judged by
    "availability-missed": ("availability_ratio",),
    "budget-missed": ("budgets",),
    "lost-writes": ("rpo_writes", "rpo_s"),
    "objective-not-judged": ("rto_s", "rpo_writes", "rpo_s", "availability_ratio", "budgets"),
    "rpo-missed": ("rpo_writes", "rpo_s"),
    "switchover-slow": ("budgets",),
    "unavailable-too-long": ("rto_s",),
}
OF_STEPS = ("step-failed", "check-missed", "step-not-run", "rollback-not-run")  # their subject is a step
HIGHER_IS_STRICTER = ("availability_ratio",)
Key = tuple[str, str, str]  # of a finding within a system: experiment, name, subject


@dataclass(frozen=True)
class Assignment:
    """What people have decided about a finding.

    :param due: the date by which it is to be closed, ISO 8601; empty: :data:`DUE_DAYS` after it was first shown.
    """

    owner: str = ""
    due: str = ""
    ticket: str = ""


@dataclass(frozen=True)
class TrackedFinding:
    """A finding over all runs of a system.

    :param id: stable: it depends on the system, the experiment, the name and the subject only.
    :param text: of the run that showed it last.
    :param shown_by: the runs that showed it, the oldest first.
    :param first_at: when the first of those runs began.
    :param closed_by: the run after which none was left that needs another; empty while it is open.
    :param still_open: why later runs do not close it: each run with the reason.
    """

    id: str
    system: str
    experiment: str
    name: str
    subject: str
    text: str
    shown_by: tuple[str, ...]
    first_at: str
    closed_by: str = ""
    still_open: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    due: str = ""
    ticket: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a run that showed it has no later one that closes it."""
        return not self.closed_by

    def is_overdue(self, today: date) -> bool:
        """Tell whether it is open after its due date; one without a readable date is."""
        try:
            return self.is_open and date.fromisoformat(self.due) < today
        except ValueError:
            return self.is_open

    def as_json(self, today: date) -> dict[str, Any]:
        """Return it as JSON values."""
        known = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "still_open"}
        late = {"open": self.is_open, "overdue": self.is_overdue(today)}
        return {**known, **late, "still_open": [{"run": run, "why": why} for run, why in self.still_open]}


def tracked_findings(
    system: str, observations: Iterable[Observation], assignments: Mapping[str, Assignment], owner: str = ""
) -> tuple[TrackedFinding, ...]:
    """List the findings of a system, the open ones first, then the oldest first.

    :param observations: every one of every run of it; several of one run, when its summary has changed.
    :param assignments: by the id of the finding.
    :param owner: of those that nobody is assigned to.
    """
    runs = _runs(observations)
    views = [view for run in runs for view in run.views]
    keys = dict.fromkeys((view.experiment, shown.name, shown.subject) for view in views for shown in view.shown)
    found = [_tracked(system, key, runs) for key in keys]
    known = [_assigned(one, assignments.get(one.id, Assignment()), owner) for one in found]
    return tuple(sorted(known, key=lambda one: (not one.is_open, one.first_at, one.id)))


def finding_id(system: str, experiment: str, name: str, subject: str) -> str:
    """Return the id of a finding, such as ``F-1a2b3c4d``."""
    identity = {"system": system, "experiment": experiment, "name": name, "subject": subject}
    return f"F-{hashlib.sha256(canonical(identity)).hexdigest()[:8]}"


@dataclass(frozen=True)
class _Run:
    """All observations of a run. Where they differ, the worst of them counts."""

    views: tuple[Observation, ...]

    @property
    def began(self) -> tuple[str, str]:
        """When it began at the earliest and at the latest."""
        known = [one.began for one in self.views]
        return min(known), max(known)

    def showing(self, key: Key) -> Iterator[tuple[Observation, str]]:
        """Yield the observations that show a finding, with its text."""
        for one in self.views:
            for shown in one.shown:
                if (one.experiment, shown.name, shown.subject) == key:
                    yield one, shown.text

    def is_after(self, other: "_Run") -> bool:
        """Tell whether it began after another run, whichever observations are right."""
        return bool(other.began[0]) and self.began[0] > other.began[1]


def _runs(observations: Iterable[Observation]) -> list[_Run]:
    """Return all observations of each run together, the oldest run first."""
    ordered = sorted(observations, key=lambda one: (one.run, one.summary))
    runs = [_Run(tuple(views)) for _, views in groupby(ordered, key=lambda one: one.run)]
    return sorted(runs, key=lambda one: (one.began, one.views[0].run))


def _tracked(system: str, key: Key, runs: Sequence[_Run]) -> TrackedFinding:
    """Follow one finding through all runs."""
    showing = [(run, one, text) for run in runs for one, text in run.showing(key)]
    closers = [_closer(one, run, key, runs) for run, one, _ in showing]
    uncovered = [(run, one) for (run, one, _), closer in zip(showing, closers, strict=True) if closer is None]
    last = max((runs.index(one) for one in closers if one is not None), default=0)
    return TrackedFinding(
        finding_id(system, *key),
        system,
        *key,
        text=showing[-1][2],
        shown_by=tuple(dict.fromkeys(one.run for _, one, _ in showing)),
        first_at=showing[0][1].began,
        closed_by="" if uncovered else runs[last].views[0].run,
        still_open=tuple(_reasons(*uncovered[-1], key, runs)) if uncovered else (),
    )


def _closer(opener: Observation, run: _Run, key: Key, runs: Sequence[_Run]) -> _Run | None:
    """Find the first later run that closes what an observation showed."""
    return next((one for one in runs if one.is_after(run) and not why_not_closed(opener, one.views, key)), None)


def _reasons(run: _Run, opener: Observation, key: Key, runs: Sequence[_Run]) -> Iterator[tuple[str, str]]:
    """Say why the later runs of the experiment do not close what an observation showed."""
    for one in runs:
        if one.is_after(run) and any(view.experiment == opener.experiment for view in one.views):
            yield one.views[0].run, why_not_closed(opener, one.views, key)


def why_not_closed(opener: Observation, views: tuple[Observation, ...], key: Key) -> str:
    """Say why a later run does not close what an earlier one showed; empty when it does.

    :param opener: an observation of the run that showed it.
    :param views: all observations of the later run: what one of them lacks, the run lacks.
    :param key: experiment, name and subject of the finding.
    """
    if any(True for _ in _Run(views).showing(key)):
        return "it shows the finding, too"
    return next((why for view in views if (why := _why_blind(opener, view, key))), "")


def _why_blind(opener: Observation, later: Observation, key: Key) -> str:
    """Say why an observation could not have shown a finding."""
    if not later.is_proof:
        how = "its lab was broken on purpose" if later.broken else "it was a dry run" if later.dry else ""
        return how or f"its verdict is {later.verdict}: it proves nothing"
    if opener.domain and later.domain and opener.domain != later.domain:
        return f"it is of another system, {later.domain}, not {opener.domain}"
    for what in ("experiment", "target", "scale"):
        mine, others = getattr(later, what), getattr(opener, what)
        if mine != others:
            return f"its {what} is {mine or 'unknown'}, not {others or 'unknown'}"
    missing = {
        "transitions": sorted(set(opener.transitions) - set(later.transitions)),
        "figures": sorted(set(opener.figures) - set(later.figures)),
        "actions": sorted(f"{func} {numbers}" for func, numbers in set(opener.actions) - set(later.actions)),
    }
    for what, names in missing.items():
        if names:
            return f"it lacks {what} of run {opener.run}: {', '.join(names)}"
    _, name, subject = key
    return _why_unchecked(opener, later, subject) if name in OF_STEPS else _why_lenient(opener, later, name)


def _why_unchecked(opener: Observation, later: Observation, step: str) -> str:
    if step not in later.checks:
        return f"it did not run the step {step}"
    if opener.checks.get(step, "") not in ("", later.checks[step]):
        return f"the step {step} has another tolerance: {later.checks[step] or 'none'}, not {opener.checks[step]}"
    return ""


def _why_lenient(opener: Observation, later: Observation, name: str) -> str:
    """Say which objective was loosened."""
    for objective in OBJECTIVES.get(name, ()):
        for label, limit, new in _limits(objective, opener.objectives.get(objective), later.objectives.get(objective)):
            if limit is None:
                continue
            is_higher_stricter = objective in HIGHER_IS_STRICTER
            if new is None or (new < limit if is_higher_stricter else new > limit):
                return f"its objective {label} is {'none' if new is None else f'{new:g}'}, looser than {limit:g}"
    return ""


def _limits(objective: str, before: Any, after: Any) -> Iterator[tuple[str, float | None, float | None]]:
    if isinstance(before, Mapping):
        for phase, limit in before.items():
            yield f"{objective}.{phase}", number(limit), number(mapping(after).get(phase))
    else:
        yield objective, number(before), number(after)


def _assigned(one: TrackedFinding, assignment: Assignment, owner: str) -> TrackedFinding:
    due = assignment.due or _usually_due(one.first_at)
    return replace(one, owner=assignment.owner or owner, due=due, ticket=assignment.ticket)


def _usually_due(first_at: str) -> str:
    try:
        return (datetime.fromisoformat(first_at) + timedelta(days=DUE_DAYS)).date().isoformat()
    except ValueError:
        return ""
