"""No credential reaches anything that a drill leaves behind, however careless its activities are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import small_drills
from tests.running_lab import RunningLab
from tests.small_drills import do, experiment, step

PLANTED = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-key-of-the-environment-40",
    "AWS_SESSION_TOKEN": "planted-session-token-of-the-environment",
    "CHAOSDRILL_LOCUST_PASSWORD": "planted-locust-password",
    "BANK_PIN": "planted-pin-4711",
    "HTTPS_PROXY": "http://driller:planted-proxy-password@proxy.example.com:3128",
}
IN_URL = "planted-pw-in-url"
URL = f"http://driller:{IN_URL}@127.0.0.1:8089"
INLINE = "planted-inline-password"
ROLE = "arn:aws:iam::123456789012:role/drill"


def files_below(*directories: Path) -> Iterator[Path]:
    for directory in directories:
        yield from (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize("how", ["return", pytest.param("raise", marks=pytest.mark.long)])
def test_no_secret_is_left_in_run_journal_log_screen_or_the_labs_logs(
    lab: RunningLab, tmp_path: Path, how: str
) -> None:
    """Keys of the environment and of a role taken on, Chaos Toolkit's secrets, a password in the experiment itself."""
    secrets = {
        "load": {"locust_user": "driller", "locust_password": INLINE},
        "bank": {"pin": {"type": "env", "key": "BANK_PIN"}},
    }
    configuration = {"target": "lab", "scale": 0.1, "aws_assume_role_arn": ROLE, "bank_url": URL}
    leak = {**step("action", "leak", "leak", how=how), "secrets": ["load", "bank"]}
    leak["provider"]["secrets"] = ["load", "bank"]
    what = experiment([leak], secrets=secrets, configuration=configuration)
    ran = small_drills.run(tmp_path, what, CHAOSDRILL_HOME=str(lab.home), **PLANTED)
    told = json.loads(ran.steps[-1])
    planted = {PLANTED[name] for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "BANK_PIN")}
    assert {*planted, INLINE, PLANTED["CHAOSDRILL_LOCUST_PASSWORD"]} <= set(told)
    assert len(told[-1]) > 100, "the session token of the role"
    assert "careless" in ran.stderr + ran.stdout, "what it logged is there, without secrets"

    secret = {*told, "planted-proxy-password", IN_URL} - {"driller"}
    left = {path: path.read_bytes() for path in files_below(ran.run_directory, lab.home / "lab" / "logs")}
    for name in ("journal.json", "chaostoolkit.log"):
        left[tmp_path / name] = (tmp_path / name).read_bytes()
    assert b"AWS: sts GetCallerIdentity " in left[tmp_path / "chaostoolkit.log"], "each call with its request id"
    left |= {Path("stdout"): ran.stdout.encode(), Path("stderr"): ran.stderr.encode()}
    assert {path.name for path in left} >= {"experiment.yaml", "history.jsonl", "summary.json", "aws.log"}
    found = {(str(path), text) for path, content in left.items() for text in secret if text.encode() in content}
    assert found == set()


def test_a_drill_whose_load_generators_url_holds_a_password_is_refused_and_leaves_it_nowhere(tmp_path: Path) -> None:
    what = experiment([do("use", host=URL)], configuration={"target": "lab", "scale": 0.1, "load_generator_url": URL})
    ran = small_drills.run(tmp_path, what, CHAOSDRILL_HOME=str(tmp_path / "home"))
    assert ran.verdict == "refused"
    assert "load_generator_url holds a user or a password: write the address alone" in ran.stdout + ran.stderr
    own = tmp_path / "try-it.yaml"
    left = {path for path in files_below(tmp_path) if path != own and IN_URL.encode() in path.read_bytes()}
    assert (IN_URL in own.read_text(), left) == (True, set())
