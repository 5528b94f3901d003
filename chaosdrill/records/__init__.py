"""The schema of the records of a drill: what the heartbeat and the load generator write, and everything else reads.

It needs only the standard library: it is also part of the programs that run on the client host.

The records of a writer are JSON Lines: a header (an object), then rows. Beats, requests and lookups are arrays, so that
a row is short; the first element names the type of the row. ``rows`` has them, and ``ledger`` the rows of the writes:

==========================================  =========================================================================
row                                         meaning
==========================================  =========================================================================
``["b", …]``                                a beat of the heartbeat: the columns of ``rows.BEATS``
``["r", …]``                                a request of the load: the columns of ``rows.REQUESTS``
``["d", at_ns, addresses, ttl_s, error]``   a DNS lookup of the heartbeat
``["w", until_ns]``                         watermark: the file has everything up to this time
``["e", at_ns, count]``                     the writer ended in order; count: its rows, or those of each operation
``{"row": TYPE, …}``                        a row of the ledger of writes; the types are in ``ledger``
==========================================  =========================================================================

Times are nanoseconds since the epoch by the writer's clock. Whoever adds a column raises ``rows.VERSION``, and
reads the older version, too.
"""
