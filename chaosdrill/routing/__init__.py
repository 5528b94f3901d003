"""Routing controls (Route 53 ARC): which region the domain leads to."""
