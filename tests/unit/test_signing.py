"""Signed archives: who signed is checked, with and without chaosdrill, and a forged one is refused."""

import json
import shlex
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.runs.archive.archives import VerifiedArchive, import_archive, verify_archive
from chaosdrill.runs.archive.exporting import export
from chaosdrill.runs.archive.signing import NAMESPACE
from tests.failing import fails_with
from tests.synthetic_run import RUN_ID
from tests.whole_run import make_whole_run

SIGNER = "suzuki@example.com"
SIGNATURE = "manifest.json.sig"


def made_key(path: Path) -> Path:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_key(tmp_path_factory.mktemp("key") / "id")


@pytest.fixture(scope="module")
def allowed(key: Path) -> Path:
    path = key.with_name("allowed_signers")
    path.write_text(f"{SIGNER} {key.with_suffix('.pub').read_text()}")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whole_run(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def signed(run: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, tmp_path_factory.mktemp("out") / "e.zip", evidence=True, key=key).archive


def files_of(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def kinds(checked: VerifiedArchive) -> set[tuple[str, str]]:
    return {(one.where, one.what) for one in checked.problems}


def test_a_signed_archive_is_intact_and_its_signer_is_named(signed, allowed):
    checked = verify_archive(signed, signers=allowed)
    assert (checked.problems, checked.signed, checked.signer) == ((), True, SIGNER)
    unchecked = verify_archive(signed)
    assert (unchecked.problems, unchecked.signed, unchecked.signer) == ((), True, "")


def test_stock_tools_check_it_offline_as_its_readme_says(signed, allowed, tmp_path):
    with zipfile.ZipFile(signed) as archive:
        archive.extractall(tmp_path)
    readme = (tmp_path / "README.txt").read_text()
    (command,) = [line.strip() for line in readme.splitlines() if "ssh-keygen" in line]
    command = command.replace("ALLOWED_SIGNERS", shlex.quote(str(allowed))).replace("NAME", SIGNER)
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, SIGNER in done.stdout) == (0, True), done.stderr
    (tmp_path / "manifest.json").write_text((tmp_path / "manifest.json").read_text() + " ")
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_forger_who_makes_everything_anew_cannot_sign_it(run, signed, allowed, tmp_path):
    """Attacks: no signature, the signature of the true archive, a key of the forger's own."""
    forged = export(make_whole_run(tmp_path, approver="nobody"), tmp_path / "forged.zip", evidence=True).archive
    assert verify_archive(forged).intact, "all of it fits together"
    assert kinds(verify_archive(forged, signers=allowed)) == {(SIGNATURE, "missing")}

    borrowed = packed(tmp_path / "borrowed.zip", {**files_of(forged), SIGNATURE: files_of(signed)[SIGNATURE]})
    assert kinds(verify_archive(borrowed, signers=allowed)) == {(SIGNATURE, "altered")}

    own = export(run, tmp_path / "own.zip", evidence=True, key=made_key(tmp_path / "own")).archive
    checked = verify_archive(own, signers=allowed)
    assert (kinds(checked), checked.signer) == ({(SIGNATURE, "differs")}, "")


def test_a_signature_that_was_made_for_something_else_is_refused(signed, key, allowed, tmp_path):
    """Attack: the signer's key has signed the same bytes for another purpose, such as a file that was mailed."""
    files = files_of(signed)
    (tmp_path / "manifest.json").write_bytes(files["manifest.json"])
    words = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", "file", str(tmp_path / "manifest.json")]
    subprocess.run(words, check=True, capture_output=True)
    other = {**files, SIGNATURE: (tmp_path / SIGNATURE).read_bytes()}
    assert NAMESPACE != "file"
    assert not verify_archive(packed(tmp_path / "e.zip", other), signers=allowed).intact


@pytest.mark.parametrize("signature", [b"", b"\x00" * 100, b"-----BEGIN SSH SIGNATURE-----\nAAAA\n"])
def test_what_is_no_signature_is_told(signed, allowed, tmp_path, signature):
    found = verify_archive(packed(tmp_path / "e.zip", {**files_of(signed), SIGNATURE: signature}), signers=allowed)
    assert kinds(found) == {(SIGNATURE, "differs")}


def test_an_archive_without_a_manifest_is_not_signed(run, allowed, tmp_path):
    plain = export(run, tmp_path / "e.zip", evidence=False).archive
    assert kinds(verify_archive(plain, signers=allowed)) == {("manifest.json", "missing")}


def test_a_signed_archive_is_imported(signed, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAOSDRILL_RUNS", str(tmp_path / "store"))
    assert import_archive(signed).name == RUN_ID


@pytest.mark.parametrize(("content", "code"), [(None, "file-missing"), ("no key", "signing-failed")])
def test_a_key_that_cannot_sign_is_refused_and_nothing_is_left(run, tmp_path, content, code):
    wrong = tmp_path / "wrong"
    if content is not None:
        wrong.write_text(content)
        wrong.chmod(0o600)
    with fails_with(code):
        export(run, tmp_path / "e.zip", evidence=True, key=wrong)
    assert {path.name for path in tmp_path.iterdir()} <= {"wrong"}


def test_without_openssh_it_is_said_what_is_missing(run, key, signed, allowed, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with fails_with("signing-tool-missing"):
        export(run, tmp_path / "e.zip", evidence=True, key=key)
    with fails_with("signing-tool-missing"):
        verify_archive(signed, signers=allowed)


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli, ["runs", *words])


def test_it_is_signed_and_checked_on_the_command_line(run, key, allowed, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAOSDRILL_RUNS", str(run.parent))
    archive = str(tmp_path / "e.zip")
    made = typed("export", RUN_ID, "--evidence", "--sign", str(key), "--output", archive)
    assert made.exit_code == 0, made.output
    good = typed("verify", archive, "--signer", str(allowed), "--json")
    assert (good.exit_code, json.loads(good.output)["signer"]) == (0, SIGNER)
    nobody = tmp_path / "nobody"
    nobody.write_text("")
    assert typed("verify", archive, "--signer", str(nobody)).exit_code == 1
    assert typed("verify", archive, "--signer", str(tmp_path / "none")).exit_code == 2
    assert typed("verify", RUN_ID, "--signer", str(allowed)).exit_code == 2
    assert typed("export", RUN_ID, "--sign", str(key)).exit_code == 2
