"""Ending a lab that cannot be asked."""

import os
import threading
from pathlib import Path

import pytest

from chaosdrill.lab import host, running_lab


def test_a_lab_that_starts_just_now_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is taken, and neither its control socket nor its process is there yet."""
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path))
    running_lab.directory().mkdir()
    lock = running_lab.try_lock(running_lab.directory())
    assert lock is not None
    given_up = threading.Timer(0.2, os.close, [lock])
    given_up.start()
    assert host.down() is True
    given_up.join()
    assert host.down() is False
