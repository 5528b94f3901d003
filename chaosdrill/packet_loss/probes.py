"""Probes of the packet loss: the state of its experiment, and whether clients notice it."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import probe
from chaosdrill.aws import system_of
from chaosdrill.aws.overrides import with_client_host
from chaosdrill.aws.regions import client_region
from chaosdrill.client.load_generator import load_generator
from chaosdrill.packet_loss import evidence, experiments

__all__ = ["fault_landed", "fault_state"]


@probe
def fault_state(
    region: Optional[str] = None, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None
) -> str:
    """Return the state of this run's last packet-loss experiment.

    :param region: where it runs, by name or as home, standby, active; default: wherever this run has started one, and
        where the client host is.
    :returns: FIS's state: pending, initiating, running, completed, stopping, stopped, failed, cancelled; ``none`` when
        this run has started none.
    :raises ActivityFailed: when FIS does not respond.
    :source: https://docs.aws.amazon.com/fis/latest/APIReference/API_ExperimentState.html
    """
    system = system_of(configuration, secrets)
    own = experiments.own(system, client_region(system, region))
    return own[-1].state if own else "none"


@probe
def fault_landed(
    within_s: float = 60,
    window_s: float = 10,
    baseline_window_s: float = 10,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> bool:
    """Return whether this run's packet loss affects clients: latency and errors compared with the time before, and
    drops.

    :param within_s: for how long to check windows, in seconds; at least one window is judged.
    :param window_s: length of a window under the fault, in seconds.
    :param baseline_window_s: length of the window just before the fault, in seconds.
    :param region: only a fault on a host of this region, by name or as home, standby, active; default: any.
    :returns: true when packets were dropped (where the topology says how to count them) and p90, the mean or (only
        where drops were counted) the share of failed requests rose clearly; false when not, or when this run has
        injected nothing.
    :raises ActivityFailed: when a window is unreadable or idle, or no drill is open to know the time before.
    :source: docs/drill.md, "The fault landed"; chaosdrill.packet_loss.effect
    """
    system = system_of(configuration, secrets)
    injected = evidence.injection(client_region(system, region))
    if injected is None:
        history.record(evidence.EFFECT, landed=False, judgement="this run has injected no fault")
        return False
    times = evidence.Times(float(within_s), float(window_s), float(baseline_window_s))
    return evidence.landed_within(
        with_client_host(system, **injected.host), load_generator(configuration), injected, times
    )
