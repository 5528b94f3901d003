"""The ``chaosdrill runs verify`` command: whether a run, or an archive of one, is unchanged since its drill."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.text import usage_error

if TYPE_CHECKING:
    from chaosdrill.runs.archive.archives import VerifiedArchive

PROTECTS = (
    "this finds accidental changes. A history that was sealed again is found only by the digest of an "
    "exported manifest, recorded elsewhere (--digest), or by its signature (--signer)"
)


@click.command()
@click.argument("run", metavar="RUN_OR_ARCHIVE", default="", shell_complete=complete_run)
@click.option("--digest", default="", metavar="HEX", help="The manifest's digest as it was written down at the export.")
@click.option(
    "--signer",
    "signers",
    type=click.Path(path_type=Path),
    metavar="ALLOWED_SIGNERS",
    help="OpenSSH's file of those who may have signed the manifest.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines: every problem, by file and line.")
def verify(run: str, digest: str, signers: Path | None, as_json: bool) -> None:
    """Find whatever was altered, is missing or was added in a run, or in an archive of `chaosdrill runs export`.

    \b
        chaosdrill runs verify                              the newest run
        chaosdrill runs verify 20260501T0930
        chaosdrill runs verify audit/q2.zip --digest 5f0c…  as it stands in the change ticket
        chaosdrill runs verify audit/q2.zip --signer allowed_signers

    Checked are the seal of every event in the history, and the SHA-256 of every file that the history tells of:
    records, evidence, experiment, topology, summary, journal. Of an archive also its manifest, with the chain of
    hashes. The drill is judged again: a verdict that differs from the stored one is a problem. Tags and report are no
    part of a run: they are not checked, except in an archive with a manifest.

    What it protects from are accidents and careless hands. Whoever wants to forge a run can seal it anew; that is found
    by comparing the digest of the manifest, which `chaosdrill runs export --evidence` printed, with --digest,
    or by its signature with --signer: the manifest must be signed by somebody whom that file allows.

    Exit code: 0 intact; 1 not, with the file or line; 2 when there is no such run or archive.
    """
    from chaosdrill.errors import BadInput

    try:
        checked = _checked(run, digest, signers)
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        click.echo(json.dumps(_as_json(checked), indent=1))
    else:
        _show(checked, digest)
    sys.exit(0 if checked.intact else 1)


def _checked(named: str, digest: str, signers: Path | None) -> "VerifiedArchive":
    from chaosdrill.errors import BadInput, problem
    from chaosdrill.runs import find_run
    from chaosdrill.runs.archive.archives import VerifiedArchive, unpacked_run, verify_archive, verify_unpacked
    from chaosdrill.runs.verifying import verify_run

    path = Path(named)
    if named and path.is_file():
        return verify_archive(path, digest, signers)
    if named and path.is_dir() and (run := unpacked_run(path)):
        return verify_unpacked(path, run, digest, signers)
    directory = find_run(named)
    if digest or signers is not None:
        why = "--digest and --signer need an archive's manifest: name the archive, or the directory it is unpacked in"
        raise BadInput([problem("options-invalid", why)])
    verified = verify_run(directory)
    return VerifiedArchive(verified, verified.problems, "")


def _as_json(checked: "VerifiedArchive") -> dict[str, Any]:
    verified = checked.verified
    return {
        "run": verified.run,
        "intact": checked.intact,
        "problems": [vars(one) for one in checked.problems],
        "notes": list(verified.notes),
        "events": verified.events,
        "last_seal": verified.last_seal,
        "files": verified.files,
        "verdict": verified.stored or None,
        "judged_again": verified.judged or None,
        "digest": checked.digest or None,
        "signed": checked.signed,
        "signer": checked.signer or None,
        "protects": PROTECTS,
    }


def _show(checked: "VerifiedArchive", digest: str) -> None:
    from chaosdrill.cli.text import one_line

    verified = checked.verified
    word = "intact" if checked.intact else "NOT INTACT"
    seen = (
        f"{verified.events} events, {verified.files} files as recorded in the history, verdict "
        f"{verified.stored or 'none'}"
    )
    click.echo(one_line(f"{verified.run or 'no run'}: {word} ({seen})"))
    for problem in checked.problems:
        click.echo(one_line(f"  {problem.in_words()}"))
    for note in verified.notes:
        click.echo(one_line(f"  note: {note}"))
    if checked.digest:
        known = "as it was written down" if digest else "compare it with the one that was written down: --digest"
        click.echo(f"  manifest's digest: {checked.digest} ({known})")
    if checked.signed:
        known = f"by {checked.signer}" if checked.signer else "not checked: --signer ALLOWED_SIGNERS"
        click.echo(one_line(f"  signed: {known}"))
    click.echo(f"  {PROTECTS}")
