"""Signatures of manifests with SSH keys, made and verified by OpenSSH's own tool, so that chaosdrill is not needed.

:source: https://man.openbsd.org/ssh-keygen.1 (-Y sign, find-principals, verify, check-novalidate; ALLOWED SIGNERS)
"""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosdrill.errors import BadInput, problem
from chaosdrill.runs.archive.manifest import MANIFEST, SIGNATURE
from chaosdrill.runs.verifying import ALTERED, DIFFERS, MISSING, Deviation

NAMESPACE = "chaosdrill-evidence"  # a signature made for another purpose, such as a git commit, is refused
TOOL = "ssh-keygen"
WITHIN_S = 300.0  # a person may have to type a passphrase, or to touch a security key


@dataclass(frozen=True)
class SignatureResult:
    """The result of verifying the signature of a manifest.

    :param signer: their name in the file of allowed signers; empty when there is a problem.
    """

    signer: str = ""
    problem: Deviation | None = None


def require_key(key: Path) -> None:
    """Check that the key file exists, before anything is written.

    :raises BadInput: when it does not.
    """
    if not key.is_file():
        why = f"--sign {key}: there is no such file: name an SSH private key, or the public key of one in ssh-agent"
        raise BadInput([problem("file-missing", why)])


def sign(manifest: bytes, key: Path, namespace: str = NAMESPACE) -> bytes:
    """Sign a manifest, or another document.

    :param key: an SSH private key, or a public key whose private key is in ssh-agent.
    :param namespace: the purpose of the signature.
    :returns: the signature in the format of ``ssh-keygen -Y sign``.
    :raises BadInput: when the key cannot sign, or OpenSSH's tool is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="chaosdrill-") as directory:
        path = Path(directory, MANIFEST)
        path.write_bytes(manifest)
        done = _run(["-Y", "sign", "-f", str(key.absolute()), "-n", namespace, str(path)])
        if done.returncode:
            raise BadInput([problem("signing-failed", f"--sign {key}: {TOOL} did not sign: {_said(done)}")])
        return path.with_name(SIGNATURE).read_bytes()


def check_signature(manifest: bytes, signature: bytes | None, allowed: Path) -> SignatureResult:
    """Verify the signature of a manifest.

    :param signature: the signature to verify; None: the manifest has none.
    :param allowed: OpenSSH's file of allowed signers: names and their public keys.
    :raises BadInput: when there is no such file, or OpenSSH's tool is not installed.
    """
    if not allowed.is_file():
        raise BadInput([problem("file-missing", f"--signer {allowed}: there is no such file of allowed signers")])
    if signature is None:
        return SignatureResult(
            problem=Deviation(SIGNATURE, MISSING, "the manifest is not signed, and --signer requires that")
        )
    with tempfile.TemporaryDirectory(prefix="chaosdrill-") as directory:
        path = Path(directory, SIGNATURE)
        path.write_bytes(signature)
        common = ["-f", str(allowed.absolute()), "-s", str(path)]
        found = _run(["-Y", "find-principals", *common])
        if found.returncode:
            why = f"the signature is of no signer in {allowed} whose key is valid now: {_said(found)}"
            return SignatureResult(problem=Deviation(SIGNATURE, DIFFERS, why))
        names = found.stdout.decode(errors="replace").split()
        tries = [(name, _run(["-Y", "verify", *common, "-I", name, "-n", NAMESPACE], manifest)) for name in names[:20]]
    for name, done in tries:
        if not done.returncode:
            return SignatureResult(name)
    why = f"it does not sign this manifest: {_said(tries[-1][1]) if tries else 'no signer has a name'}"
    return SignatureResult(problem=Deviation(SIGNATURE, ALTERED, why))


def signing_key(document: bytes, signature: bytes, namespace: str) -> str:
    """Return the fingerprint of the key that signed a document, such as ``SHA256:…``; empty when none did.

    :raises BadInput: when OpenSSH's tool is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="chaosdrill-") as directory:
        path = Path(directory, SIGNATURE)
        path.write_bytes(signature)
        done = _run(["-Y", "check-novalidate", "-n", namespace, "-s", str(path)], document)
    found = re.search(r"with \S+ key (SHA256:\S+)", done.stdout.decode(errors="replace"))
    return found[1] if found and not done.returncode else ""


def _run(words: Sequence[str], given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run OpenSSH's tool. It reads a passphrase from the terminal itself, not from these pipes."""
    try:
        return subprocess.run([TOOL, *words], input=given, capture_output=True, timeout=WITHIN_S, check=False)
    except FileNotFoundError as error:
        text = f"{TOOL} is not installed here: install OpenSSH's client (8.1 or newer)"
        raise BadInput([problem("signing-tool-missing", text)]) from error
    except subprocess.TimeoutExpired as error:
        raise BadInput([problem("signing-failed", f"{TOOL} was not done within {WITHIN_S:g} s")]) from error


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = [line for text in (done.stderr, done.stdout) for line in text.decode(errors="replace").splitlines()]
    return "; ".join(line.strip() for line in lines if line.strip())[:300] or f"exit code {done.returncode}"
