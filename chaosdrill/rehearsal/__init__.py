"""Looking at everything that a drill would do, without doing it.

``steps`` says what an experiment would do, ``effects`` what that touches, breaks and costs, ``preview`` asks FIS which
targets it would hit, ``redaction`` and ``bundle`` make recorded answers fit to be handed on.
"""
