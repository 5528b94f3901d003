"""A profile whose credentials cannot be had: one sentence with profile, cause and what to do about that cause."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from click.testing import CliRunner

from chaosdrill.aws import sessions, system_of
from chaosdrill.cli import cli
from chaosdrill.errors import BadInput, DrillError
from chaosdrill.preflight.show import check
from chaosdrill.stop_flag.probes import stop_flag
from tests.unit.test_topology import RIGHT

ROLE = "role_arn = arn:aws:iam::123456789012:role/x\n"
KEYS = "aws_access_key_id = A\naws_secret_access_key = B\n"
PRINTED = '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"B","SessionToken":"C","Expiration":"%s"}'
SSO = "sso_account_id = 123456789012\nsso_role_name = driller\n"
UNUSABLE, FILE = "credentials-unusable", "correct the profile in "
BY_HAND, LOGIN = "run it by hand: ", "run `aws sso login --profile one`"
# the profile, and what the advice for its cause says
PROFILES = {
    "token-missing": (ROLE + "web_identity_token_file = /no/such/token\n", "/no/such/token cannot be read"),
    "process-without-json": ("credential_process = echo hello\n", BY_HAND),
    "process-with-nothing": ("credential_process = true\n", BY_HAND),
    "process-with-a-list": ("credential_process = echo '[1]'\n", BY_HAND),
    "process-with-no-keys": ("""credential_process = echo '{"Version": 1}'\n""", BY_HAND),
    "process-expired": (f"credential_process = echo '{PRINTED % '2020-01-01T00:00:00Z'}'\n", BY_HAND),
    "process-without-date": (f"credential_process = echo '{PRINTED % 'soon'}'\n", BY_HAND),
    "process-that-fails": ("credential_process = sh -c 'exit 3'\n", BY_HAND),
    "process-missing": ("credential_process = /no/such/program --key s3cret\n", "/no/such/program cannot be started"),
    "process-of-the-source": (ROLE + "source_profile = two\n[profile two]\ncredential_process = true\n", BY_HAND),
    "mfa": (ROLE + f"source_profile = two\nmfa_serial = arn:x\n[profile two]\n{KEYS}", "get temporary keys first"),
    "retry-mode": (ROLE + f"retry_mode = sometimes\nsource_profile = two\n[profile two]\n{KEYS}", FILE),
    "sso-cache": (SSO + "sso_start_url = https://x.invalid/start\nsso_region = ap-northeast-1\n", LOGIN),
    "sso-session-cache": (
        f"{SSO}sso_session = corp\n[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://x.invalid/\n",
        LOGIN,
    ),
    "sso-session-missing": (f"{SSO}sso_session = nowhere\n", FILE),
    "half-of-the-keys": ("aws_access_key_id = A\n", FILE),
    "nothing": ("region = us-east-1\n", "add keys, a role or SSO to it in "),
    "source-missing": (ROLE + "source_profile = nobody\n", FILE),
    "source-circle": (ROLE + "source_profile = two\n[profile two]\n" + ROLE + "source_profile = one\n", FILE),
    "source-not-given": (ROLE, FILE),
    "source-unknown": (ROLE + "credential_source = Moon\n", FILE),
    "source-empty": (ROLE + "credential_source = Environment\n", "make them available there"),
}


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A topology that names the profile ``one`` of a config file of its own; no terminal, no other credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(sessions, "_clients", {})
    monkeypatch.setattr(sessions, "_sessions", {})

    def make(profile: str) -> dict[str, str]:
        (tmp_path / "config").write_text(profile)
        aws = "aws: {profile: one, config_file: config, endpoint_url: 'http://127.0.0.1:9'}\n"
        heartbeat = "heartbeat: {read: {method: GET, path: /health}}\n"
        (tmp_path / "topology.yaml").write_text(RIGHT + aws + heartbeat)
        return {"topology": str(tmp_path / "topology.yaml")}

    return make


@pytest.mark.filterwarnings("ignore::getpass.GetPassWarning")
@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_cannot_be_used_is_one_sentence(configured: Any, name: str) -> None:
    text, advice = PROFILES[name]
    configuration = configured(f"[profile one]\n{text}")
    with pytest.raises(ActivityFailed) as probed:
        stop_flag("home", configuration=configuration)
    with pytest.raises(DrillError) as read:
        system_of(configuration).account()
    for error in (probed.value.__cause__, read.value):
        assert isinstance(error, DrillError)
        assert error.code == UNUSABLE
        assert "(profile one)" in str(error)
        assert advice in str(error)
        assert "\n" not in str(error)
        assert "s3cret" not in str(error), "arguments of a program may be secrets"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[profile two]\n", "profile-missing"),
        ("[profile one\n", "aws-config-invalid"),
        (f"[profile one]\n{KEYS}defaults_mode = fancy\n", "aws-config-invalid"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_bad_input(configured: Any, text: str, code: str) -> None:
    configuration = configured(text)
    with pytest.raises(ActivityFailed) as probed:
        stop_flag("home", configuration=configuration)
    assert isinstance(probed.value.__cause__, BadInput)
    assert probed.value.__cause__.codes == (code,)


@pytest.mark.parametrize("name", ["token-missing", "process-without-json"])
def test_no_command_ends_in_a_traceback(configured: Any, name: str) -> None:
    topology = configured(f"[profile one]\n{PROFILES[name][0]}")["topology"]
    checked = CliRunner().invoke(cli, ["topology", "check", topology])
    assert isinstance(checked.exception, SystemExit)
    rehearsed = CliRunner().invoke(
        cli, ["rehearse", str(Path(__file__).parents[2] / "experiments" / "failover.yaml"), "--topology", topology]
    )
    assert isinstance(rehearsed.exception, DrillError)
    assert rehearsed.exception.code == UNUSABLE


def test_a_topology_whose_credentials_cannot_be_had_has_one_row(configured: Any) -> None:
    (seen,) = check(system_of(configured(f"[profile one]\n{PROFILES['process-without-json'][0]}")))
    assert "(profile one)" in seen.trouble
    assert seen.advice == ""


def test_keys_that_cannot_be_checked_are_no_traceback(configured: Any) -> None:
    configuration = configured(f"[profile one]\n{KEYS}")
    with pytest.raises(DrillError) as error:
        system_of(configuration).account()
    assert error.value.code == "account-unreadable"
