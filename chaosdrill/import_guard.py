"""An import guard: a missing module of chaosdrill, or one that is no control, stops an experiment before it runs.

Chaos Toolkit skips a control that it cannot import, with a warning, and silently skips a module without hooks. In both
cases there would be no safeguards, no undo and no verdict. A package is not notified of the import of a module that it
does not have, but the last finder of the import system is, when no other finder found the module. A module is not
notified of the lookup of hooks that it does not have, so the function of Chaos Toolkit that looks them up is wrapped.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from chaoslib.control import python as chaos_controls
from chaoslib.exceptions import ChaosException, InterruptExecution, InvalidControl
from click import ClickException

PACKAGE = "chaosdrill"
CLOSE_RATIO = 0.85
VALIDATION, FIRST_HOOK = "validate_control", "before_experiment_control"


class NoSuchModule(ChaosException, ClickException):
    """A missing module. Chaos Toolkit's validation reports a ``ChaosException``. With ``--no-validation``, ``chaos``
    reports a ``ClickException`` as a wrong command line: one message, no traceback.
    """


class NotAControl(InvalidControl, InterruptExecution):
    """A control module without hooks: validation reports it; without validation, it ends the experiment before it
    begins.
    """


class Misspelt(MetaPathFinder):
    """A finder that finds nothing, and raises for a missing module of chaosdrill or of a package with a similar
    name.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for a missing module of chaosdrill; leave all others to the import system.

        :raises NoSuchModule: which Chaos Toolkit, unlike an ImportError, does not ignore.
        """
        package = fullname.partition(".")[0]
        if package == PACKAGE or SequenceMatcher(None, package, PACKAGE).ratio() > CLOSE_RATIO:
            raise NoSuchModule(
                f"there is no module {fullname!r}: correct the name in the experiment. The drill control is "
                f"{PACKAGE}.controls.drill; `chaos discover --no-install {PACKAGE}` lists the activities' modules"
            )
        return None


def watch_imports() -> None:
    """Check imports that no other finder resolves, and controls of this package; a second call does nothing."""
    if not any(isinstance(finder, Misspelt) for finder in sys.meta_path):
        sys.meta_path.append(Misspelt())
        chaos_controls.load_func = _refusing_modules_without_hooks(chaos_controls.load_func)


def _refusing_modules_without_hooks(load: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(load)
    def load_func(control: Mapping[str, Any], name: str) -> Any:
        module = str(control["provider"]["module"])
        if name in (VALIDATION, FIRST_HOOK) and module.partition(".")[0] == PACKAGE and not load(control, FIRST_HOOK):
            raise NotAControl(
                f"control {control.get('name')}: {module} is no control: write {PACKAGE}.controls.drill, else there "
                "are no safeguards, no rollbacks that know what was done, and no verdict"
            )
        return load(control, name)

    return load_func
