"""Chaos Toolkit itself waits for background steps; what ends that wait knows its functions by their names."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.small_drills import REPOSITORY
from tests.waiting import LONG_S, wait_for

CONTROL = """
import threading, time
from chaosdrill.controls import signals
signals.BACKGROUND_ENDS_WITHIN_S = 0.0
taken = None

def configure_control(*_, **__):
    global taken
    taken = signals.Signals(lambda name: None)
    taken.install()

def before_activity_control(context, **_):
    if context["name"] == "long":
        threading.Thread(target=stop, daemon=True).start()

def stop():
    taken.stop_method()
    while not taken.leave_background():
        time.sleep(0.02)

def before_rollback_control(*_, **__):
    taken.leaving = True

def cleanup_control():
    taken.restore()
"""
STEPS = f"""
import time

def sleep():
    time.sleep({10 * LONG_S})

def leave(path):
    open(path, "w").close()
"""


def _python(name: str, module: str, func: str, **more: object) -> dict[str, object]:
    provider = {"type": "python", "module": module, "func": func, "arguments": more.pop("arguments", {})}
    return {"type": "action", "name": name, "provider": provider, **more}


def test_rollbacks_begin_although_a_step_in_the_background_sleeps(tmp_path: Path) -> None:
    rolled_back = tmp_path / "rolled-back"
    what = {
        "title": "a test",
        "description": "without a drill",
        "runtime": {"rollbacks": {"strategy": "always"}},
        "controls": [{"name": "stops", "provider": {"type": "python", "module": "stopping_control"}}],
        "method": [
            _python("beside", "sleeping_steps", "sleep", background=True),
            _python("long", "sleeping_steps", "sleep"),
        ],
        "rollbacks": [_python("back", "sleeping_steps", "leave", arguments={"path": str(rolled_back)})],
    }
    (tmp_path / "stopping_control.py").write_text(CONTROL)
    (tmp_path / "sleeping_steps.py").write_text(STEPS)
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(what))
    command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", "e.yaml"]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{tmp_path}", "PYTHONWARNINGS": ""}
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=said)
    try:  # since Python 3.13 the process itself does not end before the step in the background does
        wait_for(lambda: rolled_back.exists() or process.poll() is not None, bool, "the rollback")
    finally:
        process.kill()
        process.wait()
    assert rolled_back.exists(), (tmp_path / "said").read_text()
