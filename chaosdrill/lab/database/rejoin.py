"""Rejoining an old primary as a standby of the server that replaced it."""

import logging

from chaosdrill.errors import LabError
from chaosdrill.lab.postgres import Server
from chaosdrill.lab.postgres.binaries import binary, run
from chaosdrill.lab.postgres.directories import removed

log = logging.getLogger(__name__)


async def rejoin(old: Server, new: Server) -> None:
    """Make the stopped ``old`` a standby of ``new``, discarding what ``new`` never received.

    ``pg_rewind`` first finishes the crash recovery of ``old``, then copies the differences. If it fails (the log back
    to the point of divergence is gone), ``old`` is copied from ``new``.

    :source: https://www.postgresql.org/docs/18/app-pgrewind.html
    """
    try:
        (old.data / "postmaster.pid").unlink(missing_ok=True)
        old.configure()
        await run(binary("pg_rewind"), "--no-sync", "-D", old.data, "--source-server", new.conninfo)
    except LabError as error:
        log.warning("%s is copied anew from %s, because it could not be rewound: %s", old.name, new.name, error)
        await removed(old.data)
        await run(binary("pg_basebackup"), "--no-sync", "-c", "fast", "-D", old.data, "-d", new.conninfo)
    await old.start(standby_of=new.conninfo)
