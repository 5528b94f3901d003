"""The preflight of a drill: all checks before anything is changed, and the quick ones again before the method.

The quick ones run in the background while the steady state is checked.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from chaosdrill import history
from chaosdrill.controls.check_context import check_context
from chaosdrill.controls.context import DrillContext
from chaosdrill.parts.interface import CheckContext
from chaosdrill.preflight import CheckResult, preflight, refuse

logger = logging.getLogger("chaostoolkit")
EVENT = "preflight"


def require_fit(drill: DrillContext, name: str) -> "Recheck":
    """Run all checks of the drill, and record them.

    :param name: the experiment's.
    :raises Refused: with every reason.
    """
    started_here = drill.target is not None and drill.target.started_here
    dry = bool(drill.experiment.get("dry"))
    context = check_context(
        drill.experiment,
        drill.arguments,
        drill.configuration,
        drill.secrets,
        drill.system,
        name,
        on_host=not (started_here or dry),  # the host of a lab that this drill started lacks nothing
    )
    opened = history.current()
    context = replace(context, run="" if opened is None else opened.run_id)
    # the region state was checked before, and its refusal names the runs of drills that died
    _judge(drill, preflight(replace(context, expect="")), quick=False)
    return Recheck(drill, _later(context))


def _later(context: CheckContext) -> CheckContext:
    """Return the context of the quick checks: changes that setup made on purpose are not checked again."""
    setup = replace(context, steps=tuple(step for step in context.steps if step.stage == "setup"))
    steps = tuple(step for step in context.steps if step.stage != "setup")
    return replace(context, steps=steps, expect="" if setup.moves() else context.expect)


def _judge(drill: DrillContext, results: list[CheckResult], quick: bool) -> None:
    wrong = [one for one in results if one.outcome != "ok"]
    told = [{"name": one.name, "what": one.what, "outcome": one.outcome, "why": str(one.why)} for one in wrong]
    drill.record.note(EVENT, quick=quick, checks=len(results), seconds=max(one.seconds for one in results), not_ok=told)
    for one in wrong:
        if one.outcome == "warning":
            logger.warning(f"Preflight: {one.what}: {one.why}: {one.fix}")
    refuse(results)


class Recheck:
    """The quick checks of a preflight, which run in the background until their result is needed."""

    def __init__(self, drill: DrillContext, context: CheckContext) -> None:
        self._drill, self._context = drill, context
        self._begun: Future[list[CheckResult]] | None = None

    def begin(self) -> None:
        """Start them, unless they are started."""
        if self._begun is None:
            pool = ThreadPoolExecutor(1, thread_name_prefix="preflight")
            self._begun = pool.submit(preflight, self._context, True)
            pool.shutdown(wait=False)

    def require_fit(self) -> None:
        """Wait for their end, and record them.

        :raises Refused: with every reason.
        """
        self.begin()
        assert self._begun is not None
        _judge(self._drill, self._begun.result(), quick=True)
