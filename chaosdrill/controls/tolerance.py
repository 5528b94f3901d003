"""Whether a value is what was expected, where Chaos Toolkit's own check would end the run or say nothing."""

import copy
from collections.abc import Mapping
from typing import Any

from chaoslib import substitute
from chaoslib.hypothesis import within_tolerance

from chaosdrill.errors import CannotSee


def meets(
    tolerance: Any, value: Any, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
) -> bool:
    """Check a value.

    :returns: whether it is within the tolerance.
    :raises CannotSee: when the tolerance cannot be applied to it. Inside a steady state Chaos Toolkit would end with a
        traceback then: no rollbacks, no journal.
    """
    expected = resolved(tolerance, configuration, secrets)
    try:
        answer = within_tolerance(copy.deepcopy(expected), value, configuration=configuration, secrets=secrets)
    except Exception as error:
        raise CannotSee(f"{value!r} cannot be compared with the tolerance {expected!r}: {error}") from error
    if answer is None:
        raise CannotSee(f"a tolerance of {expected!r} is of a type that Chaos Toolkit does not compare")
    return bool(answer)


def resolved(tolerance: Any, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> Any:
    """:returns: the tolerance with its variables, as Chaos Toolkit resolves them: only in a text."""
    return substitute(tolerance, configuration, secrets) if isinstance(tolerance, str) else tolerance
