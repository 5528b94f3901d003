"""The shared inputs of the rules, computed once, and a guard around each rule.

A rule that raises has judged nothing. That becomes a finding; it never makes a run look better.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.phases import fault_of
from chaosdrill.analysis.region_observations import FactsChange, Span, facts_changes
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import Leg, legs
from chaosdrill.messages import Name, as_it_is, sentence

T = TypeVar("T")


class RuleContext:
    """A run, its transitions and region facts, and the findings so far."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.findings: list[Finding] = list(run.problems)
        wanted = run.first("drill-opened").get("objectives")
        self.objectives: Mapping[str, Any] = wanted if isinstance(wanted, Mapping) else {}
        no_looks: tuple[FactsChange, ...] = ()
        no_legs: tuple[Leg, ...] = ()
        no_fault: Span | None = None
        self.looks = self.known("the facts", no_looks, facts_changes, run)
        self.legs = self.known("the movements", no_legs, legs, run)
        self.fault = self.known("the fault", no_fault, fault_of, run)
        self.target = run.first("target-opened").get("target")
        scale = run.first("target-opened").get("scale")
        self.scale = float(scale) if isinstance(scale, (int, float)) and scale > 0 else 1.0

    def known(self, what: str, otherwise: T, work_out: Callable[..., T], *given: Any) -> T:
        """Return the result of ``work_out``; if it raises, add a finding and return ``otherwise``."""
        try:
            return work_out(*given)
        except Exception as error:  # noqa: BLE001 - a rule that fails has not judged, which must not be hidden
            why = as_it_is(f"{type(error).__name__}: {error}")
            text = sentence("{rule} could not be judged: {why}", rule=Name("rule", what), why=why)
            self.findings.append(finding("history-broken", text, sentence("a rule that failed")))
            return otherwise

    def rule(self, what: str, found: Callable[..., Iterable[Finding]], *given: Any) -> None:
        """Add the findings of a rule, and those from before a failure of the rule."""

        def add() -> None:
            for one in found(*given):
                self.findings.append(one)

        self.known(what, None, add)
