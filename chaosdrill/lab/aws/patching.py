"""Replacement of attributes in moto."""

from typing import Any

from chaosdrill.errors import LabError


def replace(owner: Any, name: str, mended: Any) -> None:
    """Replace an attribute of one of moto's modules or classes.

    :raises LabError: when there is no such attribute, because moto is not the version for which the patch was written.
    """
    if not hasattr(owner, name):
        raise LabError(f"moto has no {getattr(owner, '__name__', owner)}.{name} to patch: it is not the pinned version")
    setattr(owner, name, mended)
