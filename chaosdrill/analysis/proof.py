"""Figures that a run cannot prove: those of a transition that did not take place, or of a run without proof."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chaosdrill.analysis.findings import PASSED
from chaosdrill.analysis.losses import HOW_SECONDS, Losses
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import FAIL_BACK, FAIL_OVER, Leg
from chaosdrill.analysis.untrusted_json import sequence
from chaosdrill.messages import NOTHING, Name, Sentence, sentence

PROOF = (PASSED, "failed")  # verdicts of runs that proved something
RECOVERY = "recovery_"
NO_TRANSITION = sentence("no transition took place")


def proves(verdict: str) -> bool:
    """Return whether a run with that verdict proved something, so that an objective can be met in it."""
    return verdict in PROOF


def proved_nothing(verdict: str) -> Sentence:
    """Return the reason why an objective of such a run is not met, although it was not missed."""
    return sentence("the run proved nothing: its verdict is {verdict}", verdict=Name("verdict", verdict))


def provable_figures(
    figures: Mapping[str, Measured], run: Run, verdict: str, moved: Sequence[Leg]
) -> dict[str, Measured]:
    """Remove the values of recovery times that the run cannot prove.

    :param verdict: the run's verdict.
    :param moved: the transitions that took place.
    :returns: the figures; one that cannot be proved has a reason instead of a value.
    """

    def told(name: str, figure: Measured) -> Measured:
        why = _why_no_recovery(run, verdict, figure) if name.startswith(RECOVERY) and not moved else NOTHING
        return _without_value(figure, why) if why else figure

    return {name: told(name, figure) for name, figure in figures.items()}


def provable_losses(losses: Sequence[Losses], run: Run, verdict: str, moved: Sequence[Leg]) -> tuple[Losses, ...]:
    """Remove claims of no lost writes after a transition that did not take place.

    :param losses: the losses of each read-back; lost writes that were found stay.
    :returns: the losses; one that cannot be proved has a reason instead of a count.
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
    """Return the transition in a read-back's label, such as ``after-failback``; empty when it names none."""
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
    """Return whether the experiment has a transition.

    If the history does not record that, return whether the run proved nothing.
    """
    planned = run.first("drill-opened").get("transitions")
    return bool(sequence(planned)) if isinstance(planned, list) else not proves(verdict)


def _without_value(figure: Measured, why: Sentence) -> Measured:
    return Measured(None, figure.unit, figure.how, why=why)
