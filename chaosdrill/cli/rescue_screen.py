"""Output of ``chaosdrill rescue``: its plan, its progress and its result, for people and for programs."""

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from chaosdrill.cli.status import duration
from chaosdrill.cli.text import one_line, with_codes
from chaosdrill.coordination.interface import RecordedUndo
from chaosdrill.rescue.decisions import RescueStep
from chaosdrill.rescue.execute import WAIT_WITHIN_S
from chaosdrill.rescue.owing_runs import RunPlan
from chaosdrill.rescue.plan import RescuePlan
from chaosdrill.rescue.report import RescueReport
from chaosdrill.rescue.status import undo_by_hand
from chaosdrill.rescue.step_texts import step_text
from chaosdrill.rescue.system_rescue import RescueProgress, RunRescue
from chaosdrill.topology import Topology

SAY_EVERY_S = 30.0  # interval of progress messages during a step


def plan_lines(one: RunPlan, topology: Topology) -> Iterator[str]:
    """Yield the lines of a rescue plan: owed undos, the state of the parts, and the first steps."""
    yield one_line(f"run {one.run.run} owes, and its driver does not live:")
    for undo in one.run.owed:
        yield _indented(f"{undo.undo} for {undo.action} (step {undo.step}), since {undo.began}")
    yield "the parts now:"
    for name, fact in one.facts.items():
        value = ", ".join(f"{resource} {value}" for resource, value in fact.each.items()) or fact.value
        error = f" ({fact.details['error']})" if "error" in fact.details else ""
        yield _indented(f"{name}: {value}{error}")
    region = {"home": topology.regions.home, "standby": topology.regions.standby}[one.goal]
    yield f"the plan, until {region} serves ({one.plan.row.name}): {one.plan.row.does}"
    for number, step in enumerate(one.plan.steps, 1):
        yield _indented(f"{number}. {step_text(step, topology)}")
    yield from (_indented(f"a person: {text}") for text in one.plan.by_person)


class RescueScreen(RescueProgress):
    """Progress output on standard error: each step, and every 30 s how long the current one has taken."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._began_s = time.monotonic()
        self._is_over = threading.Event()

    def __enter__(self) -> "RescueScreen":
        threading.Thread(target=self._tick, name="rescue-progress", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    def on_wait(self, left_s: float) -> None:
        """Show how long the rescue waits."""
        _say(f"waiting {duration(left_s)} still: a request of the dead driver may arrive until then")

    def on_plan(self, run: str, plan: RescuePlan) -> None:
        """Show a plan."""
        _say(f"run {run}: {plan.row.name}: {plan.row.does}")

    def on_step(self, step: RescueStep, number: int, many: int) -> None:
        """Show a step."""
        self.step, self._began_s = step_text(step, self._topology), time.monotonic()
        _say(f"  step {number} of {many}: {self.step}")

    def on_warning(self, text: str) -> None:
        """Show a warning about the lease."""
        _say(f"chaosdrill: {text}")

    def _tick(self) -> None:
        while not self._is_over.wait(SAY_EVERY_S):
            if self.step:
                spent_s = time.monotonic() - self._began_s
                _say(f"  {self.step}: since {duration(spent_s)}, {duration(WAIT_WITHIN_S)} at most")


def report_lines(report: RescueReport) -> Iterator[str]:
    """Yield the lines of a rescue's result, ending with whether anything is still owed."""
    if report.idle:
        yield one_line(report.idle)
        return
    for one in report.runs:
        yield one_line(f"run {one.run}: {len(one.result.paid)} undos paid, {len(one.result.left)} left")
        yield from (_indented(f"failed: {step}: {why}") for step, why in _failed(one))
        yield from (_indented(f"a person: {text}") for text in one.by_person)
    for owed in report.left:
        yield _indented(f"owed: {owed.undo.undo} for {owed.undo.action} (step {owed.undo.step}) of run {owed.run}")
        yield from (_indented(f"by hand: {text}") for text in _by_hand(owed))
    for owed in report.handed_over:
        yield _indented(f"left to {owed.to} until {owed.until}: {owed.undo.undo} of run {owed.run}")
    for run in report.unknown:
        yield _indented(f"run {run} died here without a lease: `chaosdrill status {run}` lists how to undo what it did")
    if report.region is not None:
        yield f"region state: {report.region.state}"
    if report.is_elsewhere:
        yield f"a person: {report.goal} was to be reached: check the domain, its health checks and the executions"
    if report.failure is not None:
        yield f"the rescue ended early: {with_codes(report.failure)}"
    yield "nothing is owed any more" if report.is_paid else "something stays: run the rescue again afterwards"


def as_plain(report: RescueReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    failure = report.failure and {"code": report.failure.code, "why": str(report.failure)}
    return {
        "topology": report.topology,
        "coordination": report.coordination,
        "is_paid": report.is_paid,
        "idle": report.idle,
        "rescue": report.run,
        "runs": [_run(one) for one in report.runs],
        "left": [{**_owed(one), "by_hand": list(_by_hand(one))} for one in report.left],
        "handed_over": [{**_owed(one), "to": one.to, "until": one.until} for one in report.handed_over],
        "unknown_runs": list(report.unknown),
        "goal": report.goal,
        "region": None if report.region is None else asdict(report.region),
        "failure": failure,
    }


def _run(one: RunRescue) -> dict[str, Any]:
    return {
        "run": one.run,
        "goal": one.goal,
        "states": [each.plan.row.name for each in one.result.rounds],
        "failed": [{"step": step, "why": why} for step, why in _failed(one)],
        "paid": [undo.undo for undo in one.result.paid],
        "left": [undo.undo for undo in one.result.left],
        "is_proven": one.is_proven,
        "by_person": list(one.by_person),
    }


def _failed(one: RunRescue) -> Iterator[tuple[str, str]]:
    for each in one.result.rounds:
        for step, why in each.failed:
            yield " ".join(filter(None, (step.action, step.part or step.role, step.region))), why


def _owed(one: RecordedUndo) -> dict[str, Any]:
    undo = one.undo
    return {"run": one.run, "number": one.number, "step": undo.step, "action": undo.action, "undo": undo.undo}


def _by_hand(one: RecordedUndo) -> tuple[str, ...]:
    return undo_by_hand(one.undo, datetime.now(UTC))


def _indented(text: str) -> str:
    return f"  {one_line(text)}"


def _say(text: str) -> None:
    click.echo(f"{text[: len(text) - len(text.lstrip())]}{one_line(text.strip())}", err=True)
