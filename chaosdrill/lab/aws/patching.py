"""Putting a patch in its place."""

from typing import Any

from chaosdrill.errors import LabError


def replace(owner: Any, name: str, mended: Any) -> None:
    """Replace an attribute of one of moto's modules or classes.

    :raises LabError: when there is no such attribute: this is another moto than the patch was written for.
    """
    if not hasattr(owner, name):
        raise LabError(f"moto has no {getattr(owner, '__name__', owner)}.{name} to mend: it is not the pinned version")
    setattr(owner, name, mended)
