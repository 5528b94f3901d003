"""Verification of archives, and their import into the store."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaosdrill.errors import BadInput, prefixed, problem
from chaosdrill.history.run_directory import REPORT
from chaosdrill.history.whole_files import locked
from chaosdrill.paths import RUNS_VARIABLE, ensure_directory, runs_directory
from chaosdrill.runs.archive.manifest import (
    MANIFEST,
    SIGNATURE,
    SUMS,
    ManifestEntry,
    problem_of_digest,
    problems_of_manifest,
)
from chaosdrill.runs.archive.quarantine import quarantine_pages
from chaosdrill.runs.archive.signing import SignatureResult, check_signature
from chaosdrill.runs.archive.unpacking import contents_of, unpack
from chaosdrill.runs.documents import read_regular
from chaosdrill.runs.naming import safe_name
from chaosdrill.runs.pruning import IMPORTING
from chaosdrill.runs.recorded_hashes import as_recorded, run_files
from chaosdrill.runs.records.tables import sha256_of
from chaosdrill.runs.tags import TAGS
from chaosdrill.runs.verifying import ALTERED, MISSING, Deviation, Verified, verify_run


@dataclass(frozen=True)
class VerifiedArchive:
    """A verified archive.

    :param verified: the run in it.
    :param digest: the digest of its manifest; empty without one.
    :param signer: the verified signer of the manifest; empty without one.
    :param signed: whether there is a signature, verified or not.
    """

    verified: Verified
    problems: tuple[Deviation, ...]
    digest: str
    signer: str = ""
    signed: bool = False

    @property
    def intact(self) -> bool:
        """Whether nothing was altered, is missing, or was added."""
        return not self.problems


def import_archive(path: Path) -> Path:
    """Import the run in an exported archive into the store, without its report and with its other pages in quarantine.

    :param path: the archive.
    :returns: the directory of the run.
    :raises BadInput: when it is not an archive that may be unpacked, or differs from its manifest, or a run of that id
        is in the store already: the message tells whether it is the same run. Nothing is left in the store then.
    """
    contents = contents_of(path)
    runs = ensure_directory(runs_directory(), RUNS_VARIABLE)
    unpacked = Path(tempfile.mkdtemp(prefix=IMPORTING, dir=runs))
    try:
        unpack(path, contents, unpacked)
        if problems := [*_problems_of_import(unpacked, contents.run)]:
            raise BadInput([prefixed(str(path), one) for one in problems])
        quarantine_pages(unpacked / contents.run)
        target = runs / contents.run
        with locked(runs):
            if not os.path.lexists(target):
                return (unpacked / contents.run).rename(target)
        raise BadInput([prefixed(str(path), _known_already(unpacked / contents.run, target))])
    except OSError as error:
        raise BadInput([f"{path} cannot be imported: {error}"]) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def verify_archive(path: Path, digest: str = "", signers: Path | None = None) -> VerifiedArchive:
    """Verify everything in an archive.

    :param digest: the digest of its manifest that was stored elsewhere; empty: unknown.
    :param signers: OpenSSH's file of allowed signers of the manifest; None: the signature is not verified.
    :returns: the problems, and what matches; an archive that cannot be read is altered.
    """
    with tempfile.TemporaryDirectory(prefix="chaosdrill-") as directory:
        try:
            contents = contents_of(path)
            unpack(path, contents, Path(directory))
        except BadInput as error:
            problems = tuple(Deviation(path.name, ALTERED, problem) for problem in error.problems)
            return VerifiedArchive(Verified("", 0, "", 0, problems, (), "", ""), problems, "")
        return verify_unpacked(Path(directory), contents.run, digest, signers)


def verify_unpacked(directory: Path, run: str, digest: str = "", signers: Path | None = None) -> VerifiedArchive:
    """Verify an unpacked archive, like :func:`verify_archive`.

    :param directory: the directory that holds the manifest and the run's directory.
    :param run: the name of the run's directory.
    """
    verified = verify_run(directory / run)
    problems = [Deviation(f"{run}/{one.where}", one.what, one.text) for one in verified.problems]
    if verified.run != run and verified.events:
        problems.append(Deviation(run, ALTERED, f"its history is of the run {verified.run}"))
    if not (directory / MANIFEST).is_file():
        if digest:
            problems.append(Deviation(MANIFEST, MISSING, "missing, so no digest can be compared"))
        if signers is not None:
            problems.append(Deviation(MANIFEST, MISSING, "missing, so nothing is signed"))
        return VerifiedArchive(verified, tuple(problems), "")
    found, of_manifest = _of_manifest(directory, run, verified)
    if differs := problem_of_digest(of_manifest, digest) if digest else None:
        found.append(differs)
    signature = directory / SIGNATURE
    by = _signed(directory, signature, signers)
    if by.problem:
        found.append(by.problem)
    return VerifiedArchive(verified, (*found, *problems), of_manifest, by.signer, signature.is_file())


def _signed(directory: Path, signature: Path, signers: Path | None) -> SignatureResult:
    if signers is None:
        return SignatureResult()
    try:
        manifest = read_regular(directory / MANIFEST)
        return check_signature(manifest, read_regular(signature) if signature.is_file() else None, signers)
    except OSError as error:
        return SignatureResult(problem=Deviation(SIGNATURE, ALTERED, f"it cannot be read: {error}"))


def unpacked_run(directory: Path) -> str:
    """Return the name of the run in a directory of an unpacked archive; empty when it is not one."""
    if not (directory / MANIFEST).is_file():
        return ""
    found = [path.name for path in directory.iterdir() if path.is_dir()]
    return found[0] if len(found) == 1 else ""


def _of_manifest(directory: Path, run: str, verified: Verified) -> tuple[list[Deviation], str]:
    found = run_files(directory)
    there = [
        ManifestEntry(name, path.stat().st_size, sha256_of(path))
        for name, path in found.plain.items()
        if name not in (MANIFEST, SIGNATURE, SUMS)
    ]
    sums = directory / SUMS
    try:
        data = read_regular(directory / MANIFEST)
        problems, said = problems_of_manifest(data, verified, there, read_regular(sums) if sums.is_file() else None)
    except OSError as error:
        return [Deviation(MANIFEST, ALTERED, f"it cannot be read: {error}")], ""
    if said and said.get("run") not in (run, verified.run):
        problems.append(
            Deviation(MANIFEST, ALTERED, f"it is of the run {said.get('run')}, and the archive holds {run}")
        )
    return problems, hashlib.sha256(data).hexdigest()


def _problems_of_import(unpacked: Path, run: str) -> Iterator[str]:
    """Yield why an archive must not be imported. An incomplete run is imported; one altered since its export is not."""
    verified = verify_run(unpacked / run, judging=False)
    if verified.run != run and verified.events:
        why = f"the run in it is called {safe_name(run)}, and its history is of {safe_name(verified.run)}"
        yield problem("archive-run-differs", why)
    if (unpacked / MANIFEST).is_file():
        found, _ = _of_manifest(unpacked, run, verified)
        for one in found:
            yield problem("archive-altered", f"it was altered since it was exported: {one.in_words()}")


def _known_already(new: Path, kept: Path) -> str:
    """Return the problem with a run in the store already; tags and report do not count."""
    differ = sorted({name for name, _ in _files(new).items() ^ _files(kept).items()})
    if not differ:
        return problem(
            "run-in-store", f"the run {kept.name} is in the store already, identical to the one in the archive"
        )
    names = ", ".join(map(safe_name, differ[:5]))
    why = f"the run {kept.name} is in the store already, with other content ({names}): move it away"
    return problem("run-in-store-differs", why)


def _files(directory: Path) -> dict[str, str]:
    found = as_recorded(run_files(directory))
    plain = {name: sha256_of(path) for name, path in found.plain.items() if name not in (TAGS, REPORT)}
    return plain | dict(found.odd)
