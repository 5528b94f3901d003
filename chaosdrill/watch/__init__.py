"""Live display of a drill in another terminal, from the files that the drill writes into its run directory."""

from chaosdrill.watch.following import Following
from chaosdrill.watch.selection import wait_for_run

__all__ = ["Following", "wait_for_run"]
