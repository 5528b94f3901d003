"""Import of a journal of plain Chaos Toolkit as a run: unchanged except for secrets."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.analysis.judgement import judge
from chaosdrill.analysis.summary_fields import IMPORTED
from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.json_safe import to_json_safe
from chaosdrill.history.run_directory import EXPERIMENT, JOURNAL, SUMMARY, run_id
from chaosdrill.history.whole_files import locked, write_whole
from chaosdrill.runs.documents import json_document
from chaosdrill.runs.imports.foreign_journals import read_journal, secrets_in
from chaosdrill.runs.imports.imported import REST, began_of, hash_of
from chaosdrill.runs.lookup import names_of_runs
from chaosdrill.runs.making_summaries import summary_of
from chaosdrill.runs.pruning import IMPORTING
from chaosdrill.runs.reading import read_run

FROM = "imported"  # field of a summary: where it was imported from


def import_journal(path: Path, runs: Path) -> str:
    """Import a journal as a run.

    :param path: the journal.
    :param runs: the store, an existing directory.
    :returns: the id of the run.
    :raises BadInput: when it is invalid, with every reason; or when it is in the store already, with the run's id.
    :raises OSError: when the store cannot be written.
    """
    journal = read_journal(path)
    sha256 = hash_of(journal)
    if known := _imported_before(runs, journal, sha256):
        raise BadInput([_in_store(path, known)])
    name = _new_name(runs, journal, sha256)
    hidden = Path(tempfile.mkdtemp(prefix=IMPORTING, dir=runs))
    try:
        (hidden / name).mkdir(mode=0o700)
        _fill(hidden / name, journal, {"file": path.name, "sha256": sha256})
        with locked(runs):
            if known := _imported_before(runs, journal, sha256):  # by another process, meanwhile
                raise BadInput([_in_store(path, known)])
            (hidden / name).rename(runs / name)
        return name
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _in_store(path: Path, run: str) -> str:
    return problem("run-in-store", f"{path} is in the store already: it is the run {run}")


def _imported_before(runs: Path, journal: Mapping[str, Any], sha256: str) -> str | None:
    """Return the run of the same journal: its id begins with the same time and title."""
    begins = _id(journal, "")
    for name in sorted(names_of_runs(runs)):
        if name.startswith(begins) and mapping(json_document(runs / name / SUMMARY).get(FROM)).get("sha256") == sha256:
            return name
    return None


def _new_name(runs: Path, journal: Mapping[str, Any], sha256: str) -> str:
    names = (_id(journal, sha256[:length]) for length in range(4, len(sha256)))
    return next(name for name in names if not (runs / name).exists())


def _id(journal: Mapping[str, Any], suffix: str) -> str:
    began = began_of(journal)
    assert began is not None, "a journal without one was refused"
    return run_id(text(mapping(journal.get("experiment")).get("title")), began, suffix)


def _fill(directory: Path, journal: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    known = to_json_safe(journal, secrets_in(journal))
    for name, document in ((JOURNAL, known), (f"{EXPERIMENT}.json", known["experiment"])):
        write_whole(directory / name, json.dumps(document, indent=1) + "\n")
    run = read_run(directory)
    judgement = judge(run)
    rests_on = [one.text for one in judgement.findings if one.name == REST]
    summary = summary_of(directory, run, replace(judgement, reasons=(*judgement.reasons, *rests_on)), IMPORTED)
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    write_whole(directory / SUMMARY, json.dumps(to_json_safe({**summary, FROM: {**source, "at": at}}), indent=1) + "\n")
