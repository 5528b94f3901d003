"""The optional extras of the package: what each needs, and how to install it."""

import importlib.metadata

from packaging.requirements import Requirement


def install_command(extra: str) -> str:
    """Return the command that installs the dependencies of an extra.

    It does not name chaosdrill: a package of that name on a package index is not this one.
    """
    needed = map(Requirement, importlib.metadata.requires("chaosdrill") or ())
    wanted = sorted(
        f"'{one.name}{''.join(f'[{name}]' for name in one.extras)}{one.specifier}'"
        for one in needed
        if one.marker and one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})
    )
    return f"pip install {' '.join(wanted)}"
