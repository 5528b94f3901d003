"""The manifest of an exported run: the drill and its verdict, and the hash of every file.

Each hash is chained to the one before it, the first to the last seal of the history. The manifest's own digest covers
everything, and can be stored elsewhere.
"""

import getpass
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill import __version__
from chaosdrill.analysis.summary_fields import approvals_of
from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.history.log import utc_now
from chaosdrill.history.run_directory import experiment_of
from chaosdrill.runs.summaries import Summary
from chaosdrill.runs.verifying import ADDED, ALTERED, DIFFERS, MISSING, Deviation, Verified

MANIFEST, SUMS, README = "manifest.json", "SHA256SUMS", "README.txt"
SIGNATURE = f"{MANIFEST}.sig"  # as ssh-keygen names it
VERSION = 1
SELF = "sha256_of_the_above"


@dataclass(frozen=True)
class ManifestEntry:
    """A file in an archive: its path, its size in bytes, and its sha256."""

    file: str
    bytes: int
    sha256: str

    def line(self) -> str:
        """Return the file as a line that ``sha256sum`` writes and checks."""
        return f"{self.sha256}  {self.file}"


def sums(files: Sequence[ManifestEntry]) -> str:
    """Return the text of SHA256SUMS."""
    return "".join(f"{one.line()}\n" for one in files)


def chained(files: Sequence[ManifestEntry], seal: str) -> list[str]:
    """Return for each file the hash over the previous hash and its line; the first one is chained to the last seal."""
    chain, before = [], seal
    for one in files:
        before = hashlib.sha256(f"{before}\n{one.line()}\n".encode()).hexdigest()
        chain.append(before)
    return chain


def manifest(
    verified: Verified, said: Summary, events: Sequence[Mapping[str, Any]], files: Sequence[ManifestEntry]
) -> dict[str, Any]:
    """Return the manifest of a run as JSON values.

    :param verified: the verification of the run at the export.
    :param events: the events of its history.
    :param files: the files in the archive.
    """
    chain = chained(files, verified.last_seal)
    listed = [
        {"file": one.file, "bytes": one.bytes, "sha256": one.sha256, "chain": link}
        for one, link in zip(files, chain, strict=True)
    ]
    return {
        "chaosdrill": "manifest",
        "version": VERSION,
        "run": verified.run,
        **_of_drill(verified, said, events),
        "exported": {"at": utc_now(), "by": _user(), "chaosdrill": __version__},
        "intact": verified.intact,
        "problems": [vars(one) for one in verified.problems],
        "notes": list(verified.notes),
        "history": {"events": verified.events, "last_seal": verified.last_seal},
        "files": listed,
        "chain": chain[-1] if chain else verified.last_seal,
        "sha256sums": hashlib.sha256(sums(files).encode()).hexdigest(),
    }


def _of_drill(verified: Verified, said: Summary, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    opened, target, closed, confirmed = (
        next((event for event in events if event.get("event") == name), {})
        for name in ("drill-opened", "target-opened", "drill-closed", "rehearsal-confirmed")
    )
    origin = mapping(opened.get("origin"))
    operator, approver = text(origin.get("operator")), text(opened.get("approver"))
    return {
        "experiment": text(said.said.get("experiment")) or experiment_of(verified.run, opened),
        "title": opened.get("title"),
        "target": target.get("target") or opened.get("target"),
        "scale": target.get("scale"),
        "began": opened.get("at"),
        "ended": closed.get("at"),
        "finished": bool(closed),
        "verdict": verified.stored or None,
        "judged_again": verified.judged or None,
        "reasons": list(said.reasons),
        "operator": operator or None,
        "approver": approver or None,
        "duties": duties(operator, approver),
        "approvals": approvals_of(events),
        "rehearsal_confirmed": {name: confirmed.get(name) for name in ("by", "confirmed_at")} if confirmed else None,
        "change_ticket": opened.get("change_ticket") or None,
        "host": origin.get("host"),
        "git": origin.get("git"),
        "versions": opened.get("versions"),
    }


def duties(operator: str, approver: str) -> str:
    """Return whether the approver is another person than the operator, in words."""
    if not approver:
        return "no approver was named"
    names = {part.strip("()").casefold() for part in operator.replace(" (sudo by ", " ").split()}
    if approver.strip().casefold() in {operator.casefold(), *names}:
        return f"not separated: {approver} approved the drill and ran it"
    return "separated: another one approved the drill than ran it, as the operator says"


def written(document: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return a manifest as it is written, and its digest.

    Its last member is a hash over the others, so that accidental damage shows even without the digest.
    """
    own = hashlib.sha256(_text(document)).hexdigest()
    data = _text({**document, SELF: own})
    return data, hashlib.sha256(data).hexdigest()


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # the uid is not in the password file


def problems_of_manifest(
    data: bytes, verified: Verified, files: Sequence[ManifestEntry], sums_of: bytes | None
) -> tuple[list[Deviation], Mapping[str, Any]]:
    """Return the differences between an archive and its manifest, and the manifest.

    :param data: the bytes of the manifest.
    :param verified: the verification of the run now.
    :param files: the files in the archive now, without the manifest and SHA256SUMS.
    :param sums_of: the bytes of SHA256SUMS; None: the file is missing.
    """
    try:
        said, listed, links = _read(data)
        as_written = written({name: value for name, value in said.items() if name != SELF})[0] == data
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return [Deviation(MANIFEST, ALTERED, f"not a manifest: {type(error).__name__}: {error}")], {}
    history = mapping(said.get("history"))
    problems = [*_differences(listed, files)]
    if not as_written:
        problems.append(Deviation(MANIFEST, ALTERED, "it was altered since it was written"))
    if links != chained(listed, str(history.get("last_seal"))) or (links and links[-1] != said.get("chain")):
        problems.append(Deviation(MANIFEST, ALTERED, "its chain of hashes is broken"))
    if (history.get("events"), history.get("last_seal")) != (verified.events, verified.last_seal):
        told = f"{history.get('events')} events up to the seal {history.get('last_seal')}"
        seen = f"{verified.events} up to {verified.last_seal or 'none'}"
        problems.append(Deviation("history.jsonl", ALTERED, f"the manifest tells of {told}, there are {seen}"))
    if sums_of != sums(listed).encode():
        problems.append(Deviation(SUMS, ALTERED if sums_of is not None else MISSING, "it differs from the manifest"))
    return problems, said


def _read(data: bytes) -> tuple[Mapping[str, Any], list[ManifestEntry], list[str]]:
    """Return the manifest, the files that it lists, and their chained hashes.

    :raises ValueError, KeyError, TypeError, OverflowError, RecursionError: when it is invalid.
    """
    said = json.loads(data)
    if (said["chaosdrill"], said["version"]) != ("manifest", VERSION):
        raise ValueError(f"of version {VERSION} it is none")
    listed = [ManifestEntry(str(one["file"]), int(one["bytes"]), str(one["sha256"])) for one in said["files"]]
    return said, listed, [str(one["chain"]) for one in said["files"]]


def _differences(listed: Sequence[ManifestEntry], files: Sequence[ManifestEntry]) -> list[Deviation]:
    there, told = {one.file: one for one in files}, {one.file: one for one in listed}
    problems = [Deviation(name, MISSING, "listed in the manifest, but missing") for name in told if name not in there]
    for name, one in there.items():
        if name not in told:
            problems.append(Deviation(name, ADDED, "the manifest does not list it"))
        elif one != told[name]:
            problems.append(
                Deviation(name, ALTERED, f"its sha256 is {one.sha256}, the manifest says {told[name].sha256}")
            )
    return problems


def problem_of_digest(digest: str, wanted: str) -> Deviation | None:
    """Return a problem if the manifest's digest differs from the one that was stored elsewhere; None if it matches."""
    if digest == wanted.strip().lower():
        return None
    return Deviation(MANIFEST, DIFFERS, f"its digest is {digest}, the one that was written down is {wanted}")
