"""What others name does not become a command: on the client host, or in what an error message says to run."""

import os
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.client.host import pythons, remote_program
from chaosdrill.client.host.inspection import install_command
from chaosdrill.client.resolve import lookup_script
from chaosdrill.client.resolvers import LookupPlace, resolver_of, resolvers_of
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.history.owed_undos import FAULT, OwedUndo
from chaosdrill.runs.dead_runs import DeadRun
from chaosdrill.topology import load_topology
from tests.failing import fails_with
from tests.unit.test_topology import RIGHT, problems, written

SCOPES = ["fe80::1%$(touch came-through)", "fe80::1%;id", "fe80::1%eth0", "[fe80::1%`id`]:53"]
HOSTILE = ["$(touch came-through)", "; touch came-through;", "`touch came-through`", "' touch came-through '", "a\nid"]


def run(script: str, directory: Path) -> str:
    """Run it as the client host would, with programs that print their arguments, a line each."""
    for name in ("aws", "dig", "python"):
        program = directory / name
        program.write_text("#!/bin/sh\nprintf '<%s>\\n' \"$@\"\n")
        program.chmod(0o755)
    path = {"PATH": f"{directory}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script], cwd=directory, env=path, capture_output=True, text=True, check=False)
    assert not (directory / "came-through").exists(), script
    return done.stdout


@pytest.mark.parametrize("server", SCOPES)
def test_a_name_server_has_no_scope_id(server: str) -> None:
    with fails_with("argument-invalid"):
        resolver_of("client", server)
    with fails_with("argument-invalid"):
        resolvers_of("client", ["client", server])


def test_the_name_server_of_a_topology_has_no_scope_id(tmp_path: Path) -> None:
    assert problems(tmp_path, RIGHT + 'dns: {nameserver: "fe80::1%$(id)"}\n')
    assert load_topology(written(tmp_path, RIGHT + 'dns: {nameserver: "fd00::2"}\n')).dns


@pytest.mark.parametrize("text", HOSTILE)
def test_a_lookup_on_the_client_host_hands_its_server_to_dig_as_one_word(text: str, tmp_path: Path) -> None:
    printed = run(lookup_script(text, LookupPlace("client", f"fe80::1%{text}")), tmp_path)
    assert f"<@fe80::1%{text}>" in printed
    assert f"<{text}>" in printed


@pytest.mark.parametrize("text", HOSTILE)
def test_a_path_that_the_client_host_names_is_one_word(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts: list[str] = []

    def kept(system: Any, script: str, *_: Any, **__: Any) -> Any:
        scripts.append(script)
        return SimpleNamespace(stdout="")

    monkeypatch.setattr(remote_program, "run_on_client", kept)
    remote_program.Program(None, "python", f"/cache/{text}")._run("call", 1.0, {})  # type: ignore[arg-type]
    assert f"</cache/{text}>" in run(scripts[0], tmp_path)


@pytest.mark.parametrize("path", ["/bin/{{ssm:password}}", "/bin/$(id)", "python3", "/bin/a\\nb"])
def test_a_path_that_is_none_is_not_used(path: str) -> None:
    facts = f'{{"executable": "{path}", "directory": "/cache", "python": [3, 11], "libc": ["glibc", "2.34"]}}'
    with fails_with("client-response-unexpected"):
        pythons.parsed(facts)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_command_that_a_message_says_to_run_takes_names_as_words(text: str, tmp_path: Path) -> None:
    assert f"<{text}>" in run(install_command(text, text, "jq"), tmp_path)
    fault = OwedUndo("step", "inject_packet_loss", FAULT, "heal_packet_loss", "", {}, ids={"ap-northeast-1": [text]})
    rescue, stop = DeadRun(text, "aws", (fault,)).way_back(datetime.now(UTC))
    assert shlex.split(rescue.partition("`")[2].rpartition("`")[0]) == ["chaosdrill", "rescue", text]
    assert f"<{text}>" in run(stop.removeprefix("`").removesuffix("`"), tmp_path)
    account: Any = SimpleNamespace(profile=text)
    assert f"<{text}>" in run(f"aws sts{DiscoveryScope(account, 'a', 'b').cli}", tmp_path)
