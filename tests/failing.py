"""What a block of a test must fail with: codes instead of wording."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.errors import DrillError


@contextmanager
def fails_with(*codes: str) -> Iterator[pytest.ExceptionInfo[Exception]]:
    """Expect an activity to fail, or a function to raise a ``DrillError``, with exactly these codes in this order.

    :returns: the exception, for further assertions on it, as ``pytest.raises`` gives it.
    """
    with pytest.raises((ActivityFailed, DrillError)) as caught:
        yield caught
    error = caught.value.__cause__ if isinstance(caught.value, ActivityFailed) else caught.value
    assert isinstance(error, DrillError), f"not an error of chaosdrill: {error!r}"
    assert error.codes == codes, str(error)
