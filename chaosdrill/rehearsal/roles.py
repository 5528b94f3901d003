"""Creation of the roles that an experiment's faults need, by an administrator before the drill."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException

from chaosdrill.aws import System, main_table
from chaosdrill.aws.access import reach_of
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import BadInput, problem
from chaosdrill.packet_loss import role
from chaosdrill.packet_loss.host import at_host, host_of
from chaosdrill.packet_loss.plan import DOCUMENT
from chaosdrill.rehearsal.steps import ISOLATION, LOSS, PAUSE, ExperimentActivity, steps_of
from chaosdrill.topology import Topology


def make_roles(topology: Topology, experiment: Mapping[str, Any]) -> dict[str, str]:
    """Create the roles that the faults of an experiment need, as far as they are missing.

    A step with its own ``role_arn`` needs none. One role permits packet loss on all hosts that the experiment names.

    :param topology: the topology, with the profile of an administrator.
    :param experiment: the experiment as in its file, which also gives the configuration.
    :returns: the created resources, each with the command that removes it.
    :raises BadInput: when the experiment cannot be read.
    :raises Refused: when the account is not allowed, the boundary is missing, or a role of that name cannot be used.
    """
    configuration, steps = _read(experiment)
    own = {key: value for key, value in configuration.items() if key != "aws_assume_role_arn"}  # the drill's role
    system = System(topology, reach_of(topology, own, None))
    return role.make_roles(system, list(_needed(system, [one for one in steps if not one.arguments.get("role_arn")])))


def _read(experiment: Mapping[str, Any]) -> tuple[dict[str, Any], list[ExperimentActivity]]:
    try:
        configuration = dict(load_configuration(experiment.get("configuration") or {}))
        return configuration, steps_of(experiment, configuration)
    except (ChaosException, LookupError, TypeError, AttributeError, ImportError) as error:
        raise BadInput([problem("experiment-invalid", f"the experiment cannot be read: {error!r}")]) from error


def _needed(system: System, steps: list[ExperimentActivity]) -> Iterator[role.RoleNeeded]:
    hosts = [_host(system, one.arguments) for one in steps if one.function == LOSS]
    if hosts:
        arns = dict.fromkeys(arn for host in hosts for arn in (host.document_arn, host.arn))
        yield role.for_packet_loss(*arns)
    if any(one.function == ISOLATION for one in steps):
        yield role.for_isolation(system)
    tables = [_table(system, one.arguments) for one in steps if one.function == PAUSE]
    if tables:
        yield role.for_pause(*dict.fromkeys(tables))


def _table(system: System, given: Mapping[str, Any]) -> str:
    name, region = main_table.table_name(system, given.get("table")), region_named(system, given.get("region", "home"))
    return main_table.replica(system, region, name).arn


def _host(system: System, given: Mapping[str, Any]) -> Any:
    there = at_host(system, given.get("instance_id"), given.get("instance_tags"), given.get("region"))
    return host_of(there, DOCUMENT)
