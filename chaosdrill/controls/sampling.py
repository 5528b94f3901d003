"""The hypothesis during the method: Chaos Toolkit checks it before and after only, and what became of it in between is
what one wants to compare with other runs. It is sampled, and nothing follows from a sample.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaoslib.activity import run_activity
from chaoslib.exceptions import ActivityFailed

from chaosdrill.controls.activities import arguments_of, with_arguments
from chaosdrill.controls.outcome import in_short
from chaosdrill.controls.tolerance import meets, resolved
from chaosdrill.controls.watching import Periodic
from chaosdrill.errors import CannotSee

EVERY_S = 5.0


@dataclass(frozen=True)
class Sample:
    """One look of a probe of the steady state.

    :param tolerance_met: None when that cannot be told.
    :param error: why it could not be read; else empty.
    """

    activity: str
    output: Any
    tolerance: Any
    tolerance_met: bool | None
    error: str


class Samples:
    """Samples of every probe of the steady state, each in a thread of its own: some take as long as their window.

    :param taken: told each sample.
    """

    def __init__(
        self,
        probes: Sequence[Mapping[str, Any]],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any] | None,
        taken: Callable[[Sample], None],
    ) -> None:
        self._probes = [_looking_once(probe) for probe in probes if "provider" in probe]
        self._configuration, self._secrets, self._taken = configuration, secrets, taken
        self._off = False
        self._threads = [self._sampler(probe) for probe in self._probes]

    def start(self) -> None:
        """Begin; the steady state has just been checked, so the first samples are taken a while later."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more; one that is under way is not heard any more."""
        self._off = True
        for thread in self._threads:
            thread.stop(within_s=0.0)

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
            value = run_activity(dict(probe), self._configuration, self._secrets)
            met = meets(probe["tolerance"], value, self._configuration, self._secrets)
        except (ActivityFailed, CannotSee) as error:
            return Sample(name, None, tolerance, None, in_short(str(error)))
        return Sample(name, value, tolerance, met, "")

    def _tell(self, sample: Sample) -> None:
        if not self._off:
            self._taken(sample)


def _looking_once(probe: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sample says how it is now: a probe that can wait until it is good does not wait."""
    arguments = arguments_of(probe)
    if "within_s" not in arguments:
        return probe
    return with_arguments(probe, {name: value for name, value in arguments.items() if name != "within_s"})
