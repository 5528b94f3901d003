"""ANTLR's version check, without its warnings.

Fixes: moto's grammars come from ANTLR 4.13, and the runtime is 4.10, which prints a warning for each definition.
jsonpath2, which Chaos Toolkit's tolerances of type ``jsonpath`` need, runs with ANTLR 4.10 only. Since 4.10 the
serialized grammars have the same format, so that runtime reads moto's.

:source: https://github.com/antlr/antlr4/releases/tag/4.10 (ATN serialization)
"""

from typing import Any

from antlr4.Recognizer import Recognizer

from chaosdrill.lab.aws.patching import replace


def _check_version(self: Any, tool_version: str) -> None:
    """Accept any version: the lab's requirements pin both."""


def install() -> None:
    """Use it for every definition."""
    replace(Recognizer, "checkVersion", _check_version)
