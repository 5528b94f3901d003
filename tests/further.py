"""Which cases of a slow behaviour run in ``make test``: each has a process, a lab or a page of its own.

Of a property, ``make test`` tries a few examples, and ``make test-all`` and whoever runs a single file all of them.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

QUICK, QUICK_EXAMPLES = "quick", 25


def first_of(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """Mark the cases after the first ``count`` as ``long``.

    :returns: cases for ``parametrize``; a tuple is several values.
    """
    return [case if number < count else _long(case) for number, case in enumerate(cases)]


def _long(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)


def examples(count: int, **others: Any) -> settings:
    """How many examples of a property are tried where all of them are."""
    few = settings.get_current_profile_name() == QUICK
    return settings(max_examples=min(count, QUICK_EXAMPLES) if few else count, **others)
