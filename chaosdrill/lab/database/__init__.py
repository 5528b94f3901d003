"""The lab's Aurora global database: two PostgreSQL servers, one writer, physical streaming replication."""

from chaosdrill.lab.database.global_database import GlobalDatabase

__all__ = ["GlobalDatabase"]
