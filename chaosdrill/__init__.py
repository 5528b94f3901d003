"""Rehearse a region failover and prove how it went: a Chaos Toolkit extension."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaoslib.types import Discovery

if "chaoslib.control.python" in sys.modules:  # within `chaos`, which imports activities and controls by their names
    from chaosdrill.import_guard import watch_imports

    watch_imports()

__version__ = "0.1.0"
__all__ = ["__version__", "discover"]


def discover(discover_system: bool = True) -> "Discovery":
    """List the activities and controls of this extension, for ``chaos discover --no-install chaosdrill``.

    :returns: every activity and control, with its arguments and their types.
    """
    from chaosdrill.activity_discovery import discovered

    return discovered()
