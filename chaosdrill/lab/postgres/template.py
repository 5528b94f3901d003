"""A newly initialised cluster, created once per PostgreSQL version and then copied.

``initdb`` leaves a cleanly stopped cluster, so a plain copy of its directory is a valid base backup: two copies can
become a primary and its standby without ``pg_basebackup``.
"""

import asyncio
import fcntl
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chaosdrill.lab.postgres.binaries import binary, control_data, run, version
from chaosdrill.lab.postgres.configuration import SMALL
from chaosdrill.lab.postgres.directories import removed

USER = "app"
OPTIONS = (
    f"--username={USER}",
    "--auth=trust",
    "--no-instructions",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--wal-segsize=1",  # MB; the default of 16 would make every server's smallest log 32 MB
    # recorded in the cluster's control file; a standby refuses to start with lower values than those
    *(f"--set={name}={value}" for name, value in SMALL.items()),
)


async def empty_cluster(cache: Path, destination: Path) -> None:
    """Copy a newly initialised cluster to ``destination``, which must not exist.

    :param cache: directory that keeps the initialised cluster between labs.
    :raises LabError: when ``initdb`` or the copy fails.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    # GNU cp in a separate process: a thread that copies 1000 files would compete with the event loop for the GIL
    await run("cp", "-a", "--reflink=auto", await initialised(cache), destination)


async def initialised(cache: Path) -> Path:
    """Return the cached initialised cluster; it is created at the first use.

    It has its final name only once it is complete and on disk (``initdb`` syncs it), so neither a killed lab nor a
    power failure leaves an incomplete one.
    """
    key = hashlib.sha256(" ".join(OPTIONS).encode()).hexdigest()[:8]
    kept = cache / f"postgres-{version()}-{key}"
    async with _alone(cache):
        if not kept.exists():
            making = kept.with_name(f"{kept.name}.making")
            await removed(making)  # a killed lab left it
            await run(binary("initdb"), *OPTIONS, making)
            await _drop_unneeded_log(making)
            making.rename(kept)
    return kept


async def _drop_unneeded_log(cluster: Path) -> None:
    """Remove all log segments except the one of the clean stop; the others are 8 MB of spare space, and copied every
    time.
    """
    needed = (await control_data(cluster))["Latest checkpoint's REDO WAL file"]
    for segment in (cluster / "pg_wal").glob("[0-9A-F]" * 24):
        if segment.name != needed:
            segment.unlink()


@asynccontextmanager
async def _alone(cache: Path) -> AsyncIterator[None]:
    """Allow one process at a time, among all labs that share the cache; the lock is released with its holder."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
