"""Coordination between drills: one lease per system, owed undos, confirmations and approvals.

It is stored in a DynamoDB table that the topology names, in a third region, or, without a table, in files of this
machine.
"""

from chaosdrill.coordination.access import coordination_of, lease_request
from chaosdrill.coordination.keeper import hold_lease

__all__ = ["coordination_of", "hold_lease", "lease_request"]
