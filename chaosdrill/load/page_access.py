"""Instructions on the terminal for using Locust's page during a drill, or a warning that any user can use it."""

import logging
import sys
from contextlib import suppress
from typing import TextIO

from chaosdrill import history
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.client.locust_page import OPEN_PAGE
from chaosdrill.errors import CannotSee, problem

logger = logging.getLogger("chaostoolkit")


def show_page_access(generator: LoadGenerator) -> None:
    """Print the URL that allows one browser to use Locust's page, or warn that every user and every web page can use
    it.

    The URL is printed on a terminal only: it must not be in a log.
    """
    if generator.is_open_to_strangers():
        logger.warning(problem("locust-page-open", f"the Locust at {generator.url} is open: {OPEN_PAGE}"))
        history.record("load-page-open", url=generator.url)
        return
    if (terminal := _terminal()) is None:
        return
    with suppress(CannotSee, OSError):
        if words := generator.page_access():
            terminal.write(f"{words}\n")
            terminal.flush()


def _terminal() -> TextIO | None:
    """Return the stream of Chaos Toolkit's log lines, if it is a terminal, so that the lines do not mix."""
    handlers = [one for one in logger.handlers if isinstance(one, logging.StreamHandler)]
    streams = [one.stream for one in handlers if not isinstance(one, logging.FileHandler)]
    for stream in (*streams, sys.stderr):
        if stream.isatty():
            found: TextIO = stream
            return found
    return None
