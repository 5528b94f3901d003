"""What a break is, and what of the lab it may lay hands on."""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosdrill.lab.client import ClientHost
    from chaosdrill.lab.database import GlobalDatabase
    from chaosdrill.lab.load_generator import LoadGenerator
    from chaosdrill.lab.main_table import MainTable
    from chaosdrill.lab.plan import LabPlan

Operation = Callable[..., Awaitable[Any]]
Mend = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Option:
    """An option of a break.

    :param name: as it is written, without dashes before it.
    :param default: also tells the type: text or seconds (float).
    :param choices: what a text may be; empty: anything.
    """

    name: str
    default: str | float
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Begun:
    """A break that is in force.

    :param mend: ends it; answers with what it could not undo, empty when everything is as it was.
    :param said: what whoever asked for it should know.
    :param facts: the same for a program, JSON values.
    :param lasts_s: after how many seconds it ends by itself; None: it does not.
    """

    mend: Mend
    said: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    lasts_s: float | None = None


@dataclass(frozen=True)
class Break:
    """One way to lie.

    :param name: as it is typed.
    :param says: in one line, what is claimed and what is so.
    :param means: in one line, how it is done.
    :param begin: does it; takes the lab and the options by name.
    """

    name: str
    says: str
    means: str
    begin: Callable[..., Awaitable[Begun]]
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Lab:
    """The lab's parts, in its first process.

    :param operations: what the control socket answers with, by name. A break may put itself in front of one.
    """

    plan: "LabPlan"
    database: "GlobalDatabase"
    main_table: "MainTable"
    client: "ClientHost"
    load: "LoadGenerator"
    operations: MutableMapping[str, Operation]
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def put_before(self, op: str, around: Callable[[Operation], Operation]) -> Callable[[], None]:
        """Answer an operation with another one, made from the original. Undo in the reverse order.

        :returns: undoes it.
        """
        original = self.operations[op]
        self.operations[op] = around(original)

        def undo() -> None:
            self.operations[op] = original

        return undo

    def in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do something beside; an error goes to the supervisor's log."""
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
        """The region that did not."""
        return next(region.name for region in self.plan.regions if region.name != self.serving)


async def whole() -> str:
    """:returns: that nothing is left to mend."""
    return ""
