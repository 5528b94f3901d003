"""The moment of a break within a drill: at once, with the fault, or with the database's switchover."""

from collections.abc import Awaitable, Callable
from typing import Any

from chaosdrill.lab.misbehaviours.model import Lab, Operation, Option

_OPERATIONS = {
    "now": (),
    "fault": ("packet_loss.inject", "network.isolate"),
    "switchover": ("database.switchover", "database.failover"),
}
WHEN = Option(
    "when", "switchover", "At once, or when the next fault or database switchover begins.", tuple(_OPERATIONS)
)


async def at(lab: Lab, when: str, act: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run an action once at that moment, before the operation that was requested then.

    :returns: a function that cancels it.
    """
    done: list[bool] = []

    async def once() -> None:
        if not done:
            done.append(True)
            await act()

    def first(operation: Operation) -> Operation:
        async def answer(**arguments: Any) -> Any:
            await once()
            return await operation(**arguments)

        return answer

    if when == "now":
        await once()
    undo = [lab.put_before(op, first) for op in _OPERATIONS[when]]

    def wait_no_more() -> None:
        done.append(True)
        for one in reversed(undo):
            one()

    return wait_no_more
