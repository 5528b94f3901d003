"""What `chaos discover` tells users, kept in a file: a change of an activity's arguments shows in its diff.

After a change that is meant: ``python -m tests.contract.test_discovery`` writes the file anew.
"""

import __future__

import inspect
import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

import chaosdrill
from chaosdrill.activity_discovery import modules
from tests.waiting import LONG_S

SNAPSHOT = Path(__file__).with_name("discovery.json")


def discovered() -> dict[str, Any]:
    """Every activity by module and name: its kind, return type, and arguments with type and default."""
    shown: dict[str, Any] = {}
    for activity in chaosdrill.discover()["activities"]:
        arguments = {
            argument["name"]: argument.get("type", "?")
            + (f" = {argument['default']!r}" if "default" in argument else "")
            for argument in activity["arguments"]
        }
        facts = {"type": activity["type"], "returns": activity.get("return_type", "?"), "arguments": arguments}
        shown[f"{activity['mod']}.{activity['name']}"] = facts
    return dict(sorted(shown.items()))


def test_discovery_is_as_recorded() -> None:
    assert discovered() == json.loads(SNAPSHOT.read_text()), "meant? then: python -m tests.contract.test_discovery"


def test_every_type_is_a_real_one() -> None:
    for name, activity in discovered().items():
        if activity["type"] != "control":
            types = [activity["returns"], *(text.split(" ")[0] for text in activity["arguments"].values())]
            assert not {"object", "?"} & set(types), name


def test_every_activity_says_what_users_need() -> None:
    for activity in chaosdrill.discover()["activities"]:
        if activity["type"] == "control":
            continue
        name, doc = f"{activity['mod']}.{activity['name']}", activity["doc"]
        wanted = [":returns:", ":raises", ":source:", *([":undo:"] if activity["type"] == "action" else [])]
        told = [argument["name"] for argument in activity["arguments"]]
        assert told[-2:] == ["configuration", "secrets"], name
        wanted += [f":param {argument}:" for argument in told[:-2]]
        assert [part for part in wanted if part not in doc] == [], name
        if activity["type"] == "action":
            assert "standalone" in told, name


def test_an_activity_module_exports_all_that_it_defines() -> None:
    for name, kind in modules():
        module = import_module(name)
        defined = [one for one, it in inspect.getmembers(module, inspect.isfunction) if it.__module__ == name]
        public = sorted(one for one in defined if not one.startswith("_"))
        if kind != "control":
            assert public == sorted(module.__all__), name


@pytest.mark.parametrize("module", [name for name, kind in modules() if kind != "control"])
def test_no_module_hides_its_types_from_discovery(module: str) -> None:
    assert getattr(import_module(module), "annotations", None) is not __future__.annotations


@pytest.mark.skipif(not any(distributions(name="chaosdrill")), reason="chaosdrill is on the path, but not installed")
def test_chaos_discover_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "discovery.json"
    command = [
        sys.executable,
        "-m",
        "chaostoolkit",
        "discover",
        "--no-install",
        f"--discovery-path={path}",
        "chaosdrill",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, cwd=tmp_path, check=False)
    assert path.is_file(), done.stdout + done.stderr
    listed = {f"{one['mod']}.{one['name']}" for one in json.loads(path.read_text())["activities"]}
    assert listed == set(json.loads(SNAPSHOT.read_text()))


def test_the_process_that_runs_experiments_imports_no_locust() -> None:
    script = (
        "import sys, chaosdrill; chaosdrill.discover(); "
        "print([name for name in ('locust', 'gevent', 'moto') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LONG_S, check=True)
    assert done.stdout.strip() == "[]"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(discovered(), indent=1) + "\n")
