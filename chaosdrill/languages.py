"""The language of reports and of the last lines of a drill: English or Japanese."""

import os
from typing import Final

from chaosdrill.errors import BadInput, problem

VARIABLE: Final = "CHAOSDRILL_LANG"
LANGUAGES: Final = ("en", "ja")


def language_from(option: str | None = None) -> str:
    """Find the language to write in.

    :param option: value of ``--lang``; None where the option is absent.
    :returns: the language of the option, else of ``CHAOSDRILL_LANG``, else ``en``.
    :raises BadInput: ``language-unknown``, naming the option or the variable.
    """
    source, name = ("--lang", option) if option else (VARIABLE, os.environ.get(VARIABLE, ""))
    if name and name not in LANGUAGES:
        raise BadInput([problem("language-unknown", f"{source}: language {name!r} is unknown: use en or ja")])
    return name or LANGUAGES[0]
