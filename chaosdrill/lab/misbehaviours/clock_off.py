"""The clock of the client host is wrong, for the load generator and the heartbeat."""

from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Option

_SITE = """\
import time

_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {seconds}
time.time_ns = lambda: _time_ns() + {nanoseconds}
"""


async def begin(lab: Lab, seconds: float) -> ActiveBreak:
    """Shift the clock of every Python that is started on the client host from now on, beginning with Locust."""
    site = lab.plan.client_python / "sitecustomize.py"
    site.write_text(_SITE.format(seconds=seconds, nanoseconds=round(seconds * 1e9)))
    await lab.load.restart()

    async def mend() -> str:
        site.unlink()
        await lab.load.restart()
        return ""

    return ActiveBreak(mend, said="Locust was started again: a test that ran there has ended")


BREAK = Break(
    "clock-off",
    "load generator and heartbeat report a wrong time",
    "a sitecustomize.py on the client host's PYTHONPATH shifts time.time and time.time_ns",
    begin,
    (Option("seconds", 5.0, "How much the clock is ahead."),),
)
