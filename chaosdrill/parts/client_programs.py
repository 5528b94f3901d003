"""Rescue of a drill's load or heartbeat program on its client host: reading its state and ending it.

Records that it wrote after its driver died are removed with it: files on the client host are leftovers, which refuse
the next drill.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.overrides import with_client_host
from chaosdrill.aws.regions import client_region
from chaosdrill.client.host.leftovers import program_on_host, remove_from_host
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.interface import CLIENT, Fact, PlannedCall, UndoStep


class ClientProgram:
    """A program that a run has, or had, on a client host.

    :param directory: of its state there, below the cache.
    :param owed: the run's owed undos of it, which name the client host if that is not the topology's.
    """

    def __init__(self, system: System, run: str, directory: str, owed: Sequence[OwedUndo]) -> None:
        self._run, self._directory = run, directory
        systems = [_at_host(system, one) for one in owed]
        self._systems = list({one.topology.client: one for one in systems}.values())

    def fact(self) -> Fact:
        """Read whether a client host has it, or its files: ``ours`` or ``none``.

        One that has ended by itself, or was killed, counts as present until its files are removed.
        """
        hosts = [system.topology.client.instance_id for system in self._systems if self._is_there(system)]
        return Fact("ours" if hosts else "none", {"hosts": list(dict.fromkeys(hosts))})

    def end(self) -> Mapping[str, Any]:
        """End it, and remove its files. Does no harm when it has ended.

        :raises CannotSee: when the client host does not respond: it may still run.
        """
        there = [system for system in self._systems if self._is_there(system)]
        for system in there:
            remove_from_host(system, self._directory, self._run)
        return {"done": bool(there)}

    def is_ended(self) -> bool:
        """Read whether no client host has the program or its files."""
        return self.fact().value == "none"

    def _is_there(self, system: System) -> bool:
        found = program_on_host(system, self._directory)
        return found is not None and found.run == self._run


def _at_host(system: System, owed: OwedUndo) -> System:
    named = owed.before.get("arguments") or owed.arguments
    return with_client_host(system, named.get("instance_id"), client_region(system, named.get("region")))


def planned_program(system: System, given: Mapping[str, Any], what: str) -> PlannedCall | None:
    """Return the request with which a step starts or ends its program; None where the program is not this drill's.

    :param given: the step's arguments, which may name the client host.
    :param what: the purpose, such as ``start a Locust``.
    """
    if system.topology.client.run == "attach":
        return None
    if system.topology.client.run == "local":
        return PlannedCall("process", what, "", {}, "on this machine")
    client = with_client_host(system, given["instance_id"], client_region(system, given["region"])).topology.client
    parameters = {
        "InstanceIds": [client.instance_id],
        "DocumentName": "AWS-RunShellScript",
        "Parameters": {"commands": [f"<{what}>"]},
        "Comment": "chaosdrill",
    }
    note = (
        "several: missing files are sent over S3 or in parts; then the program is started and called, and "
        "its records are collected"
    )
    return PlannedCall("ssm", "SendCommand", client.region, parameters, note)


def end_step(part: str, what: str, owed: Sequence[OwedUndo], program: ClientProgram) -> UndoStep:
    """Return the step that ends a program of the client host."""
    return UndoStep(part, CLIENT, what, numbers(owed), program.end, program.is_ended)


def numbers(owed: Sequence[OwedUndo]) -> tuple[int, ...]:
    """List the numbers of owed undos."""
    return tuple(undo.number for undo in owed)
