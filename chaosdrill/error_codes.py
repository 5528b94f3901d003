"""The stable codes of errors and problems. Findings have theirs in :mod:`chaosdrill.analysis.findings`.

A code names one condition that a user would handle in one way. Codes are a promise: one that was released is never
renamed or given another meaning. docs/codes.md shows this table.
"""

from collections.abc import Mapping

# code: when it is reported. One line each, in alphabetical order.
ERROR_CODES: Mapping[str, str] = {
    "activity-invalid": "an activity is not valid for Chaos Toolkit, or its tolerance cannot be read",
    "argument-invalid": "an argument of an activity has a value of the wrong type or outside its range",
    "bad-input": "an input cannot be used, for a reason that has no code of its own",
    "control-missing": "the drill control is not among the experiment's own controls",
    "error": "something failed, for a reason that has no code of its own",
    "execution-failed": "a state machine's execution did not succeed",
    "lab-error": "a part of the embedded lab failed",
    "no-drill-open": "an action that changes a system was called outside a drill",
    "refused": "a safeguard refused, for a reason that has no code of its own",
    "region-state-unexpected": "the region state before the drill is not the one that it expects",
    "time-zone-unknown": "`--tz` or `CHAOSDRILL_TZ` names no known time zone",
    "timed-out": "something did not happen within its deadline",
    "undeclared-variable": "a variable is used that the experiment's configuration does not declare",
    "unreadable": "a measurement could not be made",
    "variable-unresolved": "an argument still contains ${...}: its variable has no value",
}
