"""What a rehearsal finds out about FIS and the client host, before a drill finds it missing."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.client.host.inspection import TOOLS, host_facts
from chaosdrill.client.host.pythons import LEAST_PYTHON
from chaosdrill.discovery.account import Account
from chaosdrill.discovery.check_result import ReadPart
from chaosdrill.discovery.client_side import find_locust
from chaosdrill.discovery.findings import ToFillIn
from chaosdrill.discovery.hosts import find_client
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.parts.interface import CheckContext, PlannedStep
from chaosdrill.preflight.run import checks_of, run
from chaosdrill.preflight.show import as_seen
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import write_program

LOSS = ("chaosdrill.packet_loss.actions.inject_packet_loss", {})
ISOLATION = ("chaosdrill.packet_loss.actions.isolate_region", {"region": "standby"})
LOAD = ("chaosdrill.load.actions.start_load", {})
HEARTBEAT = ("chaosdrill.heartbeat.actions.start_heartbeat", {})
BASICS = ("sh", "cat", "id", "grep", "uname", "mkdir", "getent", "cut", "true")


@pytest.fixture
def system(rig: Rig) -> System:
    return system_of(rig.configuration)


@pytest.fixture
def bare_host(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of all programs on the client host: a shell's, and what a test writes there."""
    for name in BASICS:
        found = next(path for path in (Path("/bin", name), Path("/usr/bin", name)) if path.exists())
        (tmp_path / name).symlink_to(found)
    monkeypatch.setattr(rig.lab.supervisor, "path", str(tmp_path))
    return tmp_path


def seen(system: System, *wanted: tuple[str, dict[str, Any]]) -> list[ReadPart]:
    """What is read of FIS and of the client host for these steps alone."""
    steps = tuple(PlannedStep("method", function, function, arguments) for function, arguments in wanted)
    context = CheckContext(system, steps=steps, on_host=True)
    named = {"packet_loss.safety-lever", "packet_loss.service-role", "packet_loss.tools", "load.python"}
    checks = [one for one in checks_of(context) if one.name in named | {"heartbeat.python"}]
    return [as_seen(one) for one in run(checks)]


def test_without_a_fault_or_a_program_nothing_is_looked_for(rig: Rig, system: System) -> None:
    rig.lab.supervisor.calls.clear()
    assert seen(system, LOAD) == [], "its Locust is attached to"
    assert rig.lab.supervisor.calls == []


def test_fis_is_read_in_the_regions_of_the_faults(rig: Rig, system: System) -> None:
    rows = {one.what: one for one in seen(system, LOSS, ISOLATION) if one.part == "fis"}
    assert list(rows) == [f"safety lever of {OSAKA}", f"safety lever of {TOKYO}", "role AWSServiceRoleForFIS"]
    assert all(one.ok for one in rows.values())


def test_a_service_linked_role_that_nobody_made_is_in_the_way(rig: Rig, system: System) -> None:
    """A drill may not make it."""
    iam = rig.lab.client("iam")
    iam.delete_role(RoleName="AWSServiceRoleForFIS")
    try:
        (row,) = [one for one in seen(system, LOSS) if "ServiceRole" in one.what]
    finally:
        iam.create_service_linked_role(AWSServiceName="fis.amazonaws.com")
    assert not row.ok
    assert "--make-roles" in row.trouble


def test_an_engaged_lever_is_in_the_way(rig: Rig, system: System) -> None:
    fis = rig.lab.client("fis", TOKYO)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    try:
        (lever,) = [one for one in seen(system, LOSS) if "lever" in one.what]
    finally:
        fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})
    assert not lever.ok
    assert "festival" in lever.trouble


def test_tools_that_the_document_would_install_first_are_told_with_the_command(
    rig: Rig, system: System, bare_host: Path
) -> None:
    for name in ("dnf", "tc", "dig"):
        write_program(bare_host / name, "exit 0")
    facts = host_facts(system)
    assert (facts.tools, facts.package_manager) == (("dig", "tc"), "dnf")
    (tools,) = [one for one in seen(system, LOSS) if one.part == "client"]
    assert tools.ok, "the document installs them"
    assert "dnf install -y at jq lsof" in tools.value
    assert rig.lab.topology["client"]["instance_id"] in tools.value


def test_tools_that_nothing_can_install_are_in_the_way(system: System, bare_host: Path) -> None:
    (tools,) = [one for one in seen(system, LOSS) if one.part == "client"]
    assert not tools.ok
    assert all(one in tools.trouble for one in ("dig", "jq", "lsof"))


def test_a_host_with_every_tool_is_well(system: System, bare_host: Path) -> None:
    for name in (*TOOLS, "modprobe"):
        write_program(bare_host / name, "exit 0")
    (tools,) = [one for one in seen(system, LOSS) if one.part == "client"]
    assert tools.ok
    assert "missing" not in tools.value


@pytest.mark.parametrize("step", [LOAD, HEARTBEAT])
def test_a_python_that_is_too_old_is_in_the_way_with_the_command_that_installs_one(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory, bare_host: Path, step: Any
) -> None:
    """Amazon Linux 2023 has Python 3.9."""
    facts = '{"executable":"/usr/bin/python3","implementation":"cpython","python":[3,9],"machine":"x86_64",'
    write_program(bare_host / "python3", f"""echo '{facts}"libc":["glibc","2.34"],"directory":"/tmp"}}'; exit 1""")
    directory = tmp_path_factory.mktemp("topology")
    heartbeat = {**rig.lab.topology["heartbeat"], "run": "ssm"}
    given = rig.other_topology(directory / "t.yaml", client=rig.client_host(run="ssm"), heartbeat=heartbeat)
    (python,) = [one for one in seen(system_of(given), step) if "Python" in one.what]
    assert not python.ok
    version = ".".join(map(str, LEAST_PYTHON))
    assert f"dnf install -y python{version}" in python.advice
    assert "cpython 3.9" in python.trouble


def test_discovery_tells_a_locust_without_the_plugin_from_none(bare_page: str) -> None:
    """The public sample's Locust is 2.15 in a container, and has no plugin of ours."""
    found = find_locust({"url": bare_page})
    nobody = find_locust({"url": "http://127.0.0.1:9"})
    assert isinstance(found, ToFillIn)
    assert isinstance(nobody, ToFillIn)
    assert found.why != nobody.why
    assert "ssm" in found.how


@pytest.fixture
def bare_page() -> Iterator[str]:
    """The page of a Locust without plugin, as far as that is called."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_discovery_names_the_command_that_installs_a_python_on_amazon_linux_2023(rig: Rig) -> None:
    endpoint, profile = rig.lab.topology["aws"]["config_file"], rig.lab.topology["aws"]["profile"]
    account = Account(profile)
    account._reach = replace(account._reach, config_file=Path(endpoint))
    found = find_client(DiscoveryScope(account, TOKYO, OSAKA, None))
    host = rig.lab.topology["client"]["instance_id"]
    assert found.value == {"instance_id": host, "region": TOKYO}
    assert f"--instance-ids {host}" in found.comment
    assert "dnf install -y python3.11" in found.comment
