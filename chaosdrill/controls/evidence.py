"""The records of other services about a drill, stored in its run while they are still available: Step Functions,
FIS.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from chaosdrill import history
from chaosdrill.aws import changes, fis, stepfunctions
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.record import in_words
from chaosdrill.history.log import Event, utc_now
from chaosdrill.history.run_directory import EVIDENCE
from chaosdrill.history.whole_files import write_whole

if TYPE_CHECKING:
    from chaosdrill.aws.system import System

EVENT = "evidence-collected"
WITHIN_S = 60.0  # time limit while a drill closes; records that were not requested by then are noted as not collected
HURRIED_WITHIN_S = 5.0  # time limit after an interruption, when all shall end
_CALL = ("at", "service", "region", "operation", "request_id", "http_status", "error", "retries")


@dataclass(frozen=True)
class Wanted:
    """One record of another service.

    :param of: its subject: an ARN, or an id.
    :param file: its name in the run's ``evidence``.
    :param ask: requests it.
    """

    kind: str
    of: str
    file: str
    ask: "Callable[[System], Mapping[str, Any]]"


def collect_evidence(drill: DrillContext) -> None:
    """Store other services' records of this drill under ``evidence`` in the run, and each file in the history. A
    record that is not available is noted with the reason. It only reads, never raises, and changes no verdict.
    """
    if drill.directory is None or drill.target is None:
        return
    within_s = HURRIED_WITHIN_S if history.hurried() else WITHIN_S
    give_up = time.monotonic() + within_s
    for one in wanted(drill.record.events):
        try:
            _require_that_it_can_be_had(give_up, within_s)
            sha256, why = _keep(drill, one), ""
        except Exception as error:  # noqa: BLE001 - a failure to collect evidence must not prevent closing
            sha256, why = None, in_words(error)
        file = f"{EVIDENCE}/{one.file}"
        drill.record.note(EVENT, file=file, sha256=sha256, kind=one.kind, of=one.of, why=why)


def wanted(events: Sequence[Event]) -> Iterator[Wanted]:
    """Yield the records to request: each execution and each FIS experiment that the history names, and the changing
    calls themselves.
    """
    arns = dict.fromkeys(str(row["execution_arn"]) for row in events if row.get("execution_arn"))
    for number, arn in enumerate(arns, 1):
        yield Wanted("execution", arn, f"execution-{number}.json", partial(stepfunctions.recorded, arn=arn))
    started = {str(row["experiment"]): str(row["region"]) for row in events if row["event"] == fis.STARTED}
    for number, (name, region) in enumerate(started.items(), 1):
        ask = partial(fis.recorded, experiment_id=name, region=region)
        yield Wanted("fis-experiment", name, f"fis-experiment-{number}.json", ask)
    if calls := [row for row in events if row["event"] == changes.EVENT]:
        listed = [{name: row.get(name) for name in _CALL} for row in calls]
        yield Wanted("changing-calls", changes.EVENT, "changing-calls.json", lambda _: {"calls": listed})


def _require_that_it_can_be_had(give_up: float, within_s: float) -> None:
    if why := history.target_lost():
        raise TimeoutError(f"the target is there no more: {why}")
    if time.monotonic() > give_up:
        raise TimeoutError(f"the other records took {within_s:g} s, and a drill that closes waits no longer")


def _keep(drill: DrillContext, one: Wanted) -> str:
    """Store one record and return its SHA-256."""
    assert drill.directory is not None
    found = one.ask(drill.system)
    told = {"chaosdrill": "evidence", "version": 1, "kind": one.kind, "of": one.of, "asked": utc_now(), **found}
    text = json.dumps(redacted(told, drill.record.hide), indent=1, ensure_ascii=False) + "\n"
    (drill.directory / EVIDENCE).mkdir(mode=0o700, exist_ok=True)
    write_whole(drill.directory / EVIDENCE / one.file, text)
    return hashlib.sha256(text.encode()).hexdigest()


def redacted(value: Any, hide: frozenset[str]) -> Any:
    """Return a response of AWS as JSON values without secrets, including those in JSON texts: an execution's input
    and output are such texts.
    """
    return history.to_json_safe(_opened(value, hide), hide)


def _opened(value: Any, hide: frozenset[str]) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): _opened(one, hide) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_opened(one, hide) for one in value]
    return _json_text(value, hide) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _json_text(text: str, hide: frozenset[str]) -> str:
    """Rewrite a JSON text only if it contains a secret; otherwise it stays as the service wrote it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    cleaned = redacted(found, hide)
    return text if cleaned == found else json.dumps(cleaned, ensure_ascii=False)
