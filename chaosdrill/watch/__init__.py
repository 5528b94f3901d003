"""Live display of a drill in another terminal, from the files that the drill writes into its run directory."""

from chaosdrill.watch.choosing import wait_for_run
from chaosdrill.watch.following import Following

__all__ = ["Following", "wait_for_run"]
