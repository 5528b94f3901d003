"""Access to the client side of a system: commands on the client host, name resolution, the load generator, the
heartbeat.
"""
