"""The result of a drill for CI systems. ``CHAOSDRILL_JUNIT`` names the file, because ``chaos run`` has no own
options for it.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chaosdrill.errors import BadInput
from chaosdrill.runs.junit import cases_of_run, junit_xml, problems_of_file, write_junit

VARIABLE: Final = "CHAOSDRILL_JUNIT"

logger = logging.getLogger("chaostoolkit")


def junit_problems() -> list[str]:
    """Return why the file cannot be written."""
    path = _path()
    return problems_of_file(path, VARIABLE) if path is not None else []


def remove_earlier_junit() -> None:
    """Remove the result of an earlier drill, which must not be mistaken for that of a drill that died."""
    path = _path()
    if path is not None and not problems_of_file(path, VARIABLE):
        path.unlink(missing_ok=True)


def write_drill_junit(said: Mapping[str, Any]) -> None:
    """Write the result if the variable is set; a file that cannot be written is logged and changes nothing.

    :param said: the summary.
    """
    path = _path()
    if path is None:
        return
    findings = (said.get("judgement") or {}).get("findings") or ()
    cases = cases_of_run(said["verdict"], said["reasons"], findings, said.get("hypothesis") or ())
    properties = {name: str(said.get(name) or "") for name in ("run_id", "target", "scale")}
    try:
        write_junit(path, junit_xml(str(said.get("experiment") or "drill"), cases, properties))
    except BadInput as error:
        logger.error(f"{VARIABLE}: {error}")


def _path() -> Path | None:
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else None
