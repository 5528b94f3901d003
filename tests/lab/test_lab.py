"""The lab as its users meet it: by the command, the runbook's own commands, and from the client host."""

import contextlib
import json
import os
import pty
import re
import socket
import subprocess

import pytest

from chaosdrill.lab.plan import LabPlan
from tests.lab.conftest import SCALE
from tests.running_lab import CHAOSDRILL, RunningLab, needs

STANDBY = "--region ap-northeast-3 --profile chaosdrill-lab"
HOME = "--region ap-northeast-1 --profile chaosdrill-lab"


def aws(lab: RunningLab, command: str) -> dict:
    return json.loads(lab.shell(f"aws {command}").stdout or "{}")


def state_machine(lab: RunningLab, prefix: str) -> str:
    found = aws(lab, f"stepfunctions list-state-machines {STANDBY}")["stateMachines"]
    return next(one["stateMachineArn"] for one in found if one["name"].startswith(prefix))


def test_every_part_is_healthy_and_the_status_says_how_long_and_how_much(lab):
    status = lab.status()
    assert status["ready"], status["parts"]
    assert set(status["parts"]) == {
        *("aws", "dns", "load", "client", "database", "main-table", "application-tokyo", "application-osaka")
    }
    assert status["scale"] == SCALE
    assert 0 < status["ready_s"] < 60
    assert 100 < status["memory_mb"] < 1500
    text = lab.run("lab", "status").stdout
    assert f"{status['ready_s']:.1f} s" in text
    assert re.search(r"\b\d+ MB\b", text)


@pytest.mark.long
def test_the_runbooks_commands_run_with_the_real_aws_cli(lab):
    machine = state_machine(lab, "FailoverStateMachine")
    assert machine.startswith("arn:aws:states:ap-northeast-3:")
    assert state_machine(lab, "FailbackStateMachine") != machine
    key = """--table-name Tokyo-ParamTable-chaosdrill --key '{"PK":{"S":"stopFlag"}}'"""
    assert aws(lab, f"dynamodb get-item {key} {HOME}")["Item"]["value"] == {"S": "false"}
    assert "experimentTemplates" in aws(lab, f"fis list-experiment-templates {HOME}")
    members = aws(lab, f"rds describe-global-clusters {HOME}")["GlobalClusters"][0]["GlobalClusterMembers"]
    assert [m["IsWriter"] for m in members if "ap-northeast-1" in m["DBClusterArn"]] == [True]
    cluster = aws(lab, f"route53-recovery-control-config list-clusters {HOME}")["Clusters"][0]
    panels = f"list-control-panels --cluster-arn {cluster['ClusterArn']}"
    found = aws(lab, f"route53-recovery-control-config {panels} {HOME}")["ControlPanels"]
    panel = next(one["ControlPanelArn"] for one in found if not one["DefaultControlPanel"])
    controls = f"list-routing-controls --control-panel-arn {panel}"
    found = aws(lab, f"route53-recovery-control-config {controls} {HOME}")["RoutingControls"]
    tokyo = next(one["RoutingControlArn"] for one in found if one["Name"] == "rc-tokyo")
    endpoint = cluster["ClusterEndpoints"][0]
    state = aws(
        lab,
        f"route53-recovery-cluster get-routing-control-state --routing-control-arn {tokyo} "
        f"--endpoint-url {endpoint['Endpoint']} --region {endpoint['Region']} --profile chaosdrill-lab",
    )
    assert state["RoutingControlState"] == "On"


@pytest.mark.long
@needs("dig", "curl")
def test_failover_and_failback_by_hand_move_what_clients_see(lab):
    for prefix, answer in (("FailoverStateMachine", "10.101."), ("FailbackStateMachine", "10.100.")):
        machine = state_machine(lab, prefix)
        started = aws(lab, f"stepfunctions start-execution --state-machine-arn {machine} {STANDBY}")
        wait = f"stepfunctions describe-execution --execution-arn {started['executionArn']} {STANDBY}"
        while (execution := aws(lab, wait))["status"] == "RUNNING":
            pass  # each look takes the CLI a second
        assert execution["status"] == "SUCCEEDED", execution
        assert lab.on_client("dig", "+short", "api.example.com").stdout.startswith(answer)
        asked = ("curl", "-sS", "-i", "-w", "from %{remote_ip}", "http://api.example.com/health")
        answered = lab.on_client(*asked).stdout.lower()
        assert f"from {answer}" in answered
        assert "region" not in answered, "as the sample's answers, it names no region"
        region = {"10.101.": "ap-northeast-3", "10.100.": "ap-northeast-1"}[answer]
        assert lab.call("database.status")["writer"] == region


@needs("dig")
def test_dig_answers_on_the_client_and_says_why_not_on_the_host(lab):
    on_client = lab.on_client("dig", "+noall", "+answer", "api.example.com").stdout.split("\n")
    rows = [line.split() for line in on_client if line]
    assert sorted(row[4] for row in rows) == ["10.100.5.165", "10.100.9.84"]
    assert {row[1] for row in rows} == {str(round(60 * SCALE))}
    over_tcp = lab.on_client("dig", "+tcp", "+short", "api.example.com").stdout.split()
    assert sorted(over_tcp) == ["10.100.5.165", "10.100.9.84"]
    on_host = lab.shell("dig @127.0.0.1 -p $CHAOSDRILL_LAB_DNS_PORT api.example.com").stdout
    assert "NXDOMAIN" in on_host
    assert "chaosdrill lab exec -- dig api.example.com" in on_host


def test_a_shell_on_the_client_is_a_terminal_there(lab):
    address = LabPlan.load(lab.home / "lab" / "plan.json").client_address
    ours, theirs = pty.openpty()
    command = [*CHAOSDRILL, "lab", "shell"]
    environment = {**lab.environment, "SHELL": "/bin/sh"}
    with subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as shell:
        os.close(theirs)
        os.write(ours, f"echo own-$(grep -c {address} /proc/net/fib_trie)-; test -t 0 && exit 7\n".encode())
        said = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other side of a terminal was closed
            while chunk := os.read(ours, 4096):
                said += chunk
        os.close(ours)
    assert b"on the lab's client host" in said
    assert re.search(rb"own-[1-9]\d*-", said), said
    assert shell.returncode == 7, said


@pytest.mark.long
@needs("curl")
def test_a_proxy_of_the_user_leads_nobody_past_the_lab(lab, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setitem(lab.environment, name, "http://127.0.0.1:9")
    assert lab.on_client("curl", "-sS", "http://api.example.com/health").stdout == "ok"
    assert aws(lab, f"stepfunctions list-state-machines {STANDBY}")["stateMachines"]
    assert '"state"' in lab.shell("curl -sS $CHAOSDRILL_LAB_LOCUST/stats/requests").stdout


def test_psql_works_unchanged_on_the_client(lab):
    query = "select pg_is_in_recovery()"
    assert lab.on_client("psql", "-qAt", "-h", "10.100.1.10", "-c", query).stdout.strip() == "f"
    assert lab.on_client("psql", "-qAt", "-h", "10.101.1.10", "-c", query).stdout.strip() == "t"


@needs("curl")
def test_locusts_page_and_its_rest_interface_answer_on_the_host(lab):
    page = lab.shell("curl -sS $CHAOSDRILL_LAB_LOCUST/").stdout
    assert "<title>Locust" in page
    assert json.loads(lab.shell("curl -sS $CHAOSDRILL_LAB_LOCUST/stats/requests").stdout)["state"] in (
        "ready",
        "stopped",
    )


def test_a_second_up_attaches_and_says_so(lab):
    before = lab.supervisor_pid()
    assert "attaching" in lab.run("lab", "up", "--detach").stdout
    assert lab.supervisor_pid() == before


def test_a_second_up_with_another_scale_is_refused_and_says_what_to_do(lab):
    refused = lab.run("lab", "up", "--detach", "--scale", "1", check=False)
    assert (refused.returncode, "[lab-settings-differ]" in refused.stderr) == (1, True), refused.stderr
    assert "0.1" in refused.stderr
    assert "chaosdrill lab down" in refused.stderr
    assert lab.status()["ready"]


@pytest.mark.long
def test_a_busy_port_picks_another(lab, tmp_path):
    # the session's lab may hold the preferred ports: either way both must answer
    other = RunningLab(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        other.up(SCALE)
        try:
            ports, own = other.status()["ports"], lab.status()["ports"]
            assert set(ports.values()).isdisjoint(own.values())
            assert other.status()["ready"]
        finally:
            other.down()


def test_the_lag_of_the_main_table_is_shown_and_set(lab):
    before = lab.call("main_table.lag")["lag_s"]
    assert before == pytest.approx(0.5 * SCALE)
    try:
        assert "1.5 s" in lab.run("lab", "lag", "1.5").stdout
        assert lab.call("main_table.lag")["lag_s"] == 1.5
    finally:
        lab.run("lab", "lag", str(before))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale", "0.001"], "1/60"),
        (["--locustfile", "no-such-file.py"], "no-such-file.py"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(tmp_path, arguments, said):
    nowhere = RunningLab(tmp_path)
    refused = nowhere.run("lab", "up", "--detach", *arguments, check=False)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert not (tmp_path / "lab").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("class Customer(HttpUser)\n", "SyntaxError"),
        ("import no_such_module\n", "'no_such_module'"),
        ("users = 0\n", "User"),
    ],
)
def test_a_locustfile_that_locust_cannot_run_ends_the_start_with_its_error(tmp_path, script, said):
    locustfile = tmp_path / "users_own.py"
    locustfile.write_text(script)
    one = RunningLab(tmp_path / "home")
    refused = one.run("lab", "up", "--detach", "--scale", str(SCALE), "--locustfile", str(locustfile), check=False)
    assert refused.returncode == 1
    assert str(locustfile) in refused.stderr
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not one.status()["running"]


def test_without_a_lab_each_command_says_what_to_do(tmp_path):
    nowhere = RunningLab(tmp_path)
    assert nowhere.run("lab", "down").stdout == "no lab runs\n"
    for command in (["lab", "env"], ["lab", "exec", "--", "true"], ["lab", "lag"]):
        refused = nowhere.run(*command, check=False)
        assert refused.returncode == 1
        assert "chaosdrill lab up" in refused.stderr
    assert nowhere.run("lab", "status", check=False).returncode == 1
