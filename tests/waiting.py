"""Waiting in tests: for a condition, never for a time.

``LONG_S`` is no expectation. It only ends a test whose condition never comes true, so it is long: a busy machine takes
twenty times as long for everything.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONG_S = 180.0
EVERY_S = 0.02


def wait_for(poll: Callable[[], T], good: Callable[[T], object] = bool, what: str = "", within_s: float = LONG_S) -> T:
    """Poll until the answer is good.

    :param within_s: when the test is ended; for what takes minutes on an idle machine.
    :returns: the good answer.
    :raises AssertionError: after ``within_s``, with the last answer.
    """
    give_up = time.monotonic() + within_s
    while not good(answer := poll()):
        assert time.monotonic() < give_up, f"waited {within_s:g} s for {what or poll}; last answer: {answer}"
        time.sleep(EVERY_S)
    return answer


async def until(condition: Callable[[], object]) -> None:
    """Wait in an event loop until the condition holds.

    :raises AssertionError: after ``LONG_S``.
    """
    give_up = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < give_up, f"waited {LONG_S:g} s for {condition}"
        await asyncio.sleep(EVERY_S)
