"""The lab's DNS: authoritative responses, computed for each query from Route 53's record sets and ARC's states.

``zone`` decides, without I/O; ``server`` speaks DNS over UDP and TCP. Neither depends on the origin of the record sets.
"""
