"""Preflight: everything that must be right before a drill begins, as one list of checks.

Each part of the system has its own (:meth:`chaosdrill.parts.interface.Part.checks`); :mod:`chaosdrill.preflight.core`
has those of no part. A check only reads.
"""

from chaosdrill.preflight.run import CheckResult, preflight, refuse

__all__ = ["CheckResult", "preflight", "refuse"]
