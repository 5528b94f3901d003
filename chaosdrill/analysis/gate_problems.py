"""Validation of gates: unknown names, incompatible units. All problems at once. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from chaosdrill.analysis import gate_language as language
from chaosdrill.analysis.compared_figures import KNOWN, may_be
from chaosdrill.analysis.gate_language import CHANGE, VERDICT, VERDICTS, CandidateFigure, Compare, Gate, Number, Word
from chaosdrill.analysis.measurement import Measured
from chaosdrill.errors import codes_of, problem

VERDICT_UNIT = "verdict"
UNKNOWN = "gate-figure-unknown"


def problems_of(gates: Iterable[Gate], sides: Iterable[Mapping[str, Measured]]) -> list[str]:
    """Return a problem for each unknown name and each comparison that cannot be made, each once.

    :param sides: the figures of the candidate and of the baseline, by name.
    """
    measured: dict[str, Measured] = {}
    for side in sides:
        measured.update(side)
    known = list(dict.fromkeys([*KNOWN, *measured]))
    found = [found for gate in gates for one in language.comparisons(gate) for found in _problems(one, known, measured)]
    if UNKNOWN in codes_of(found):
        found.append(problem(UNKNOWN, f"gate: there are {VERDICT}, {', '.join(known)}"))
    return list(dict.fromkeys(found))


def _problems(one: Compare, known: Sequence[str], measured: Mapping[str, Measured]) -> Iterator[str]:
    sides = (one.left, one.right)
    figures = [side for side in sides if isinstance(side, CandidateFigure)]
    missing = [side for side in figures if side.name not in (VERDICT, *known) and not may_be(side.name, measured)]
    for side in missing:
        near = difflib.get_close_matches(side.name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield problem("gate-figure-unknown", f"gate: `{one}`: there is no figure {side.name}{hint}")
    if not figures:
        yield problem("gate-not-comparable", f"gate: `{one}`: no figure is compared: name one")
    units = {_unit(side, measured) for side in figures if side not in missing}
    if len(units) > 1:
        yield problem("gate-not-comparable", f"gate: `{one}`: {' and '.join(sorted(units))} cannot be compared")
    elif units == {VERDICT_UNIT}:
        yield from _problems_of_verdict(one, sides)
    elif units:
        yield from _problems_of_unit(one, figures, units.pop())


def _problems_of_verdict(one: Compare, sides: Iterable[language.Operand]) -> Iterator[str]:
    if one.operator not in ("==", "!="):
        yield problem("gate-not-comparable", f"gate: `{one}`: a verdict is compared with == or !=")
    for side in sides:
        if isinstance(side, Number) or (isinstance(side, Word) and side.word not in VERDICTS):
            yield problem(
                "gate-not-comparable", f"gate: `{one}`: {side} is no verdict; there are {', '.join(VERDICTS)}"
            )
        if isinstance(side, CandidateFigure) and side.of == CHANGE:
            yield problem(
                "gate-not-comparable", f"gate: `{one}`: a verdict has no change: write verdict != verdict.before"
            )


def _problems_of_unit(one: Compare, figures: Sequence[CandidateFigure], unit: str) -> Iterator[str]:
    for side in (one.left, one.right):
        if isinstance(side, Word):
            yield problem("gate-not-comparable", f"gate: `{one}`: {side} is no number")
        if not isinstance(side, Number) or not side.unit:
            continue
        share = side.unit == "%" and (unit == "ratio" or all(figure.of == CHANGE for figure in figures))
        if not share and (side.unit == "%" or unit != "s"):
            what = "a share" if side.unit == "%" else f"a time; it is in {unit or 'a unit of its own'}"
            yield problem(
                "gate-not-comparable", f"gate: `{one}`: {figures[0]} is not {what}: leave out the {side.unit}"
            )


def _unit(side: CandidateFigure, measured: Mapping[str, Measured]) -> str:
    if side.name == VERDICT:
        return VERDICT_UNIT
    if side.name in measured:
        return measured[side.name].unit
    return "s" if side.name.endswith("_s") else "ratio" if side.name.endswith("_ratio") else "writes"
