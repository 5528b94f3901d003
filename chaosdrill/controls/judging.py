"""The verdict of a drill that is being closed: from what it left on disk, as ``chaosdrill runs judge`` would do it."""

from typing import TYPE_CHECKING

from chaosdrill.controls.recording import store_records
from chaosdrill.errors import DrillError

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement
    from chaosdrill.controls.session import Session


def judged(session: "Session") -> "Judgement | None":
    """:returns: the judgement; None without a run, or when the judging itself failed: that is in the history then."""
    if session.directory is None:
        return None
    try:
        # they need numpy, which nothing does before a drill is closed
        from chaosdrill.analysis.judgement import judge
        from chaosdrill.runs import read_run

        store_records(session, session.directory)
        if session.record.unwritten:
            why = f"the history is not whole, and what is missing may be the worst of it: {session.record.unwritten}"
            raise DrillError(why, code="store-not-writable")
        return judge(read_run(session.directory, still_open=True))
    except Exception as error:  # noqa: BLE001 - a judge that fails is no verdict, and must not hide what was recorded
        session.record.crashed("judging", error)
        return None
