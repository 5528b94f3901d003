"""Definition of a break, and the lab's parts to which it has access."""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosdrill.lab.client import LabClientHost
    from chaosdrill.lab.database import GlobalDatabase
    from chaosdrill.lab.load_generator import LabLocust
    from chaosdrill.lab.main_table import MainTable
    from chaosdrill.lab.plan import LabPlan

Operation = Callable[..., Awaitable[Any]]
Mend = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Option:
    """An option of a break.

    :param name: its name, without leading dashes.
    :param default: also determines the type: text or seconds (float).
    :param choices: the allowed texts; empty: any.
    """

    name: str
    default: str | float
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ActiveBreak:
    """A break that is in force.

    :param mend: undoes it; returns what it could not undo, empty when everything is restored.
    :param said: information for the user who requested it.
    :param facts: the same for a program, as JSON values.
    :param lasts_s: after how many seconds it ends by itself; None: it does not.
    """

    mend: Mend
    said: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    lasts_s: float | None = None


@dataclass(frozen=True)
class Break:
    """A way to make the lab report a wrong state.

    :param name: its name on the command line.
    :param says: in one line, the reported and the actual state.
    :param means: in one line, the implementation.
    :param begin: applies it; its arguments are the lab and the options by name.
    """

    name: str
    says: str
    means: str
    begin: Callable[..., Awaitable[ActiveBreak]]
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Lab:
    """The lab's parts, in its first process.

    :param operations: the operations of the control socket, by name. A break may replace one.
    """

    plan: "LabPlan"
    database: "GlobalDatabase"
    main_table: "MainTable"
    client: "LabClientHost"
    load: "LabLocust"
    operations: MutableMapping[str, Operation]
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def put_before(self, op: str, around: Callable[[Operation], Operation]) -> Callable[[], None]:
        """Replace an operation by one made from the original. Undo replacements in reverse order.

        :returns: a function that undoes the replacement.
        """
        original = self.operations[op]
        self.operations[op] = around(original)

        def undo() -> None:
            self.operations[op] = original

        return undo

    def in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a task in the background; an error goes to the supervisor's log."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            sys.stderr.write("a break failed beside: " + "".join(traceback.format_exception(error)))

    @property
    def serving(self) -> str:
        """The region that served when the lab started."""
        return self.plan.first.name

    @property
    def other(self) -> str:
        """The region that did not serve when the lab started."""
        return next(region.name for region in self.plan.regions if region.name != self.serving)


async def whole() -> str:
    """Return that nothing is left to undo."""
    return ""
