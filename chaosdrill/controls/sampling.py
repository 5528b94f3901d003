"""Samples of the hypothesis during the method; Chaos Toolkit checks it only before and after. They are for comparisons
with other runs; the verdict does not depend on them.

A probe that was written to be checked twice may not be suitable for a run every few seconds during the method: a script
may take a lock, a test may write. So only chaosdrill's own probes are sampled, and those with ``sample: true``.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chaoslib import decode_bytes, substitute
from chaoslib.activity import run_activity
from chaoslib.exceptions import ActivityFailed

from chaosdrill.controls.activities import arguments_of, with_arguments
from chaosdrill.controls.outcome import in_short
from chaosdrill.controls.tolerance import meets, resolved
from chaosdrill.controls.watching import Periodic
from chaosdrill.errors import CannotSee, Problem, problem

EVERY_S = 5.0
OWN = "chaosdrill."  # modules whose probes only read, so that they may run at any time


def problems_of_samples(probes: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return a problem for each probe whose ``sample`` is neither true nor false."""
    return [
        problem("activity-invalid", f"steady-state-hypothesis: {probe.get('name')}: sample: write true or false")
        for probe in probes
        if not isinstance(probe.get("sample", False), bool)
    ]


def is_sampled(probe: Mapping[str, Any]) -> bool:
    """Return whether a probe of the steady state is sampled: by its own ``sample``, else if it is chaosdrill's."""
    module = str((probe.get("provider") or {}).get("module"))
    return "provider" in probe and bool(probe.get("sample", module.startswith(OWN)))


@dataclass(frozen=True)
class Sample:
    """One sample of a probe of the steady state.

    :param tolerance_met: None when that is unknown.
    :param error: why it could not be read; else empty.
    """

    activity: str
    output: Any
    tolerance: Any
    tolerance_met: bool | None
    error: str


KILLED_WITHIN_S = 5.0


class Samples:
    """Samplers of the probes that :func:`is_sampled` selects, each in a thread of its own: some take as long as their
    window.

    :param taken: called with each sample.
    """

    def __init__(
        self,
        probes: Sequence[Mapping[str, Any]],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any] | None,
        taken: Callable[[Sample], None],
    ) -> None:
        self._probes = [_looking_once(probe) for probe in probes if is_sampled(probe)]
        self._configuration, self._secrets, self._taken = configuration, secrets, taken
        self._off = False
        self._processes = Processes()
        self._threads = [self._sampler(probe) for probe in self._probes]

    def start(self) -> None:
        """Start sampling; the steady state has just been checked, so the first samples come one interval later."""
        for thread in self._threads:
            thread.start()

    def stop(self, within_s: float) -> None:
        """Stop sampling, and wait for running samples, so that none continues during the next stage.

        :param within_s: for so many seconds; then their processes are killed, and the other samples are not recorded
            any more.
        """
        until_s = time.monotonic() + within_s
        for thread in self._threads:
            thread.stop(within_s=0.0)
        for thread in self._threads:
            thread.stop(within_s=max(0.0, until_s - time.monotonic()))
        self._off = True
        if self._processes.kill():
            for thread in self._threads:
                thread.stop(within_s=KILLED_WITHIN_S)

    def _sampler(self, probe: Mapping[str, Any]) -> Periodic:
        name = str(probe["name"])

        def look() -> None:
            self._tell(self._sample(name, probe))

        def failed(error: Exception) -> None:
            self._tell(Sample(name, None, probe["tolerance"], None, f"{type(error).__name__}: {error}"))

        return Periodic(f"sample-{name}", EVERY_S, look, failed, first_after_s=EVERY_S)

    def _sample(self, name: str, probe: Mapping[str, Any]) -> Sample:
        tolerance = resolved(probe["tolerance"], self._configuration, self._secrets)
        try:
            value = self._run(probe)
            met = meets(probe["tolerance"], value, self._configuration, self._secrets)
        except (ActivityFailed, CannotSee) as error:
            return Sample(name, None, tolerance, None, in_short(str(error)))
        return Sample(name, value, tolerance, met, "")

    def _run(self, probe: Mapping[str, Any]) -> Any:
        if probe["provider"]["type"] == "process":
            return self._processes.run(probe, self._configuration, self._secrets)
        return run_activity(dict(probe), self._configuration, self._secrets)

    def _tell(self, sample: Sample) -> None:
        if not self._off:
            self._taken(sample)


class Processes:
    """A runner of process probes as Chaos Toolkit runs them, each in a process group of its own that can be killed
    as a whole.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._ended = False

    def run(
        self, probe: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Run a process probe.

        :returns: ``status``, ``stdout`` and ``stderr``, as ``chaoslib.provider.process`` does.
        :raises CannotSee: when it took longer than its own timeout, or was killed.
        """
        provider = probe["provider"]
        with self._lock:
            if self._ended:
                raise CannotSee("the method has ended")
            process = _started(provider, substitute(provider.get("arguments", []), configuration, secrets))
            self._running.add(process.pid)
        try:
            out, err = process.communicate(timeout=provider.get("timeout"))
        except subprocess.TimeoutExpired as error:
            _kill(process.pid)
            process.communicate()
            raise CannotSee(f"the process took longer than {error.timeout:g} s") from error
        finally:
            with self._lock:
                self._running.discard(process.pid)
        return {"status": process.returncode, "stdout": decode_bytes(out), "stderr": decode_bytes(err)}

    def kill(self) -> bool:
        """Kill every running process, with its children, and let no other start.

        :returns: whether there was one.
        """
        with self._lock:
            self._ended = True
            for group in self._running:
                _kill(group)
            return bool(self._running)


def _started(provider: Mapping[str, Any], arguments: Any) -> subprocess.Popen[bytes]:
    path = shutil.which(os.path.expanduser(provider["path"])) or str(provider["path"])
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    if isinstance(arguments, str):
        return subprocess.Popen(f"{path} {arguments}", shell=True, **streams)
    if isinstance(arguments, Mapping):
        arguments = [part for pair in arguments.items() for part in pair]
    return subprocess.Popen([path, *(str(part) for part in arguments if part not in (None, ""))], **streams)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(group, signal.SIGKILL)


def _looking_once(probe: Mapping[str, Any]) -> Mapping[str, Any]:
    """Remove ``within_s`` from a probe: a sample is the present value and must not wait for a good one."""
    arguments = arguments_of(probe)
    if "within_s" not in arguments:
        return probe
    return with_arguments(probe, {name: value for name, value in arguments.items() if name != "within_s"})
