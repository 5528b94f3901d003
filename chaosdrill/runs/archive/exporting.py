"""Export of a run as a zip archive, which every machine can open.

The same run gives the same bytes. With evidence, the manifest in it records when and by whom it was exported.
"""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, problem
from chaosdrill.history.run_directory import HISTORY, JOURNAL, SUMMARY
from chaosdrill.history.whole_files import draft_of
from chaosdrill.runs.archive.manifest import MANIFEST, README, SIGNATURE, SUMS, ManifestEntry, manifest, sums, written
from chaosdrill.runs.archive.signing import NAMESPACE, require_key, sign
from chaosdrill.runs.archive.unpacking import CHUNK
from chaosdrill.runs.jsonl import values
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.naming import good_run_name
from chaosdrill.runs.recorded_hashes import RunFiles, run_files
from chaosdrill.runs.summaries import read_summary
from chaosdrill.runs.verifying import MISSING, Deviation, Verified, verify_run

MOMENT = (1980, 1, 1, 0, 0, 0)  # time of every file in a zip: the time of the export is no part of the run
ENDING, EVIDENCE_ENDING = ".zip", ".evidence.zip"


@dataclass(frozen=True)
class Exported:
    """An exported archive.

    :param digest: the digest of the manifest, to be stored elsewhere; empty without evidence.
    :param manifest: the manifest; empty without evidence.
    :param verified: the verification of the run at the export; its problems do not prevent it. None without evidence.
    :param left_out: the files that were left out, each with the reason.
    """

    archive: Path
    digest: str
    manifest: dict[str, Any]
    verified: Verified | None
    left_out: tuple[Deviation, ...]


def export(directory: Path, output: Path | None, evidence: bool, key: Path | None = None) -> Exported:
    """Write the archive of a run.

    :param output: the file; None: one in the current directory, named like the run.
    :param evidence: add a manifest that identifies the run and lets others verify it.
    :param key: the SSH key that signs the manifest; None: it is not signed.
    :raises BadInput: when the drill still runs, the key cannot sign, or the file cannot be written; nothing is left
        then.
    """
    if key is not None:
        require_key(key)
    run = _name(directory)
    path = output or Path(run + (EVIDENCE_ENDING if evidence else ENDING))
    if problems := [*_problems_of_run(directory), *_problems_of_output(path)]:
        raise BadInput(problems)
    try:
        with draft_of(path, new=True, private=False) as draft, zipfile.ZipFile(draft, "w") as archive:
            made = _write(archive, directory, run, evidence, key)
    except FileExistsError as error:
        raise BadInput([_there_already(path)]) from error
    except OSError as error:
        why = f"{path} cannot be written: {error.strerror or error}"
        raise BadInput([problem("export-unwritable", why)]) from error
    digest, document, verified, left_out = made
    return Exported(path, digest, document, verified, left_out)


def _name(directory: Path) -> str:
    name = directory.resolve().name
    return name if good_run_name(name) else "run"


def _problems_of_run(directory: Path) -> Sequence[str]:
    if goes_on(directory):
        why = f"the drill of {directory.name} still goes on: wait until it has ended (chaosdrill watch)"
        return [problem("run-ongoing", why)]
    if any((directory / name).is_file() for name in (HISTORY, SUMMARY, JOURNAL)):
        return []
    return [f"{directory} is no run: it has neither {HISTORY} nor {SUMMARY} nor {JOURNAL}"]


def _problems_of_output(path: Path) -> Sequence[str]:
    if not path.absolute().parent.is_dir():
        why = f"--output {path}: there is no directory {path.absolute().parent}"
        return [problem("export-unwritable", why)]
    if os.path.lexists(path):
        return [_there_already(path)]
    return []


def _there_already(path: Path) -> str:
    return problem("file-exists", f"{path} is there already: name another file with --output, or remove it")


_Made = tuple[str, dict[str, Any], Verified | None, tuple[Deviation, ...]]


def _write(archive: zipfile.ZipFile, directory: Path, run: str, evidence: bool, key: Path | None) -> _Made:
    found = run_files(directory)
    left_out = tuple(_left_out(found))
    listed = [_add_file(archive, f"{run}/{name}", path) for name, path in found.plain.items()]
    if not evidence:
        return "", {}, None, left_out
    verified = verify_run(directory)
    events = [event for event in values(_lines(directory)) if isinstance(event, dict)]
    document = _with_readme(archive, listed, verified, directory, events)
    document["left_out"] = [vars(one) for one in left_out]
    data, digest = written(document)
    _add(archive, SUMS, sums(listed).encode())
    _add(archive, MANIFEST, data)
    if key is not None:
        _add(archive, SIGNATURE, sign(data, key))
    return digest, document, verified, left_out


def _with_readme(
    archive: zipfile.ZipFile,
    listed: list[ManifestEntry],
    verified: Verified,
    directory: Path,
    events: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    readme = README_TEXT.format(run=verified.run, namespace=NAMESPACE).encode()
    _add(archive, README, readme)
    listed.append(ManifestEntry(README, len(readme), hashlib.sha256(readme).hexdigest()))
    return manifest(verified, read_summary(directory), events, listed)


def _lines(directory: Path) -> list[bytes]:
    path = directory / HISTORY
    return path.read_bytes().split(b"\n") if path.is_file() else []


def _left_out(found: RunFiles) -> list[Deviation]:
    return [Deviation(name, MISSING, f"it was left out of the archive: it {why}") for name, why in found.odd.items()]


def _entry(name: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, MOMENT)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
    entry.file_size = size
    return entry


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(_entry(name, len(data)), data)


def _add_file(archive: zipfile.ZipFile, name: str, path: Path) -> ManifestEntry:
    sha256, size = hashlib.sha256(), 0
    with open(path, "rb") as source, archive.open(_entry(name, path.stat().st_size), "w") as target:
        while chunk := source.read(CHUNK):
            sha256.update(chunk)
            size += target.write(chunk)
    return ManifestEntry(name, size, sha256.hexdigest())


README_TEXT = """\
Evidence of the drill {run}

The directory {run} is what the drill left behind: what it did (history.jsonl), what clients saw (records),
what AWS itself recorded of it (evidence: Step Functions executions, FIS experiments, request ids of every changing
call, which CloudTrail knows, too), the experiment and the topology as they were, the verdict (summary.json).

To check it without chaosdrill
  1. sha256sum manifest.json       must be the digest that was written down when this was exported (a change ticket, a
                                   mail, a signature): without that nobody can tell a forged archive from this one
  2. sha256sum SHA256SUMS          must be what manifest.json says under "sha256sums"
  3. sha256sum -c SHA256SUMS       must say OK to every file
  4. find . -type f                must show the files that SHA256SUMS names, SHA256SUMS and manifest.json, and no other
                                   but the signature, manifest.json.sig, if the export was signed. Whose it is says
       ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME -n {namespace} -s manifest.json.sig < manifest.json
                                   with a file of allowed signers that you trust; then 1. needs no digest

The hashes are chained: each is over the one before it and its line of SHA256SUMS; the first is over the seal in the
last line of history.jsonl, and each line of the history is sealed over the line before it. So that
  before=$(tail -n 1 {run}/history.jsonl | sed 's/.*"seal": "\\(.*\\)"}}$/\\1/')
  while IFS= read -r line; do before=$(printf '%s\\n%s\\n' "$before" "$line" | sha256sum | cut -d' ' -f1)
  done < SHA256SUMS; echo "$before"
says what manifest.json has under "chain".

With chaosdrill: chaosdrill runs verify ARCHIVE --digest DIGEST --signer ALLOWED_SIGNERS
It also checks the seal of every event, and judges the drill again.

manifest.json says who ran the drill, who approved it (as the one who ran it says), under which change, with which
versions, what its verdict was, whether the run was whole when it was exported ("intact", "problems"), by whom and when.
"""
