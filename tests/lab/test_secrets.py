"""No credential reaches anything that a drill leaves behind, however careless its activities are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosdrill.aws import system_of
from tests import canaries, small_drills
from tests.lab.test_local_load import load, own
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


@pytest.mark.long
@pytest.mark.parametrize("how", ["return", "raise"])
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
    assert small_drills.error_codes(ran) == ["setting-invalid"]
    assert "load_generator_url" in ran.stdout + ran.stderr
    own = tmp_path / "try-it.yaml"
    left = {path for path in files_below(tmp_path) if path != own and IN_URL.encode() in path.read_bytes()}
    assert (IN_URL in own.read_text(), left) == (True, set())


OWN_FILES = frozenset({"try-it.yaml", "topology.yaml", "calls.py"})


@pytest.fixture
def confirmed_here(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(lab.home))


@pytest.mark.long
def test_nothing_planted_in_experiment_topology_or_load_is_in_anything_that_was_written(
    lab: RunningLab, tmp_path: Path, confirmed_here: None
) -> None:
    """Attack: somebody gets all that a drill leaves: run, archive, reports, tables. Planted are a token in the
    configuration, headers and a signature of an http step, tokens in the load's URLs, headers and a path of the
    heartbeat.
    """
    script = tmp_path / "calls.py"
    script.write_text(canaries.SCRIPT)
    headers = {"Authorization": "Bearer canary-heartbeat", "X-Api-Key": "canary-heartbeat-key"}
    read = {"method": "GET", "path": "/health?token=canary-path", "headers": headers}
    with canaries.echo() as url:
        topology = own(lab, tmp_path / "topology.yaml", run="local", heartbeat={"run": "local", "read": read})
        start = load("action", "start_load", users=2, spawn_rate_per_s=10, host=url, locustfile=str(script))
        step_headers = {"Authorization": "Bearer ${service_token}", "X-Api-Key": "canary-api-key"}
        http = {"type": "http", "url": f"{url}/step?sig=canary%2Bstep", "headers": step_headers}
        what = experiment(
            [
                {"type": "action", "name": "call", "provider": http},
                load("probe", "load_health"),
                load("action", "stop_heartbeat", "heartbeat"),
                load("action", "stop_load"),
            ],
            steady=[load("probe", "requests_per_s", window_s=1) | {"tolerance": {"type": "range", "range": [1, 1e6]}}],
            control={"setup": [start, load("action", "start_heartbeat", "heartbeat", host=url)]},
            configuration={
                "target": "aws",
                "topology": str(topology),
                "change_ticket": "CHG-1",
                "service_token": "canary-configuration",
            },
        )
        # what Python compiles of the owner's load script stays in the owner's directory, and is none of the drill's
        ran = small_drills.run(tmp_path, what, **{**lab.environment, "PYTHONDONTWRITEBYTECODE": "1"})
    assert [row for row in ran.events if row["event"] == "heartbeat-started"], ran.stdout + ran.stderr
    written = ran.run_directory
    kept = {path.name for path in written.iterdir()} | {path.name for path in (written / "records").iterdir()}
    assert {"locust-report.html", "locust-statistics.json", "locust.log", "report.html", "beats.parquet"} <= kept
    assert "access_token=***" in (written / "locust-statistics.json").read_text()
    archive, csv = str(tmp_path / "e.zip"), str(tmp_path / "csv")
    lab.run("runs", "export", str(written), "--evidence", "--output", archive)
    lab.run("runs", "export", str(written), "--csv", "--output", csv)
    lab.run("runs", "verify", archive)
    lab.run("report", str(written), "--lang", "ja", "--output", str(tmp_path / "ja.html"))
    system = system_of({"topology": str(lab.home / "lab" / "topology.yaml")})
    table = system.topology.coordination
    assert table is not None
    items = system.coordination_client(table.region).scan(TableName=table.table)["Items"]
    assert [item for item in items if written.name in str(item) and "undo#" in str(item)], "the drill has owed"
    (tmp_path / "items").write_text(json.dumps(items, default=str))
    (tmp_path / "shown").write_text(lab.run("runs", "show", str(written), "--json").stdout + ran.stdout + ran.stderr)
    assert canaries.found_in(tmp_path, written, lab.home / "lab", but=OWN_FILES) == set()
