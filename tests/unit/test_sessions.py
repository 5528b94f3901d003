"""What a client is made of, without a call: the topology's word against the user's environment."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from chaosdrill.aws import deadlines, sessions, system_of
from chaosdrill.aws.access import reach_of
from chaosdrill.aws.deadlines import LEAST_S
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.retries import LONGEST_PAUSE_S, TRIES
from chaosdrill.topology import load_topology
from tests.failing import fails_with
from tests.unit.test_topology import RIGHT, written

DRILL_GUIDE = Path(__file__).parents[2] / "docs" / "drill.md"
LAB_URL = "http://127.0.0.1:5999"
PROFILES = f"""\
[default]
region = us-east-1
[profile lab]
region = ap-northeast-1
endpoint_url = {LAB_URL}
services = lab-services
aws_access_key_id = lab-key
aws_secret_access_key = lab-secret
[profile plain]
aws_access_key_id = plain-key
aws_secret_access_key = plain-secret
[services lab-services]
dynamodb =
  endpoint_url = http://127.0.0.1:6000
route53_recovery_cluster =
  endpoint_url = http://127.0.0.1:6001
"""
HOSTILE = {
    "AWS_ACCESS_KEY_ID": "prod-key",
    "AWS_SECRET_ACCESS_KEY": "prod-secret",
    "AWS_SESSION_TOKEN": "prod-token",
    "AWS_ENDPOINT_URL": "https://prod.example.com",
    "AWS_ENDPOINT_URL_RDS": "https://rds.prod.example.com",
    "AWS_ENDPOINT_URL_STS": "https://sts.prod.example.com",
    "AWS_PROFILE": "prod",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required",
    "AWS_MAX_ATTEMPTS": "1",
    "HTTP_PROXY": "http://proxy.example.com:3128",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with AWS files, and an environment that points at production."""
    (tmp_path / "config").write_text(PROFILES)
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = user-key\naws_secret_access_key = user-secret\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def configuration(home: Path, target: str, aws: str) -> dict[str, str]:
    return {"topology": str(written(home, RIGHT.replace("target: aws", f"target: {target}") + f"aws: {aws}\n"))}


def client(service: str, region: str, configuration: dict[str, str], endpoint_url: str | None = None) -> Any:
    return system_of(configuration).client(service, region, endpoint_url)


def key_of(made: object) -> str:
    return str(made._request_signer._credentials.access_key)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("stepfunctions", LAB_URL),
        ("rds", LAB_URL),
        ("sts", LAB_URL),
        ("dynamodb", "http://127.0.0.1:6000"),
        ("route53-recovery-cluster", "http://127.0.0.1:6001"),
    ],
)
def test_a_lab_profile_beats_the_whole_environment(home: Path, service: str, url: str) -> None:
    made = client(service, "ap-northeast-3", configuration(home, "lab", "{profile: lab, config_file: config}"))
    assert made.meta.endpoint_url == url
    assert made.meta.region_name == "ap-northeast-3"
    assert key_of(made) == "lab-key", "neither the variables' nor the user's own credentials file"
    assert made.meta.config.proxies == {}


def test_an_endpoint_of_the_topology_beats_that_of_the_profile(home: Path) -> None:
    aws = "{profile: lab, config_file: config, endpoint_url: 'http://127.0.0.1:5998'}"
    made = client("dynamodb", "ap-northeast-1", configuration(home, "lab", aws))
    assert made.meta.endpoint_url == "http://127.0.0.1:5998"


def test_an_endpoint_given_per_call_wins(home: Path) -> None:
    one = configuration(home, "lab", "{profile: lab, config_file: config}")
    made = client("route53-recovery-cluster", "us-west-2", one, endpoint_url="http://127.0.0.1:6002")
    assert made.meta.endpoint_url == "http://127.0.0.1:6002"
    assert made.meta.config.retries["total_max_attempts"] == 1, "the next endpoint is the retry"


def test_a_renewal_is_given_up_within_seconds(home: Path) -> None:
    system = system_of(configuration(home, "lab", "{profile: lab, config_file: config}"))
    made = system.coordination_client("us-west-2")
    config = made.meta.config
    assert (made.meta.region_name, made.meta.endpoint_url) == ("us-west-2", "http://127.0.0.1:6000")
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (2, 3, 2)
    assert config.proxies == {}
    assert system.coordination_client("us-west-2") is made
    assert system.client("dynamodb", "us-west-2") is not made


def test_a_lab_profile_without_endpoint_is_refused(home: Path) -> None:
    with fails_with("lab-endpoint-missing"):
        client("dynamodb", "ap-northeast-1", configuration(home, "lab", "{profile: plain, config_file: config}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.5:4566",
        "https://sts.example.com",
        "http://127.0.0.1.example.com:1",
        "http://example.com\\@127.0.0.1:1",  # to urllib3 the host ends at the backslash
        "http://example.com\\.localhost:1",
        "http://127.0.0.1@example.com",
    ],
)
def test_a_lab_that_answers_on_another_machine_is_refused(home: Path, url: str) -> None:
    """Whether the profile says so, or an ARC cluster."""
    keys = "aws_access_key_id = a\naws_secret_access_key = b"
    (home / "elsewhere").write_text(f"[profile lab]\n{keys}\nendpoint_url = {url}\n")
    with fails_with("lab-endpoint-elsewhere"):
        client("dynamodb", "ap-northeast-1", configuration(home, "lab", "{profile: lab, config_file: elsewhere}"))
    one = configuration(home, "lab", "{profile: lab, config_file: config}")
    with fails_with("lab-endpoint-elsewhere"):
        client("route53-recovery-cluster", "us-west-2", one, endpoint_url=url)


def test_a_real_profile_is_not_diverted_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_USE_FIPS_ENDPOINT")
    monkeypatch.delenv("AWS_USE_DUALSTACK_ENDPOINT")
    made = client("rds", "ap-northeast-1", configuration(home, "aws", "{profile: plain, config_file: config}"))
    assert made.meta.endpoint_url == "https://rds.ap-northeast-1.amazonaws.com"
    assert key_of(made) == "plain-key"
    assert made.meta.config.proxies is None, "a real account may be reached through the user's proxy"


def test_without_profile_the_environment_speaks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE")
    made = client("rds", "ap-northeast-1", configuration(home, "aws", "{config_file: config}"))
    assert made.meta.endpoint_url == "https://rds.prod.example.com"
    assert key_of(made) == "prod-key"


@pytest.mark.parametrize(
    ("service", "connect_s", "read_s", "tries"),
    [
        ("rds", 3, 10, 6),
        ("fis", 3, 10, 6),
        ("route53-recovery-cluster", 2, 5, 1),  # the next endpoint is the retry
        ("route53-recovery-control-config", 2, 5, 2),
    ],
)
def test_whoever_does_not_answer_is_given_up_soon(
    home: Path, service: str, connect_s: float, read_s: float, tries: int
) -> None:
    config = client(
        service, "us-west-2", configuration(home, "aws", "{profile: plain, config_file: config}")
    ).meta.config
    assert (config.connect_timeout, config.read_timeout) == (connect_s, read_s)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", tries)


def test_an_unknown_profile_is_told(home: Path) -> None:
    with fails_with("profile-missing"):
        client("rds", "ap-northeast-1", configuration(home, "lab", "{profile: lob, config_file: config}"))


def test_clients_are_shared(home: Path) -> None:
    one = configuration(home, "lab", "{profile: lab, config_file: config}")
    assert client("rds", "ap-northeast-1", one) is client("rds", "ap-northeast-1", dict(one))
    assert client("rds", "ap-northeast-1", one) is not client("rds", "ap-northeast-3", one)


def test_chaostoolkit_aws_keys_are_honoured_where_the_topology_is_silent(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, RIGHT))
    settings = {"aws_profile_name": "p", "aws_assume_role_arn": "arn:aws:iam::123456789012:role/r"}
    secrets = {"aws_access_key_id": "k3y", "aws_secret_access_key": "s3cr3t", "aws_session_token": "t0k3n"}
    reach = reach_of(topology, settings, secrets)
    assert (reach.profile, reach.role_arn, reach.keys) == (
        "p",
        settings["aws_assume_role_arn"],
        ("k3y", "s3cr3t", "t0k3n"),
    )
    assert "s3cr3t" not in f"{reach} {reach!r}", "no secret in what is shown"


def test_a_profile_of_the_topology_beats_configuration_and_secrets(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, RIGHT + "aws: {profile: lab}\n"))
    reach = reach_of(topology, {"aws_profile_name": "p"}, {"aws_access_key_id": "a", "aws_secret_access_key": "s"})
    assert (reach.profile, reach.keys) == ("lab", None)


@pytest.mark.parametrize(
    "read",
    ["GetItem", "ListExecutions", "DescribeGlobalClusters", "BatchGetItem", "Query", "SimulatePrincipalPolicy"],
)
def test_reads_need_no_account_check(read: str) -> None:
    assert not changes_something(read)


@pytest.mark.parametrize("write", ["UpdateItem", "StartExecution", "SendCommand", "UpdateRoutingControlStates"])
def test_everything_else_does(write: str) -> None:
    assert changes_something(write)


@pytest.mark.parametrize("settings", [{}, sessions._ON_THIS_MACHINE])
def test_the_guide_says_how_long_the_tries_of_a_call_take_that_nobody_answers(settings: dict[str, Any]) -> None:
    read_timeout_s = {**sessions._USUAL, **settings}["read_timeout"]
    first_s = ExponentialBackoff._DEFAULT_BACKOFF_CONFIG["non_throttling_base_scale"]
    pauses_s = sum(min(first_s * 2**attempt, LONGEST_PAUSE_S) for attempt in range(TRIES - 1))
    whole_s = math.ceil(TRIES * read_timeout_s + pauses_s)
    guide = " ".join(DRILL_GUIDE.read_text().split())
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", DRILL_GUIDE.read_text(), re.MULTILINE))
    assert f"{whole_s} s" in rows["a step of load or heartbeat, when nothing responds"]
    whole_s = deadlines.CONNECT_S + deadlines.READ_S
    assert rows["one attempt of a request"].startswith(f"{whole_s:g} s")
    assert rows["a probe"].startswith(f"{whole_s:g} s longer")
    assert (sessions._USUAL["connect_timeout"], sessions._USUAL["read_timeout"]) == (3.0, 10.0)
    assert f"With `within_s: 4` it ends after {4 + whole_s:g} s" in rows["a probe"]
    assert f"to find out what was applied, has {LEAST_S:g} s more." in guide
    assert f"a step with `timeout_s: 5` that gets no response ends after {5 + LEAST_S:g} s" in guide
