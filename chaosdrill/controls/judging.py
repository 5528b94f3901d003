"""The verdict of a drill that is being closed: from its files, as ``chaosdrill runs judge`` would judge them."""

from typing import TYPE_CHECKING

from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.record_collection import store_records
from chaosdrill.errors import DrillError

if TYPE_CHECKING:
    from chaosdrill.report.build import JudgedRun


def judged(drill: DrillContext) -> "JudgedRun | None":
    """Read and judge the run, once; None without a run, or when that failed, which is recorded in the history."""
    if drill.directory is None:
        return None
    try:
        # imported late: they need numpy, which nothing else needs during a drill
        from chaosdrill.analysis.judgement import judge
        from chaosdrill.runs import read_run

        store_records(drill, drill.directory)
        if drill.record.unwritten:
            why = f"the history is not whole, and what is missing may be the worst of it: {drill.record.unwritten}"
            raise DrillError(why, code="store-not-writable")
        run = read_run(drill.directory, still_open=True)
        return run, judge(run)
    except Exception as error:  # noqa: BLE001 - a failed judgement is no verdict, and must not hide the records
        drill.record.crashed("judging", error)
        return None
