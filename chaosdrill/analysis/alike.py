"""Which runs can be compared: of the same experiment, target and scale, and each proved something. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.compared_run import ComparedRun
from chaosdrill.analysis.summary_fields import IMPORTED
from chaosdrill.sentences import Name, Sentence, sentence, together


@dataclass(frozen=True)
class LeftOut:
    """A run that is not compared.

    :param why: why not, in a clause: ``its verdict is invalid``.
    """

    run: str
    why: Sentence

    def as_json(self) -> dict[str, str]:
        """:returns: it as JSON values."""
        return {"run": self.run, "why": self.why}


def unlike(run: ComparedRun, other: ComparedRun) -> Iterator[tuple[str, str, str]]:
    """:returns: in what two runs are so different that nothing follows: what, that of the run, that of the other.

    What the journal of an imported run does not tell, its target and scale, is not held against it.
    """
    for what in ("experiment", "target", "scale"):
        mine, others = getattr(run, what), getattr(other, what)
        if mine != others and not _is_untold(run, mine) and not _is_untold(other, others):
            yield what, _in_words(mine), _in_words(others)


def sorted_out(
    runs: Iterable[ComparedRun], reference: ComparedRun | None = None
) -> tuple[tuple[ComparedRun, ...], tuple[LeftOut, ...]]:
    """Leave out runs that cannot be compared.

    :param runs: some runs, the oldest first.
    :param reference: what they must be like; default: the newest of them that proved something.
    :returns: those that can be compared, and the others, each with the reason.
    """
    known = list({one.run: one for one in runs}.values())
    reference = reference or next((one for one in reversed(known) if not one.why_not), None)
    told = [(one, _why_left_out(one, reference)) for one in known]
    return tuple(one for one, why in told if not why), tuple(LeftOut(one.run, why) for one, why in told if why)


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
    """:returns: whether the heartbeats of all runs sent as many writes: else one loses more because it sent more."""
    return len({run.writes for run in runs}) < 2


def circumstances(runs: Sequence[ComparedRun]) -> dict[str, tuple[Any, ...]]:
    """:returns: what was not the same in all runs, by name: that of each run, None where it is not known."""
    names = dict.fromkeys(name for run in runs for name in run.circumstances)
    told = {name: tuple(run.circumstances.get(name) for run in runs) for name in names}
    return {name: values for name, values in told.items() if any(value != values[0] for value in values)}


def _is_untold(run: ComparedRun, value: Any) -> bool:
    return run.source == IMPORTED and value in ("", None)


def _in_words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value else sentence("not known")
