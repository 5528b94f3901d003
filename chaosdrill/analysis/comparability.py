"""Comparability of runs: the same experiment, target and scale, and a verdict that proves something. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.summary_fields import IMPORTED
from chaosdrill.messages import Name, Sentence, sentence, together


@dataclass(frozen=True)
class ExcludedRun:
    """A run that is left out of a comparison.

    :param why: the reason, in a clause: ``its verdict is invalid``.
    """

    run: str
    why: Sentence

    def as_json(self) -> dict[str, str]:
        """Return the run and the reason as JSON values."""
        return {"run": self.run, "why": self.why}


def unlike(run: ComparedRun, other: ComparedRun) -> Iterator[tuple[str, str, str]]:
    """Yield the properties that make two runs incomparable: its name, its value in the run, its value in the other.

    The target and the scale, which the journal of an imported run does not record, are not compared for that run.
    """
    for what in ("experiment", "target", "scale"):
        mine, others = getattr(run, what), getattr(other, what)
        if mine != others and not _is_untold(run, mine) and not _is_untold(other, others):
            yield what, _in_words(mine), _in_words(others)


def sorted_out(
    runs: Iterable[ComparedRun], reference: ComparedRun | None = None
) -> tuple[tuple[ComparedRun, ...], tuple[ExcludedRun, ...]]:
    """Separate the runs that can be compared from those that cannot.

    :param runs: the runs, oldest first.
    :param reference: the run to compare with; default: the newest run that proved something.
    :returns: the comparable runs, and the others, each with the reason.
    """
    known = list({one.run: one for one in runs}.values())
    reference = reference or next((one for one in reversed(known) if not one.why_not), None)
    told = [(one, _why_left_out(one, reference)) for one in known]
    return tuple(one for one, why in told if not why), tuple(ExcludedRun(one.run, why) for one, why in told if why)


def _why_left_out(run: ComparedRun, reference: ComparedRun | None) -> Sentence:
    if run.why_not or reference is None:
        return run.why_not
    return together(
        sentence(
            "its {what} is {mine}, that of {run} is {other}",
            what=Name("likeness", what),
            mine=mine,
            run=reference.run,
            other=other,
        )
        for what, mine, other in unlike(run, reference)
    )


def have_comparable_losses(runs: Iterable[ComparedRun]) -> bool:
    """Return whether all runs sent the same rate of writes: otherwise one loses more because it sent more."""
    return len({run.writes for run in runs}) < 2


def circumstances(runs: Sequence[ComparedRun]) -> dict[str, tuple[Any, ...]]:
    """Return the circumstances that differ between the runs, by name: the value of each run, None where unknown."""
    names = dict.fromkeys(name for run in runs for name in run.circumstances)
    told = {name: tuple(run.circumstances.get(name) for run in runs) for name in names}
    return {name: values for name, values in told.items() if any(value != values[0] for value in values)}


def _is_untold(run: ComparedRun, value: Any) -> bool:
    return run.source == IMPORTED and value in ("", None)


def _in_words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value else sentence("not known")
