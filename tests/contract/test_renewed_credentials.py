"""Keys of another account that come in the middle of a drill sign nothing: between two requests, between a request and
its retry, and between the check and the signature.
"""

import http.server
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import sessions, system_of
from chaosdrill.aws.sessions import presigning_client
from chaosdrill.errors import AccountChanged, DrillError, Refused, family_of
from chaosdrill.history.owed_undos import owed_undos
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import TOKYO, Rig, drill
from tests.contract.lab_aws import get
from tests.contract.test_credentials import serving
from tests.failing import fails_with

pytestmark = pytest.mark.long

OURS, THEIRS = "ours", "theirs"  # users of the lab, to whom AccountOfKey gives accounts
CHANGES, READS = "UpdateItem", "GetItem"
USED = {":used": {"BOOL": True}}
CONFIG = """\
[profile {name}]
region = ap-northeast-1
endpoint_url = {lab}
services = here
{keys}
[services here]
sts =
  endpoint_url = {sts}
"""
PROCESS = """\
read -r pair others < "$1"
echo "$others $pair" > "$1"
key=${pair%%:*} secret=${pair#*:}
[ "$2" = lasting ] && until=2099-01-01T00:00:00Z || until=$(date -u -d '+5 minutes' +%Y-%m-%dT%H:%M:%SZ)
echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"$key\\", \\"SecretAccessKey\\": \\"$secret\\","
echo "\\"Expiration\\": \\"$until\\"}"
"""
KEYS: dict[str, tuple[str, str]] = {}  # by user: id and secret


@pytest.fixture(scope="module", autouse=True)
def users(rig: Rig) -> None:
    """Make both users with a pair of keys each: the endpoint takes no others."""
    iam = rig.lab.client("iam")
    for name in (OURS, THEIRS):
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        KEYS[name] = (made["AccessKeyId"], made["SecretAccessKey"])


class AccountOfKey(http.server.BaseHTTPRequestHandler):
    """STS: each key belongs to the account of its user."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        account = "210987654321" if KEYS[THEIRS][0] in self.headers["Authorization"] else "123456789012"
        who = f"<GetCallerIdentityResult><Account>{account}</Account></GetCallerIdentityResult>"
        body = f"<GetCallerIdentityResponse>{who}</GetCallerIdentityResponse>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Profile:
    """A profile of a user whose keys are replaced.

    :param kind: ``keys``: they are in the config file; ``process``: a program prints keys that end in five minutes, so
        that botocore runs it again for each request; ``lasting``: one prints keys that last.
    """

    directory: Path
    lab: str
    sts: str
    kind: str

    def use(self, *names: str) -> None:
        """Let the profile have these users' keys from now on; a program prints one after another, again and again."""
        (self.directory / "sequence").write_text(" ".join(":".join(KEYS[name]) for name in names) + "\n")
        program = self.directory / "process.sh"
        program.write_text(PROCESS)
        lines = f"credential_process = /bin/sh {program} {self.directory / 'sequence'} {self.kind}"
        if self.kind == "keys":
            lines = "aws_access_key_id = {}\naws_secret_access_key = {}".format(*KEYS[names[0]])
        config = CONFIG.format(name=self.name, lab=self.lab, sts=self.sts, keys=lines)
        (self.directory / "config").write_text(config)

    @property
    def name(self) -> str:
        """One that no other test has."""
        return f"{self.directory.name}-{self.kind}"


@pytest.fixture(autouse=True)
def _fresh(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sessions, "_clients", {})
    monkeypatch.setattr(sessions, "_sessions", {})
    rig.go_home()
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.fixture
def profile(rig: Rig, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Profile]:
    with serving(AccountOfKey) as sts:
        made = Profile(tmp_path, rig.lab.url, sts, getattr(request, "param", "keys"))
        made.use(OURS)
        yield made


@pytest.fixture
def configuration(rig: Rig, profile: Profile) -> dict[str, Any]:
    aws = {"profile": profile.name, "config_file": str(profile.directory / "config")}
    return rig.other_topology(profile.directory / "topology.yaml", aws=aws)


def arrived(rig: Rig, operation: str) -> list[str]:
    """:returns: the users whose keys signed the requests which the endpoint has received."""
    seen = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    names = {key: name for name, (key, _) in KEYS.items()}
    return [names.get(call["key"], call["by"]) for call in seen if call["operation"] == operation]


def expire(rig: Rig, **where: str) -> None:
    """Let the next call (``operation``: of that name) end with expired keys."""
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": "dynamodb", "kind": "expired", "calls": 1, **where}, "PUT")


def update_of_nobody(rig: Rig) -> dict[str, Any]:
    """:returns: the arguments of an UpdateItem that nothing else reads."""
    table, key = rig.lab.topology["stop_flag"]["tables"][TOKYO], {"PK": {"S": "of-nobody"}}
    return {"TableName": table, "Key": key, "UpdateExpression": "SET used = :used", "ExpressionAttributeValues": USED}


@pytest.mark.parametrize("profile", ["process"], indirect=True)
def test_keys_that_are_renewed_between_two_requests(rig: Rig, profile: Profile, configuration: dict[str, Any]) -> None:
    assert set_stop_flag("standby", False, configuration=configuration)["done"] is True
    profile.use(THEIRS)
    with fails_with("account-not-allowed"):
        set_stop_flag("standby", True, configuration=configuration)
    with fails_with("account-not-allowed"):
        stop_flag("standby", configuration=configuration)
    assert THEIRS not in arrived(rig, CHANGES) + arrived(rig, READS)
    profile.use(OURS)
    assert set_stop_flag("standby", True, configuration=configuration)["done"] is True, "a rollback has its way back"


@pytest.mark.parametrize("profile", ["keys", "lasting"], indirect=True)
def test_keys_that_are_renewed_between_a_request_and_its_retry(
    rig: Rig, profile: Profile, configuration: dict[str, Any]
) -> None:
    client, update = system_of(configuration).client("dynamodb", TOKYO), update_of_nobody(rig)
    stop_flag("standby", configuration=configuration)
    profile.use(THEIRS)
    before = arrived(rig, CHANGES)
    expire(rig)
    with pytest.raises(AccountChanged) as changed:
        client.update_item(**update)
    assert (changed.value.codes, changed.value.attempts_sent) == (("account-not-allowed",), 1)
    assert arrived(rig, CHANGES) == [*before, OURS], "the first try, and no other"
    with pytest.raises(Refused):
        client.update_item(**update)
    profile.use(OURS)
    client.update_item(**update)
    assert arrived(rig, CHANGES) == [*before, OURS, OURS]


@pytest.mark.parametrize("profile", ["process"], indirect=True)
@pytest.mark.parametrize("ours", range(1, 7))
def test_keys_that_are_others_at_each_moment_of_a_request(
    rig: Rig, profile: Profile, configuration: dict[str, Any], ours: int
) -> None:
    """Whatever the moment: fetching, checking, asking STS, signing."""
    stop_flag("standby", configuration=configuration)
    profile.use(*[OURS] * ours, THEIRS)
    client = system_of(configuration).client("dynamodb", TOKYO)
    for _ in range(2):
        with suppress(DrillError):
            client.update_item(**update_of_nobody(rig))
    assert THEIRS not in arrived(rig, CHANGES)


@pytest.mark.parametrize("profile", ["process"], indirect=True)
def test_an_upload_is_not_presigned_for_another_account(profile: Profile, configuration: dict[str, Any]) -> None:
    client = presigning_client(system_of(configuration).reach, TOKYO)
    upload = {"ClientMethod": "put_object", "Params": {"Bucket": "answers", "Key": "one"}}
    assert KEYS[OURS][0] in client.generate_presigned_url(**upload)
    profile.use(THEIRS)
    with pytest.raises(Refused):
        client.generate_presigned_url(**upload)


def test_what_a_topology_allows_nobody_is_read_all_the_same(
    rig: Rig, profile: Profile, configuration: dict[str, Any]
) -> None:
    """A topology must be found and checked before it can name its accounts."""
    profile.use(THEIRS)
    assert stop_flag("standby", configuration=configuration) is True
    with fails_with("account-not-allowed"):
        set_stop_flag("standby", False, configuration=configuration)
    assert set(arrived(rig, READS)) & {THEIRS}


STEP = {"activity": "open standby", "module": "chaosdrill.stop_flag.actions", "func": "set_stop_flag"}


@pytest.mark.parametrize("profile", ["keys", "lasting"], indirect=True)
def test_a_step_whose_retry_would_be_signed_for_another_account_is_undone(
    rig: Rig, profile: Profile, configuration: dict[str, Any], tmp_path: Path
) -> None:
    """Its first attempt may have been carried out; of a step that was refused nothing would be undone."""
    stop_flag("standby", configuration=configuration)
    with drill(tmp_path) as one:
        one.history.append("activity-started", **STEP, phase="method", arguments={})
        profile.use(THEIRS)
        expire(rig, operation=CHANGES)
        with fails_with("change-unknown") as failed:
            set_stop_flag("standby", False, configuration=configuration)
        assert [row.get("sent", True) for row in one.history.events("aws-call")] == [True]
        kind = family_of(failed.value.__cause__ or failed.value)
        one.history.append("activity-ended", **STEP, phase="method", status="failed", error_kind=kind)
        assert one.may_have_done(STEP["activity"])
        assert [undo.step for undo in owed_undos(one.history.events())] == [STEP["activity"]]


@pytest.mark.parametrize("profile", ["process"], indirect=True)
def test_once_a_drill_has_begun_a_step_no_change_is_refused_as_if_nothing_was_touched(
    rig: Rig, profile: Profile, configuration: dict[str, Any], tmp_path: Path
) -> None:
    client = system_of(configuration).client("dynamodb", TOKYO)
    profile.use(THEIRS)
    with drill(tmp_path) as one:
        with pytest.raises(Refused):
            client.update_item(**update_of_nobody(rig))
        one.history.append("activity-started", **STEP, phase="setup", arguments={})
        with pytest.raises(AccountChanged) as changed:
            client.update_item(**update_of_nobody(rig))
        assert (changed.value.codes, changed.value.attempts_sent) == (("account-not-allowed",), 0)
        assert one.history.events("aws-call") == []
