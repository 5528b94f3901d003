"""Rehearsal: everything that a drill would do, read without doing it.

``steps`` lists what an experiment would do, ``effects`` what that touches, breaks and costs. ``preview`` has FIS
resolve the targets. ``redaction`` and ``bundle`` make recorded responses fit to be shared.
"""
