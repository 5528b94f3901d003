"""Failover and failback with the system's own pair of state machines (Step Functions)."""
