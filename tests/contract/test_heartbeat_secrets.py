"""The secrets that a heartbeat sends: they reach the application, and stand in no command, argument or record."""

import base64
import os
import re
import stat
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from chaosdrill.client.heartbeat_secrets import PLACEHOLDER, problems_of_secrets, put_back, separated
from chaosdrill.errors import codes_of
from chaosdrill.heartbeat.actions import start_heartbeat, stop_heartbeat
from chaosdrill.rehearsal import bundle
from chaosdrill.topology import load_topology
from tests import canaries
from tests.contract.activities_rig import TOKYO, Rig, drill
from tests.contract.ssm_rig import BUCKET, hurried
from tests.failing import fails_with

pytestmark = pytest.mark.long

HEADERS = {"Authorization": {"secret": "api_token"}, "X-Api-Key": "canary-literal", "X_ACCOUNT_ID": "{account}"}
READ = {"method": "GET", "path": "/health?token=canary-path", "headers": HEADERS}
SENT = {"read": READ, "accounts": {"prefix": "synthetic-", "count": 2}}
SECRETS = {"api_token": "canary-by-name"}
WORD = re.compile(r"[A-Za-z0-9+/=]{24,}")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with hurried(tmp_path_factory) as one:
        yield one


@contextmanager
def application() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """:returns: its address, and the path and the headers of each request."""
    seen: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


def readable(text: str) -> str:
    """:returns: a text, and what its words of base64 hold."""
    more = []
    for word in WORD.findall(text):
        try:
            data = base64.b64decode(word, validate=True)
            more.append(data.decode("latin-1"))
            more.append(zlib.decompress(data).decode("latin-1"))
        except (ValueError, zlib.error):
            continue
    return "\n".join([text, *more])


def arguments_of_all_processes() -> str:
    found = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return "\n".join(line for line in found if "pytest" not in line)


@pytest.mark.parametrize("run", ["ssm", "local"])
def test_a_heartbeats_secrets_reach_the_application_and_nobody_else(rig: Rig, tmp_path: Path, run: str) -> None:
    """Attacks: somebody with ssm:ListCommands reads the history of commands, any user of a host reads the arguments of
    its processes, somebody reads the run, or what is left in the bucket.
    """
    path = tmp_path / "topology.json"
    client = {"client": rig.client_host(run="ssm", s3=BUCKET)} if run == "ssm" else {}
    configuration = rig.other_topology(path, heartbeat={**SENT, "run": run}, **client)
    (tmp_path / "run" / "records").mkdir(parents=True)
    with application() as (url, seen), drill(tmp_path / "run"):
        start_heartbeat(host=url, configuration=configuration, secrets=SECRETS)
        arguments = arguments_of_all_processes()
        cache = Path(os.environ["XDG_CACHE_HOME"])  # of the client host
        private = files_with_canaries(cache) if run == "ssm" else []
        stop_heartbeat(configuration=configuration, secrets=SECRETS)
    path_seen, headers = seen[0]
    assert path_seen == "/health?token=canary-path"
    assert (headers["Authorization"], headers["X-Api-Key"]) == ("canary-by-name", "canary-literal")
    assert headers["X_ACCOUNT_ID"] == "synthetic-00000"

    assert canaries.CANARY not in readable(arguments)
    history = rig.lab.client("ssm", TOKYO).list_commands()["Commands"]
    assert canaries.CANARY not in readable(repr(history)).lower()
    told = rig.lab.client("ssm", TOKYO).list_command_invocations(Details=True)["CommandInvocations"]
    assert canaries.CANARY not in readable(repr(told)).lower()
    left = rig.lab.client("s3", TOKYO).list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert [one["Key"] for one in left if "once/" in one["Key"]] == []
    assert canaries.found_in(tmp_path / "run") == set()
    if run == "ssm":
        assert [file.name for file, _ in private] == ["config.json"], "what the process itself reads"
        assert {stat.S_IMODE(mode) for _, mode in private} == {0o600}
        assert files_with_canaries(cache) == [], "removed with the heartbeat"


def files_with_canaries(directory: Path) -> list[tuple[Path, int]]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [(path, path.stat().st_mode) for path in files if canaries.CANARY.encode() in path.read_bytes().lower()]


def test_without_a_bucket_a_secret_is_not_sent_through_ssm(rig: Rig, tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    configuration = rig.other_topology(topology, heartbeat={**SENT, "run": "ssm"}, client=rig.client_host(run="ssm"))
    assert codes_of(problems_of_secrets(load_topology(topology), SECRETS)) == ["secret-in-command"]
    before = len(rig.lab.client("ssm", TOKYO).list_commands()["Commands"])
    with drill(tmp_path), fails_with("secret-in-command"):
        start_heartbeat(host="http://127.0.0.1:9", configuration=configuration, secrets=SECRETS)
    assert len(rig.lab.client("ssm", TOKYO).list_commands()["Commands"]) == before


def test_a_secret_that_is_named_and_not_there_is_found_before_anything_begins(rig: Rig, tmp_path: Path) -> None:
    read = {**READ, "headers": {"X-Other": {"secret": "nowhere"}}}
    rig.other_topology(tmp_path / "topology.json", heartbeat={"read": read, "run": "local"})
    topology = load_topology(tmp_path / "topology.json")
    assert codes_of(problems_of_secrets(topology, {})) == ["secret-missing"]
    assert codes_of(problems_of_secrets(topology, {"bank": {"nowhere": "two\r\nlines"}})) == ["secret-missing"]
    assert problems_of_secrets(topology, {"bank": {"nowhere": "canary-in-a-section"}}) == []


def test_a_secret_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_ENVIRONMENT", "canary-env")
    settings = {"read": {"headers": {"X-Any": {"secret": "OF_THE_ENVIRONMENT"}}}, "run": "r"}
    public, found = separated(settings, None)
    assert public["read"]["headers"]["X-Any"] == {PLACEHOLDER: "heartbeat.read.headers.X-Any"}
    assert (found, put_back(public, found)["read"]["headers"]) == (
        {"heartbeat.read.headers.X-Any": "canary-env"},
        {"X-Any": "canary-env"},
    )


def test_a_bundle_that_is_handed_on_has_no_header_of_the_heartbeat(rig: Rig, tmp_path: Path) -> None:
    """Attack: whoever is given a redacted bundle looks for credentials in it, under any header's name."""
    read = {**READ, "headers": {**HEADERS, "X-Tenant": "canary-tenant"}}
    rig.other_topology(tmp_path / "topology.json", heartbeat={"read": read, "accounts": SENT["accounts"]})
    bundle.export(tmp_path / "bundle.json", load_topology(tmp_path / "topology.json"), [])
    assert canaries.found_in(tmp_path / "bundle.json") == set()
    topology, _ = bundle.load(tmp_path / "bundle.json")
    sent = topology["heartbeat"]["read"]
    assert (sent["path"], sent["headers"]["X_ACCOUNT_ID"]) == ("/health?token=***", "{account}")
    assert {sent["headers"][name] for name in ("Authorization", "X-Api-Key", "X-Tenant")} <= {"redacted", "***"}
