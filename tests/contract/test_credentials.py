"""Credentials from a profile, SSO or a role; those that end during a drill; what is told, hidden and recorded."""

import hashlib
import http.server
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import SSOProvider
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.tokens import SSOTokenProvider
from chaoslib.exceptions import ActivityFailed

from chaosdrill.aws import guard, sessions, system_of
from chaosdrill.aws.credential_errors import CredentialsUnusable
from chaosdrill.errors import DrillError
from chaosdrill.history import to_json_safe
from chaosdrill.packet_loss.host import host_of
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.accounts import profile
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill
from tests.contract.lab_aws import get
from tests.failing import fails_with

CONFIG = """\
[profile driller]
aws_access_key_id = {key}
aws_secret_access_key = {secret}
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = driller
[sso-session corp]
sso_region = ap-northeast-1
sso_start_url = https://chaosdrill.invalid/start
[profile nothing]
region = ap-northeast-1
"""
ROLE = {"aws_assume_role_arn": "arn:aws:iam::123456789012:role/drill"}


@pytest.fixture(autouse=True)
def _fresh(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sessions, "_clients", {})
    monkeypatch.setattr(sessions, "_sessions", {})
    monkeypatch.setattr(guard, "_first_key", {})
    rig.go_home()
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.fixture
def with_profile(rig: Rig, tmp_path: Path) -> Any:
    """A configuration that reaches the endpoint with a profile of a user's own config file."""

    def make(profile: str, **changes: Any) -> dict[str, Any]:
        write_keys(tmp_path, rig)
        aws = {"profile": profile, "config_file": str(tmp_path / "config"), "endpoint_url": rig.lab.url}
        return rig.other_topology(tmp_path / "topology.yaml", aws=aws, **changes)

    return make


def write_keys(directory: Path, rig: Rig) -> str:
    """:returns: the id of new keys that the profile "driller" has from now on."""
    iam, name = rig.lab.client("iam"), f"driller-{time.monotonic_ns()}"
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    (directory / "config").write_text(CONFIG.format(key=made["AccessKeyId"], secret=made["SecretAccessKey"]))
    return str(made["AccessKeyId"])


def session_of(rig: Rig, account: str) -> dict[str, str]:
    """:returns: keys of a role's session, as STS gives them."""
    role = f"arn:aws:iam::{account}:role/drill"
    found: dict[str, str] = rig.lab.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return found


def expire(rig: Rig, service: str = "dynamodb", calls: int | None = 1) -> None:
    assert get(f"{rig.lab.url}/chaosdrill/faults", {"service": service, "kind": "expired", "calls": calls}, "PUT")


def calls(rig: Rig, operation: str) -> list[dict[str, Any]]:
    seen = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    return [call for call in seen if call["operation"] == operation and call["by"] == "chaosdrill"]


def test_keys_that_were_renewed_in_the_file_are_taken_from_there(rig: Rig, with_profile: Any, tmp_path: Path) -> None:
    configuration = with_profile("driller")
    assert stop_flag("home", configuration=configuration) is False
    first = calls(rig, "GetItem")[-1]["key"]
    second = write_keys(tmp_path, rig)
    expire(rig)
    assert stop_flag("home", configuration=configuration) is False
    assert [call["key"] for call in calls(rig, "GetItem")][-3:] == [first, first, second]


def test_a_role_whose_session_was_ended_is_taken_on_again(rig: Rig) -> None:
    configuration = {**rig.configuration, **ROLE}
    before = len(calls(rig, "AssumeRole"))
    assert stop_flag("home", configuration=configuration) is False
    assert stop_flag("home", configuration=configuration) is False
    assert len(calls(rig, "AssumeRole")) == before + 1
    expire(rig)
    assert stop_flag("home", configuration=configuration) is False
    assert len(calls(rig, "AssumeRole")) == before + 2
    assert len({call["key"] for call in calls(rig, "GetItem")[-2:]}) == 2


def test_a_role_of_another_account_is_taken_on_in_a_region_that_outlives_home(rig: Rig) -> None:
    role = "arn:aws:iam::210987654321:role/drill"
    configuration = {**rig.configuration, "aws_assume_role_arn": role}
    assert stop_flag("home", configuration=configuration) is False
    asked = calls(rig, "AssumeRole")[-1]
    assert (asked["resource"], asked["region"]) == (role, OSAKA)


OTHER = "210987654321"


class TwoAccounts(http.server.BaseHTTPRequestHandler):
    """STS for a role of another account: its keys are that account's, all others ours."""

    session: dict[str, str]
    role = """<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{AccessKeyId}</AccessKeyId>
        <SecretAccessKey>{SecretAccessKey}</SecretAccessKey><SessionToken>{SessionToken}</SessionToken>
        <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""

    def do_POST(self) -> None:
        given = self.rfile.read(int(self.headers["Content-Length"])).decode()
        account = OTHER if self.session["AccessKeyId"] in self.headers["Authorization"] else "123456789012"
        who = f"<GetCallerIdentityResult><Account>{account}</Account></GetCallerIdentityResult>"
        identity = f"<GetCallerIdentityResponse>{who}</GetCallerIdentityResponse>"
        body = (self.role.format(**self.session) if "Action=AssumeRole&" in given else identity).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """:returns: the URL of a server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_change_goes_through_the_other_account_s_role_and_its_guard(rig: Rig, tmp_path: Path) -> None:
    """The allow-list must name the role's account, not that of whoever takes it on."""
    role = {"aws_assume_role_arn": f"arn:aws:iam::{OTHER}:role/drill"}
    TwoAccounts.session = session_of(rig, OTHER)
    with serving(TwoAccounts) as sts:
        aws = {
            "profile": profile(tmp_path / "config", rig.lab.url, {"sts": sts}),
            "config_file": str(tmp_path / "config"),
        }
        ours = rig.other_topology(tmp_path / "ours.yaml", aws=aws)
        theirs = rig.other_topology(tmp_path / "theirs.yaml", aws=aws, accounts=[OTHER])
        with fails_with("account-not-allowed"):
            set_stop_flag("standby", False, configuration={**ours, **role})
        with fails_with("account-not-allowed"):
            set_stop_flag("standby", False, configuration=theirs)
        assert stop_flag("standby", configuration=ours) is True
        assert set_stop_flag("standby", False, configuration={**theirs, **role})["done"] is True
    assert stop_flag("standby", configuration=rig.configuration) is False
    assert calls(rig, "UpdateItem")[-1]["key"] == TwoAccounts.session["AccessKeyId"]


SSO_CONFIG = """\
[profile signed-in]
region = ap-northeast-1
sso_session = corp
sso_account_id = 123456789012
sso_role_name = driller
services = here
endpoint_url = {lab}
[sso-session corp]
sso_region = ap-northeast-1
sso_start_url = https://chaosdrill.invalid/start
[services here]
sso =
  endpoint_url = {portal}
sso_oidc =
  endpoint_url = {portal}
"""


class Portal(http.server.BaseHTTPRequestHandler):
    """IAM Identity Center: gives a role's keys for a token that it knows, and a new token for a refresh token."""

    role: dict[str, str]

    def do_GET(self) -> None:
        known = self.headers.get("x-amz-sso_bearer_token") in ("planted-token", "planted-new-token")
        until_ms = int((time.time() + 3600) * 1000)
        asked = self.path == "/federation/credentials?role_name=driller&account_id=123456789012"
        self._answer(200 if known and asked else 401, {"roleCredentials": {**self.role, "expiration": until_ms}})

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = (self.path, given["grantType"], given["refreshToken"]) == ("/token", "refresh_token", "planted-refresh")
        self._answer(200 if right else 400, {"accessToken": "planted-new-token", "expiresIn": 3600})

    def _answer(self, status: int, what: Any) -> None:
        body = json.dumps(what if status == 200 else {}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("minutes_left", [60, -1])
@pytest.mark.usefixtures("no_proxy_of_the_user")
def test_sso_gives_the_keys_of_its_role_and_an_ended_token_is_renewed(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes_left: int
) -> None:
    for provider in (SSOTokenProvider, SSOProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path))
    left = timedelta(minutes=minutes_left)
    token = {
        "startUrl": "https://chaosdrill.invalid/start",
        "region": TOKYO,
        "accessToken": "planted-token",
        "expiresAt": f"{datetime.now(UTC) + left:%Y-%m-%dT%H:%M:%SZ}",
        "refreshToken": "planted-refresh",
        "clientId": "id",
        "clientSecret": "secret",
        "registrationExpiresAt": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    }
    (tmp_path / f"{hashlib.sha1(b'corp').hexdigest()}.json").write_text(json.dumps(token))
    session = session_of(rig, "123456789012")
    names = {"accessKeyId": "AccessKeyId", "secretAccessKey": "SecretAccessKey", "sessionToken": "SessionToken"}
    Portal.role = {name: session[other] for name, other in names.items()}
    with serving(Portal) as portal:
        (tmp_path / "config").write_text(SSO_CONFIG.format(lab=rig.lab.url, portal=portal))
        monkeypatch.setenv("AWS_PROFILE", "signed-in")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        aws = {"config_file": str(tmp_path / "config")}
        given = rig.other_topology(tmp_path / "topology.yaml", aws=aws, target="aws", time_scale=1)
        assert set_stop_flag("standby", False, standalone=True, configuration=given)["done"] is True
    assert calls(rig, "UpdateItem")[-1]["key"] == session["AccessKeyId"]
    assert to_json_safe([session["SecretAccessKey"], Portal.role["sessionToken"]]) == ["***", "***"]


def test_credentials_that_stay_expired_are_told_with_the_command_that_renews_them(
    rig: Rig, with_profile: Any, tmp_path: Path
) -> None:
    configuration = with_profile("driller")
    expire(rig, calls=None)
    with pytest.raises(ActivityFailed) as told:
        stop_flag("home", configuration=configuration)
    assert isinstance(told.value.__cause__, CredentialsUnusable)
    for part in ("ExpiredTokenException", "`aws sso login --profile driller`"):
        assert part in str(told.value)


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        ("sso", "`aws sso login --profile sso`"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_missing_is_told(
    with_profile: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str, named: str
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    configuration = with_profile(profile, target="aws", time_scale=1)
    with pytest.raises(ActivityFailed) as told:
        stop_flag("home", configuration=configuration)
    assert isinstance(told.value.__cause__, CredentialsUnusable)
    assert named in str(told.value)
    with pytest.raises(ActivityFailed) as told:
        stop_flag("home", configuration={**configuration, **ROLE})
    code = "credentials-unusable" if profile == "sso" else "credentials-missing"
    assert isinstance(told.value.__cause__, DrillError)
    assert told.value.__cause__.codes == (code,)


def test_the_keys_of_a_profile_and_of_a_role_are_written_nowhere(rig: Rig, with_profile: Any, tmp_path: Path) -> None:
    stop_flag("home", configuration=with_profile("driller"))
    secret = re.findall("aws_secret_access_key = (.+)", (tmp_path / "config").read_text())[0]
    assert to_json_safe({"said": f"<{secret}>"}) == {"said": "<***>"}
    system = system_of({**rig.configuration, **ROLE})
    sts = system.client("sts", TOKYO)
    sts.get_caller_identity()
    keys = sts._request_signer._credentials.get_frozen_credentials()
    assert to_json_safe([keys.secret_key, keys.token]) == ["***", "***"]


def test_every_change_is_recorded_with_awss_request_id(rig: Rig, tmp_path: Path) -> None:
    with drill(tmp_path) as one:
        set_stop_flag("standby", False, configuration=rig.configuration)
        set_stop_flag("standby", True, configuration=rig.configuration)
        rows = one.history.events("aws-call")
    assert [(row["service"], row["operation"], row["region"]) for row in rows] == [
        ("dynamodb", "UpdateItem", "ap-northeast-3")
    ] * 2, "changes only"
    ids = {row["request_id"] for row in rows}
    assert len(ids) == 2
    assert all(ids)
    assert {(row["http_status"], row["retries"]) for row in rows} == {(200, 0)}


def test_every_call_is_a_line_of_the_log_with_awss_request_id(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "chaostoolkit")
    stop_flag("standby", configuration={**rig.configuration, **ROLE})
    lines = [line for line in caplog.messages if line.startswith("AWS: ")]
    succeeded = re.compile(r"AWS: (\S+) (\S+) (\S+): HTTP (\d+), request id [0-9A-Za-z-]{16,}, (\d+) retries")
    assert [succeeded.findall(line) for line in lines] == [
        [("sts", "AssumeRole", OSAKA, "200", "0")],
        [("dynamodb", "GetItem", OSAKA, "200", "0")],
    ]
    with pytest.raises(ClientError):
        system_of(rig.configuration).client("fis", TOKYO).get_experiment(id="EXPnothing")
    failed = re.compile(r"AWS: (\S+) (\S+) (\S+): .*?\b(\w+(?:Exception|Error))\b")
    assert failed.findall(caplog.messages[-1]) == [("fis", "GetExperiment", TOKYO, "ResourceNotFoundException")]
    silent = system_of(rig.configuration).client("route53-recovery-cluster", TOKYO, "http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        silent.list_routing_controls()
    assert failed.findall(caplog.messages[-1])[0] == (
        "route53-recovery-cluster",
        "ListRoutingControls",
        TOKYO,
        "EndpointConnectionError",
    )


class Proxy(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.usefixtures("no_proxy_of_the_user")
def test_real_accounts_are_reached_through_the_user_s_proxy(
    with_profile: Any, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
        write_keys(tmp_path, rig)
        aws = {"profile": "driller", "config_file": str(tmp_path / "config")}
        configuration = rig.other_topology(tmp_path / "topology.yaml", aws=aws, target="aws", time_scale=1)
        with fails_with("stop-flag-unreadable"):
            stop_flag("home", configuration=configuration)
        server.shutdown()
    assert set(Proxy.asked) == {"dynamodb.ap-northeast-1.amazonaws.com:443"}


def test_arns_that_are_built_are_of_the_topology_s_partition(rig: Rig, tmp_path: Path) -> None:
    routing = rig.lab.topology["routing"]
    controls = {region: arn.replace("arn:aws:", "arn:aws-cn:") for region, arn in routing["controls"].items()}
    configuration = rig.other_topology(tmp_path / "t.yaml", routing={**routing, "controls": controls})
    host = host_of(system_of(configuration), "Document")
    assert host.arn.startswith("arn:aws-cn:ec2:ap-northeast-1:123456789012:instance/")
    assert host.document_arn == "arn:aws-cn:ssm:ap-northeast-1::document/Document"


def test_no_partition_is_written_into_the_code() -> None:
    package = Path(sessions.__file__).parents[1]
    files = [path for path in package.rglob("*.py") if "lab" not in path.relative_to(package).parts]
    assert len(files) > 50
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if "arn:aws:" in line and not ("write " in line or ":param" in line)  # texts that tell what to write
    ]
    assert found == []
