"""A module of chaosdrill that is misspelt in an experiment is named, and nothing is run.

Chaos Toolkit skips a control that it cannot import, with a warning: a misspelt drill control would mean no safeguards,
no undo and no verdict. Nobody asks a package about a module that it does not have, except the import system: so the
last of its finders, which sees only what no other one found, is ours.
"""

import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from chaoslib.exceptions import ChaosException
from click import ClickException

PACKAGE = "chaosdrill"
CLOSE_RATIO = 0.85


class NoSuchModule(ChaosException, ClickException):
    """Chaos Toolkit's own kind, which its validation tells. Without that (``--no-validation``) ``chaos`` tells it as
    what is wrong with its command line: one message, no traceback.
    """


class Misspelt(MetaPathFinder):
    """Finds nothing; raises for a module that chaosdrill does not have, and for a package that is called nearly so."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """:raises NoSuchModule: which, unlike an ImportError, Chaos Toolkit does not pass over."""
        package = fullname.partition(".")[0]
        if package == PACKAGE or SequenceMatcher(None, package, PACKAGE).ratio() > CLOSE_RATIO:
            raise NoSuchModule(
                f"there is no module {fullname!r}: correct the name in the experiment. The drill control is "
                f"{PACKAGE}.controls.drill; `chaos discover --no-install {PACKAGE}` lists the activities' modules"
            )
        return None


def watch_imports() -> None:
    """Be asked about modules that nobody else finds, from now on; a second call does nothing."""
    if not any(isinstance(finder, Misspelt) for finder in sys.meta_path):
        sys.meta_path.append(Misspelt())
