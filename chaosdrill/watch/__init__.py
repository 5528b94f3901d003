"""A drill as it happens, in a terminal beside it, from nothing but what it writes into its run directory."""

from chaosdrill.watch.choosing import wait_for_run
from chaosdrill.watch.following import Following

__all__ = ["Following", "wait_for_run"]
