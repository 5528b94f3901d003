"""Samples of the steady state during the method: one read each, which ends with the method."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.controls import sampling
from chaosdrill.controls.sampling import Sample, Samples, is_sampled, problems_of_samples
from chaosdrill.errors import CannotSee
from tests.waiting import LONG_S, wait_for

HERE = "tests.unit.test_sampling"

_values: list[Any] = []
_asked: list[Any] = []
_go_on = threading.Event()


def reading(within_s: float | None = None) -> Any:
    """A probe that gives one value after the other, and the last one for good."""
    _asked.append(within_s)
    value = _values.pop(0) if len(_values) > 1 else _values[0]
    if isinstance(value, Exception):
        raise value
    return value


def hanging() -> int:
    """A probe that does not come back until it is let go."""
    _asked.append("hanging")
    assert _go_on.wait(LONG_S)
    return 1


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sampling, "EVERY_S", 0.01)
    _values.clear()
    _asked.clear()
    _go_on.clear()
    yield
    _go_on.set()


def probe(func: str = "reading", tolerance: Any = 1, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": HERE, "func": func, "arguments": arguments}
    return {"type": "probe", "name": "the-probe", "tolerance": tolerance, "provider": provider, "sample": True}


def sampled(number: int, one: dict[str, Any]) -> list[Sample]:
    """The first so many samples."""
    taken: list[Sample] = []
    enough = threading.Event()

    def take(sample: Sample) -> None:
        taken.append(sample)
        if len(taken) >= number:
            enough.set()

    samples = Samples([one, {"ref": "somewhere-else"}], {"wanted": "x"}, None, take)
    samples.start()
    assert enough.wait(LONG_S)
    samples.stop(LONG_S)
    return taken[:number]


def test_each_sample_says_whether_it_met_the_tolerance() -> None:
    _values[:] = [1, 2, 1]
    assert [(one.output, one.tolerance_met, one.error) for one in sampled(3, probe())] == [
        (1, True, ""),
        (2, False, ""),
        (1, True, ""),
    ]


def test_a_probe_that_can_wait_until_it_is_good_looks_once() -> None:
    _values[:] = ["x"]
    (one,) = sampled(1, probe(tolerance="${wanted}", within_s=60))
    assert (one.tolerance, one.tolerance_met, _asked[0]) == ("x", True, None)


def test_what_cannot_be_read_or_compared_is_neither_met_nor_missed_and_sampling_goes_on() -> None:
    _values[:] = [CannotSee("the window is blind"), ValueError("broken"), {"not": "a number"}, 1]
    found = sampled(4, probe(tolerance={"type": "range", "range": [0, 3]}))
    assert [one.tolerance_met for one in found] == [None, None, None, True]
    assert found[0].error == "chaosdrill.errors.CannotSee: the window is blind"
    assert "broken" in found[1].error
    assert "{'not': 'a number'} " in found[2].error


def test_a_sample_that_comes_after_the_end_is_not_heard() -> None:
    taken: list[Sample] = []
    samples = Samples([probe("hanging")], {}, None, taken.append)
    before = set(threading.enumerate())  # one of an earlier test may still be about to end
    samples.start()
    (thread,) = [one for one in threading.enumerate() if one not in before]
    while not _asked:
        thread.join(0.01)
    samples.stop(0.0)
    _go_on.set()
    thread.join(LONG_S)
    assert (thread.is_alive(), taken) == (False, [])


def test_a_sample_that_is_under_way_is_waited_for() -> None:
    taken: list[Sample] = []
    samples = Samples([probe("hanging")], {}, None, taken.append)
    samples.start()
    wait_for(lambda: _asked, bool, "the sample to begin")
    threading.Timer(0.2, _go_on.set).start()
    samples.stop(LONG_S)
    assert [one.output for one in taken] == [1]


@pytest.mark.parametrize("shape", [list, str, dict])
def test_the_processes_of_a_sample_end_with_it_and_so_do_their_children(tmp_path: Path, shape: type) -> None:
    script = f"echo $$ > {tmp_path}/parent; sleep 600 & echo $! > {tmp_path}/child; wait"
    written: Any = {list: ["-c", script], str: f"-c '{script}'", dict: {"-c": script}}[shape]
    one = {"type": "probe", "name": "script", "tolerance": 0, "sample": True}
    samples = Samples(
        [{**one, "provider": {"type": "process", "path": "sh", "arguments": written}}], {}, None, lambda sample: None
    )
    samples.start()
    wait_for(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text(), bool, "its child")
    samples.stop(0.1)
    for name in ("parent", "child"):
        pid = (tmp_path / name).read_text().strip()
        wait_for(lambda pid=pid: _runs(pid), lambda runs: not runs, f"the {name} to end")


def _runs(pid: str) -> bool:
    """Whether it runs: one that ended and that nobody has waited for yet does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_only_chaosdrills_own_probes_are_sampled_unless_one_says_otherwise() -> None:
    ours = {"type": "python", "module": "chaosdrill.load.probes", "func": "failures"}
    script = {"type": "process", "path": "true"}
    cases = [
        ({"provider": ours}, True),
        ({"provider": {**ours, "module": "chaosaws.ec2.probes"}}, False),
        ({"provider": script}, False),
        ({"provider": {"type": "http", "url": "http://127.0.0.1:9"}}, False),
        ({"provider": script, "sample": True}, True),
        ({"provider": ours, "sample": False}, False),
        ({"ref": "somewhere-else"}, False),
    ]
    assert [is_sampled(one) for one, _ in cases] == [wanted for _, wanted in cases]
    assert [one.code for one in problems_of_samples([{"name": "x", "sample": "false"}])] == ["activity-invalid"]
