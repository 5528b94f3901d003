"""The process ``python -m chaosdrill.heartbeat CONFIG.json``: a heartbeat that runs until it is ended.

It ends in order on SIGTERM, when the other end of its lifeline is closed, or after ``max_s``; its page has the rest.
Exit code 2: the configuration cannot be used.
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from chaosdrill.heartbeat.config import BadConfig, Config, read_config
from chaosdrill.heartbeat.heartbeat import HeartbeatSender
from chaosdrill.heartbeat.status_responses import READABLE, Answers
from chaosdrill.heartbeat.status_server import StatusPage
from chaosdrill.page_guard import PageGuard, take_secret

ENDS_WITHIN_S = 3.0  # time for beats in progress when the process ends
log = logging.getLogger("chaosdrill.heartbeat")


def main(arguments: list[str]) -> int:
    """Run a heartbeat, and return the exit code."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m chaosdrill.heartbeat CONFIG.json\n")
        return 2
    try:
        config = read_config(Path(arguments[0]))
    except BadConfig as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return 2
    allow_many_sockets()
    come_first()
    asyncio.run(live(config))
    return 0


async def live(config: Config) -> None:
    """Run a heartbeat until something ends it."""
    loop, ending = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    if config.lifeline_fd is not None:
        watch_lifeline(config.lifeline_fd, lambda: loop.call_soon_threadsafe(ending.set), 2 * ENDS_WITHIN_S)
    heartbeat = HeartbeatSender(config)
    page = StatusPage(Answers(heartbeat).routes(), PageGuard(take_secret(), READABLE.__contains__), config.page_fd)
    await page.start()
    log.info("page: %s", page.url)
    gc.freeze()  # the objects that exist now stay: collecting them repeatedly would make beats late
    heartbeat.begin()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(config.max_s):
            await ending.wait()
    log.info("the end: %s", "told to" if ending.is_set() else f"after max_s ({config.max_s:g} s)")
    await heartbeat.stop(min(config.timeout_s + 1, max(ENDS_WITHIN_S, config.deadline_s)))
    page.close()


def watch_lifeline(descriptor: int, closed: Callable[[], object], within_s: float) -> None:
    """Call ``closed`` when the other end of a pipe is closed, and end the process at the latest ``within_s`` seconds
    later.

    This runs in a thread, so that a stuck event loop cannot prevent it.
    """

    def wait() -> None:
        while os.read(descriptor, 1):
            pass
        closed()
        time.sleep(within_s)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def allow_many_sockets() -> None:
    """Raise the limit of open files to the host's maximum: each beat in progress needs a socket."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def come_first() -> None:
    """Run with real-time priority, to be on time although the load beside it needs every core. Usually only root may;
    for others nothing changes.

    :source: sched(7): real-time processes run before all others, and leave them a twentieth of the time in any case
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
