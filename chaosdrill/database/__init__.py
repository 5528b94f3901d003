"""The stores: the writer of the Aurora global database, and the replication lag of both stores."""
