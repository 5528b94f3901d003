"""Settings of the lab's PostgreSQL servers: minimal resources, with the guarantees that a drill relies on."""

from collections.abc import Mapping
from pathlib import Path

Settings = Mapping[str, str | int]

SMALL: Settings = {
    "shared_buffers": "8MB",
    "max_connections": 40,
    "max_worker_processes": 4,
    "max_parallel_workers": 0,
    "max_wal_senders": 4,
    "max_replication_slots": 4,
    "autovacuum_max_workers": 1,
    "autovacuum_worker_slots": 1,
    "io_method": "sync",  # the default needs three more processes per server
    "wal_buffers": "512kB",
    "jit": "off",
}
GUARANTEES: Settings = {
    # A commit is acknowledged only when the operating system has its log record: killing any process, with any
    # signal, loses nothing. fsync would only protect against a crash of this machine, which ends the lab anyway:
    # every lab starts from a new cluster.
    "synchronous_commit": "on",
    "fsync": "off",
    "full_page_writes": "on",  # pg_rewind needs it; the other thing it needs, page checksums, is initdb's default
    "wal_keep_size": "32MB",  # log from which a disconnected standby, and pg_rewind, can catch up
    "max_wal_size": "32MB",  # data directories are in memory: see supervisor
    "min_wal_size": "4MB",
}
SURROUNDINGS: Settings = {
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "datestyle": "iso, ymd",
    "wal_retrieve_retry_interval": "100ms",  # retry interval of a standby or subscriber; the default is 5 s
    "wal_receiver_status_interval": "1s",
}
HOST_BASED_AUTHENTICATION = """\
host all all 10.0.0.0/8 trust
host replication all 10.0.0.0/8 trust
"""


def write(data: Path, settings: Settings) -> None:
    """Replace the configuration of the cluster in ``data``.

    :param settings: settings in addition to those of every server of the lab, or instead of them.
    """
    every = {**SMALL, **GUARANTEES, **SURROUNDINGS, **settings}
    (data / "postgresql.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in every.items()))
    (data / "postgresql.auto.conf").write_text("")
    (data / "pg_hba.conf").write_text(HOST_BASED_AUTHENTICATION)
