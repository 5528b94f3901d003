"""Preflight: every condition that must hold before a drill begins, as one list of checks.

Each part of the system has its own (:meth:`chaosdrill.parts.interface.Part.checks`); :mod:`chaosdrill.preflight.core`
has those that belong to no part. A check only reads.
"""

from chaosdrill.preflight.run import CheckResult, preflight, refuse

__all__ = ["CheckResult", "preflight", "refuse"]
