"""Figures that a run cannot tell: those of a transition that did not take place, or of a run that proved nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chaosdrill.analysis.findings import PASSED
from chaosdrill.analysis.foreign import sequence
from chaosdrill.analysis.legs import FAIL_BACK, FAIL_OVER, Leg
from chaosdrill.analysis.losses import HOW_SECONDS, Losses
from chaosdrill.analysis.measured import Measured
from chaosdrill.analysis.run import Run
from chaosdrill.sentences import NOTHING, Name, Sentence, sentence

PROOF = (PASSED, "failed")  # verdicts of runs that proved something
RECOVERY = "recovery_"
NO_TRANSITION = sentence("no transition took place")


def proves(verdict: str) -> bool:
    """:returns: whether a run with that verdict proved something, so that an objective can be met in it."""
    return verdict in PROOF


def proved_nothing(verdict: str) -> Sentence:
    """:returns: why an objective that was not missed is not met either."""
    return sentence("the run proved nothing: its verdict is {verdict}", verdict=Name("verdict", verdict))


def provable_figures(
    figures: Mapping[str, Measured], run: Run, verdict: str, moved: Sequence[Leg]
) -> dict[str, Measured]:
    """Leave out the values of recovery times that the run cannot tell.

    :param verdict: of the run.
    :param moved: the transitions that took place.
    :returns: the figures; one that cannot be told has no value, and the reason.
    """

    def told(name: str, figure: Measured) -> Measured:
        why = _why_no_recovery(run, verdict, figure) if name.startswith(RECOVERY) and not moved else NOTHING
        return _without_value(figure, why) if why else figure

    return {name: told(name, figure) for name, figure in figures.items()}


def provable_losses(losses: Sequence[Losses], run: Run, verdict: str, moved: Sequence[Leg]) -> tuple[Losses, ...]:
    """Leave out that no write was lost after a transition that did not take place.

    :param losses: what each read-back says; lost writes that were found stay.
    :returns: them; one that cannot be told says why.
    """
    if not _is_expected(run, verdict):
        return tuple(losses)
    return tuple(_provable(one, run, moved) for one in losses)


def _provable(losses: Losses, run: Run, moved: Sequence[Leg]) -> Losses:
    read = run.ledger.read_backs.get(losses.label) if run.ledger is not None else None
    what = _transition_in(losses.label)
    begun_ns = read.begun_ns if read is not None else None
    before = {leg.what for leg in moved if begun_ns is None or leg.since_ns < begun_ns}
    if losses.why_not or losses.lost or not what or what in before:
        return losses
    why = sentence("no {movement} took place before this read-back", movement=Name("movement", what))
    return replace(losses, why_not=why, seconds=Measured(None, "s", HOW_SECONDS, why=why))


def _transition_in(label: str) -> str:
    """The transition that a read-back is named after, such as ``after-failback``; empty when it names none."""
    letters = re.sub(r"[^a-z]", "", label.lower())
    if "failback" in letters:
        return FAIL_BACK
    return FAIL_OVER if "failover" in letters else ""


def _why_no_recovery(run: Run, verdict: str, figure: Measured) -> Sentence:
    if _is_expected(run, verdict):
        return NO_TRANSITION
    if figure.value == 0 and not proves(verdict):
        return proved_nothing(verdict)
    return NOTHING


def _is_expected(run: Run, verdict: str) -> bool:
    """Whether the experiment has a transition; of a history that does not tell, when the run proved nothing."""
    planned = run.first("drill-opened").get("transitions")
    return bool(sequence(planned)) if isinstance(planned, list) else not proves(verdict)


def _without_value(figure: Measured, why: Sentence) -> Measured:
    return Measured(None, figure.unit, figure.how, why=why)
