"""The gates of ``chaosdrill compare --gate``: whether a candidate passes, by its figures and by their changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaosdrill.cli import junit_option as junit_file
from chaosdrill.errors import BadInput

if TYPE_CHECKING:
    from chaosdrill.analysis.comparability import ExcludedRun
    from chaosdrill.analysis.compared_run import ComparedRun
    from chaosdrill.analysis.gate import Figures, Result
    from chaosdrill.analysis.gate_language import Gate
    from chaosdrill.runs.junit import Case

EXIT_CODES = {"held": 0, "broken": 1, "cannot tell": 2}


def gated(
    texts: Sequence[str], candidates: Sequence[Path], baselines: Sequence[Path], junit: Path | None, as_json: bool
) -> int:
    """Evaluate gates, and print the result of each comparison in them.

    :param texts: the gates.
    :param candidates: the runs under test.
    :param baselines: the runs to which ``.change`` and ``.before`` refer; may be empty.
    :param junit: file for the result as JUnit XML; None: none is written.
    :returns: the exit code: 0 all held, 1 one is broken, 2 unknown.
    :raises BadInput: with all errors in the gates.
    """
    from chaosdrill.analysis.gate import as_json as values_of
    from chaosdrill.analysis.gate import judged
    from chaosdrill.analysis.gate_problems import problems_of
    from chaosdrill.cli.screen import say_json

    gates, problems = _parsed(texts)
    sides = _sides(candidates, baselines)
    problems += problems_of(gates.values(), (sides.candidate.measured, sides.baseline.measured))
    if problems:
        raise BadInput(problems)
    told = [(text, *judged(gate, sides.candidate, sides.baseline)) for text, gate in gates.items()]
    cases = [_case(text, one, results) for text, one, results in told]
    junit_file.write(junit, "gates", cases, {side: " ".join(runs) for side, runs in sides.names().items()})
    answers = [answer for _, answer, _ in told]
    answer = next((word for word in ("broken", "cannot tell") if word in answers), "held")
    if as_json:
        said = {"answer": answer, **sides.as_json(), "gates": values_of(told)}
        say_json(said)
    else:
        _show(sides, told, answer)
    return EXIT_CODES[answer]


def _case(text: str, answer: str, results: "Sequence[Result]") -> "Case":
    from chaosdrill.runs.junit import ERROR, FAILED, PASSED, Case

    outcome = {"held": PASSED, "broken": FAILED}.get(answer, ERROR)
    return Case("gate", text, outcome, "; ".join(f"{one.answer}: {one.text}: {one.why}" for one in results))


def _parsed(texts: Sequence[str]) -> "tuple[dict[str, Gate], list[str]]":
    from chaosdrill.analysis.gate_language import parsed

    gates: dict[str, Gate] = {}
    problems: list[str] = []
    for text in texts:
        try:
            gates[text] = parsed(text)
        except BadInput as error:
            problems += error.problems
    return gates, problems


@dataclass(frozen=True)
class _Sides:
    candidates: "Sequence[ComparedRun]"
    baselines: "Sequence[ComparedRun]"
    left_out: "Sequence[ExcludedRun]"
    candidate: "Figures"
    baseline: "Figures"

    def names(self) -> dict[str, list[str]]:
        return {"candidate": [run.run for run in self.candidates], "baseline": [run.run for run in self.baselines]}

    def as_json(self) -> dict[str, Any]:
        return {
            **self.names(),
            "left_out": [one.as_json() for one in self.left_out],
        }


def _sides(candidates: Sequence[Path], baselines: Sequence[Path]) -> _Sides:
    from chaosdrill.analysis.gate import sides_of
    from chaosdrill.runs.comparing import read_compared_runs

    (after, unread), (before, unreadable) = read_compared_runs(candidates), read_compared_runs(baselines)
    usable, left_out, candidate, baseline = sides_of(after, before, [*unread, *unreadable])
    return _Sides(after, usable, left_out, candidate, baseline)


def _show(sides: _Sides, told: Sequence[tuple[str, str, Sequence[Any]]], answer: str) -> None:
    from chaosdrill.cli.compare_tables import NAMED, show_left_out
    from chaosdrill.cli.screen import Screen

    screen = Screen()
    for side, runs in (("candidate", sides.candidates), ("baseline", sides.baselines)):
        names = ", ".join(f"{run.run} ({run.verdict})" for run in runs[-NAMED:])
        screen.say(f"{side}: {names or 'none'}")
    show_left_out(screen, sides.left_out)
    for text, one, results in told:
        screen.say(f"gate {one}: {text}")
        for result in results:
            screen.say(f"  {result.answer}: {result.text}: {result.why}")
    screen.say(f"gate: {answer}")
