"""The exit code of ``chaos run``: one for each verdict. Chaos Toolkit itself uses 1 for everything but a success."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

import click

# 1 is Chaos Toolkit's own (the experiment was not found or is invalid), 2 is click's (the command line is wrong).
COMMAND: Final = "run"
EXIT_CODES: Final[Mapping[str, int]] = {"passed": 0, "failed": 3, "invalid": 4, "refused": 5, "interrupted": 6}


def set_exit_code(
    verdict: str, reported: type[BaseException] = click.exceptions.Exit, leaves_threads: bool = False
) -> None:
    """Make ``chaos run`` exit with the code of a verdict. A success of Chaos Toolkit remains one only if it is
    ``passed``.

    Chaos Toolkit writes the journal, notifies, and then exits with 1 through click's context, which calls this when it
    closes. Another error, such as a journal that cannot be written, is not replaced. Outside of ``chaos run`` there is
    no exit code to set.

    :param reported: the error that Chaos Toolkit has reported when it exits.
    :param leaves_threads: whether the process ends although a step still runs in a thread. Since Python 3.13 the
        interpreter waits for such a thread; before, not once a wait for the thread was interrupted.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != COMMAND or not EXIT_CODES[verdict]:
        return

    def leave() -> None:
        leaving = sys.exc_info()[1]
        if leaving is None or isinstance(leaving, (click.exceptions.Exit, reported)):
            if leaves_threads:
                _end_process(EXIT_CODES[verdict])
            raise click.exceptions.Exit(EXIT_CODES[verdict])

    context.call_on_close(leave)


def _end_process(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
