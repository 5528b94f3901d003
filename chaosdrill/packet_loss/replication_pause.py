"""Pause of the main table's replication: the FIS experiment template, and the time until the pause is in force."""

from typing import Any

from chaosdrill.aws import System, fis, main_table
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.aws.polling import poll
from chaosdrill.errors import BadInput, DrillError, Refused, problem
from chaosdrill.packet_loss.plan import LONGEST_S, iso_duration

KIND = "replication-pause"  # the kind of the fault in the run's history
PAUSED_WITHIN_S = 300.0  # "tables may continue to be replicated for up to 5 minutes after action begins"
SHORTEST_S = 360


def refuse_arguments(duration_s: Any) -> None:
    """Check the duration.

    :raises BadInput: when it is wrong.
    """
    try:
        right = not isinstance(duration_s, bool) and SHORTEST_S <= float(duration_s) <= LONGEST_S
        right = right and float(duration_s) == int(duration_s)
    except (TypeError, ValueError):
        right = False
    if not right:
        why = (
            f"duration_s is {duration_s!r}: write a whole number from {SHORTEST_S} to {LONGEST_S} s; DynamoDB may go "
            f"on replicating for the first {PAUSED_WITHIN_S:g} s"
        )
        raise BadInput([problem("argument-invalid", why)])


def pausable_replica(system: System, region: str, name: str) -> main_table.Replica:
    """Return the region's replica of the table.

    :raises BadInput: when there is no such table.
    :raises Refused: when its replication cannot be paused: the other region has no replica, or writes wait for it.
    """
    found, other = main_table.replica(system, region, name), system.topology.other_region(region)
    if other not in found.others:
        raise Refused(
            f"the replication was not paused: table {name} in {region} has no replica in {other}: correct "
            "`main_table:` in the topology, or `table`",
            code="main-table-not-global",
        )
    if found.strongly_consistent:
        raise Refused(
            f"the replication was not paused: the global table {name} is strongly consistent, so {region} would refuse "
            "writes meanwhile, and no accepted write would be at stake: leave this step out",
            code="main-table-strongly-consistent",
        )
    return found


def refuse_paused(system: System, replica: main_table.Replica) -> None:
    """Refuse to pause a replication twice.

    :raises Refused: when an experiment pauses the replication already.
    """
    if found := fis.with_fault_on(system, replica.region, [replica.arn]):
        shown = ", ".join(f"{one.id} ({one.state})" for one in found)
        raise Refused(
            f"the replication of {replica.name} in {replica.region} is paused already by {shown}: stop it "
            "(heal_packet_loss stops this run's), or wait for its end",
            code="fault-in-force",
        )


def template(table_arn: str, duration_s: int, name: str, role_arn: str) -> dict[str, Any]:
    """Return the arguments of CreateExperimentTemplate."""
    return {
        "description": "The replication of a global table is paused",
        "actions": {
            "Pause-Replication": {
                "actionId": fis.PAUSE,
                "parameters": {"duration": iso_duration(duration_s)},
                "targets": {"Tables": "Tables-Target-1"},
            }
        },
        "targets": {
            "Tables-Target-1": {
                "resourceType": "aws:dynamodb:global-table",
                "resourceArns": [table_arn],
                "selectionMode": "ALL",
            }
        },
        "stopConditions": [{"source": "none"}],
        "roleArn": role_arn,
        "tags": {"Name": name, **fis.CREATED_BY_US},
    }


def wait_until_paused(system: System, experiment_id: str, region: str) -> None:
    """Wait as long as DynamoDB may continue to replicate after FIS reports the action as running. Nothing shows the
    pause earlier.

    :raises DrillError: when FIS ends the experiment meanwhile, with its reason.
    """
    wait_s = PAUSED_WITHIN_S * system.topology.time_scale
    with describe_half_done(f"FIS experiment {experiment_id} was started: heal_packet_loss stops it"):
        for experiment in poll(lambda: fis.experiment(system, experiment_id, region), wait_s):
            if not experiment.active:
                raise DrillError(
                    f"FIS experiment {experiment_id} is {experiment.state} before the replication was surely paused: "
                    f"{experiment.reason or 'no reason given'}: correct that, then pause again",
                    code="fault-not-started",
                )
