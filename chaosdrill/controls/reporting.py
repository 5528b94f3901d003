"""The report of a drill that has just been closed. It does not affect the verdict, and hides no other error."""

from typing import TYPE_CHECKING, Any

from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.record import in_words
from chaosdrill.history.run_directory import REPORT
from chaosdrill.languages import language_from
from chaosdrill.report.build import why_no_report, write_report
from chaosdrill.time_zones import zone_from

if TYPE_CHECKING:
    from chaosdrill.report.build import JudgedRun

AGAIN = "make it again with `chaosdrill report {}`"


def report_name(drill: DrillContext) -> str | None:
    """Return the name of the report's file in the run; None when no report can be made."""
    return REPORT if drill.directory is not None and not why_no_report() else None


def reported(drill: DrillContext, judged: "JudgedRun | None" = None) -> dict[str, Any]:
    """Write the report of the run. The summary must be on disk, and the history complete.

    :param judged: the run as it was judged; None: it is read again.
    :returns: values that replace those of the summary in the drill's last lines: none when the report was written.
    """
    if drill.directory is None:
        return {}
    again = AGAIN.format(drill.directory.name)
    if why := why_no_report():
        return {"report": None, "report_why": f"{why}; then {again}"}
    drill.status.phase = "writing the report"
    try:
        write_report(drill.directory, language_from(), zone=zone_from(), judged=judged)
    except Exception as error:  # noqa: BLE001 - the drill has ended and is judged: no error may hide that
        return {"report": None, "report_why": f"{in_words(error)}; {again}"}
    return {}
