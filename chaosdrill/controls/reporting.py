"""The report of a drill that has just been closed. It changes nothing of the verdict, and hides no other error."""

from typing import TYPE_CHECKING, Any

from chaosdrill.controls.record import in_words
from chaosdrill.history.run_directory import REPORT
from chaosdrill.languages import language_from
from chaosdrill.report.making import why_no_report, write_report
from chaosdrill.time_zones import zone_from

if TYPE_CHECKING:
    from chaosdrill.controls.session import Session

AGAIN = "make it again with `chaosdrill report {}`"


def report_name(session: "Session") -> str | None:
    """:returns: the file in the run that the report will be; None when none can be made."""
    return REPORT if session.directory is not None and not why_no_report() else None


def reported(session: "Session") -> dict[str, Any]:
    """Write the report of the run. The summary must be on disk, and the history at its end.

    :returns: what the drill's last lines say otherwise than its summary: nothing when the report was written.
    """
    if session.directory is None:
        return {}
    again = AGAIN.format(session.directory.name)
    if why := why_no_report():
        return {"report": None, "report_why": f"{why}; then {again}"}
    session.status.phase = "writing the report"
    try:
        write_report(session.directory, language_from(), zone=zone_from())
    except Exception as error:  # noqa: BLE001 - the drill is over and judged: that must be told, whatever happens here
        return {"report": None, "report_why": f"{in_words(error)}; {again}"}
    return {}
