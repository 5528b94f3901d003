"""Concurrent execution of checks, and the refusal of a drill by their results."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from time import monotonic

from chaosdrill.aws import deadlines
from chaosdrill.errors import DrillError, Refused, problem
from chaosdrill.messages import Sentence, as_it_is, sentence, together
from chaosdrill.parts.check_readings import FAILURES, refused_by
from chaosdrill.parts.interface import Check, CheckContext, Outcome, Part, Reading
from chaosdrill.parts.registry import parts_of
from chaosdrill.preflight.core import core_checks

THREADS, DEADLINE_S = 10, 15.0  # botocore keeps 10 connections to an endpoint
CREDENTIALS = "core.credentials"


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    :param name: stable, such as ``routing.cluster-endpoint``.
    :param what: the resource that was read.
    :param value: what was observed; empty when it could not be read.
    :param why: what is wrong; empty when nothing is.
    :param fix: how to fix it.
    :param code: of ``error_codes``; empty when the outcome is ok.
    :param seconds: how long it took.
    """

    part: str
    name: str
    what: str
    value: str
    outcome: Outcome
    why: str
    fix: str
    code: str
    seconds: float


def preflight(context: CheckContext, quick: bool = False) -> list[CheckResult]:
    """Run all checks of a drill that is about to begin. Nothing is changed.

    :param quick: run only those that are repeated just before the first change.
    :returns: a result for each, in the order of the table; only one when there are no usable credentials, because
        nothing can be read without them.
    """
    if (unusable := _credentials_unusable(context)) is not None:
        return [unusable]
    return run(checks_of(context, quick))


def checks_of(context: CheckContext, quick: bool = False) -> list[Check]:
    """List the checks of the core and of each part that the topology has."""
    parts = chain.from_iterable(_of_part(part, context) for part in parts_of(context.system.topology))
    return [check for check in (*core_checks(context), *parts) if check.quick or not quick]


def run(checks: Sequence[Check]) -> list[CheckResult]:
    """Run checks at the same time. Each has 15 s for its requests to AWS; a command on a host has its own timeout."""
    if not checks:
        return []
    with ThreadPoolExecutor(min(THREADS, len(checks)), thread_name_prefix="preflight") as pool:
        return list(pool.map(_result, checks))


def refuse(results: Iterable[CheckResult]) -> None:
    """Refuse a drill by the results of its checks.

    :raises Refused: with each reason and its code.
    """
    if found := [one for one in results if one.outcome == "refuse"]:
        problems = [problem(one.code, _in_words(one)) for one in found]
        message = together([*map(as_it_is, problems), sentence("nothing was touched")])
        raise Refused(message, code=found[0].code, problems=problems)


def _in_words(result: CheckResult) -> Sentence:
    if isinstance(result.why, Sentence) and result.why.template:
        return result.why
    return sentence("{what}: {why}: {fix}", what=result.what, why=as_it_is(result.why), fix=result.fix)


def _of_part(part: Part, context: CheckContext) -> Iterator[Check]:
    """List a part's checks; when that itself fails, one check that refuses with the error."""
    try:
        yield from part.checks(context)
    except FAILURES as error:
        reading = refused_by(error)
        fix = "correct the arguments of the experiment's steps, or the topology"
        yield Check(part.name, f"{part.name}.arguments", "what the steps name", fix, lambda: reading)


def _result(check: Check) -> CheckResult:
    began_s = monotonic()
    reading = _reading(check)
    fix = "" if reading.outcome == "ok" else check.fix
    seconds = round(monotonic() - began_s, 3)
    facts = (reading.value, reading.outcome, reading.why, fix, reading.code)
    return CheckResult(check.part, check.name, check.what, *facts, seconds)


def _reading(check: Check) -> Reading:
    try:
        with deadlines.ending(DEADLINE_S):
            return check.read()
    except FAILURES as error:
        return refused_by(error)
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide the results of the others
        return Reading("", "refuse", f"the check failed: {error!r}", code="error")


def _credentials_unusable(context: CheckContext) -> CheckResult | None:
    """Find the one cause that every check would report: a missing profile, or credentials that are missing or
    expired.
    """
    began_s = monotonic()
    try:
        context.system.account()
    except DrillError as error:
        if error.code == "account-unreadable":
            return None  # STS alone may be unreachable; its own row reports that
        what = "credentials (no other part was read: each needs them)"
        seconds = round(monotonic() - began_s, 3)
        return CheckResult("aws", CREDENTIALS, what, "", "refuse", str(error), "", error.codes[0], seconds)
    return None
