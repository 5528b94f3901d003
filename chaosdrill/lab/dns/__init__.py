"""The lab's DNS: authoritative answers, computed for each query from Route 53's record sets and ARC's states.

``zone`` decides, without I/O; ``server`` speaks DNS over UDP and TCP. Neither knows where record sets come from.
"""
