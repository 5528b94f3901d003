"""Which cases of a slow behaviour run in ``make test``: each has a process, a lab or a page of its own."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_of(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """Mark the cases after the first ``count`` as ``long``.

    :returns: cases for ``parametrize``; a tuple is several values.
    """
    return [case if number < count else _long(case) for number, case in enumerate(cases)]


def _long(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
