"""Leftovers of both load and heartbeat: a program or its files on the client host, and objects in the S3 bucket."""

import shlex
from collections.abc import Iterator

from chaosdrill.aws import System
from chaosdrill.client.host import leftovers as host
from chaosdrill.parts.interface import Leftover, SweepScope

PROGRAM, FILES, OBJECT = "host-program", "host-files", "s3-object"


def host_leftovers(system: System, scope: SweepScope, part: str, folder: str) -> Iterator[Leftover]:
    """List what a dead run's program has left; only reads.

    A program that was polled within the last minute is in use, no matter by whom: another system may share the host. An
    object in the bucket is a leftover when its presigned URL has expired.

    :param part: the part's name, which is also the program's directory on the host.
    :param folder: its folder below the S3 prefix.
    """
    yield from _on_host(system, scope, part)
    region = system.topology.client.region
    bucket = system.topology.client.s3.partition("/")[0]
    for key, since in host.objects_below(system, folder):
        by_hand = shlex.join(["aws", "s3", "rm", f"s3://{bucket}/{key}", "--region", region])
        what = f"object in the bucket {bucket} whose presigned URL has expired"
        yield Leftover(part, OBJECT, key, region, what, by_hand, since=since)


def remove_host_leftover(system: System, leftover: Leftover, folder: str) -> None:
    """Remove what :func:`host_leftovers` lists. Does no harm when it is gone."""
    if leftover.kind == OBJECT:
        host.remove_object(system, folder, leftover.id)
    else:
        host.remove_from_host(system, leftover.part, leftover.run)


def _on_host(system: System, scope: SweepScope, part: str) -> Iterator[Leftover]:
    found, client = host.program_on_host(system, part), system.topology.client
    if found is None or found.run in scope.live_runs or (scope.live_runs and not found.run):
        return
    if found.idle_s < host.IN_USE_S:
        return
    is_process = found.is_running or bool(found.pids)
    what = f"processes {', '.join(map(str, found.pids))}" if is_process else f"files {', '.join(found.files)}"
    yield Leftover(
        part,
        PROGRAM if is_process else FILES,
        f"{client.instance_id}/{part}",
        client.region,
        f"{what} of the {part} on the client host",
        f"on {client.instance_id}: {host.removal_by_hand(found, part)}",
        found.run,
    )
