"""The only version of moto that the lab's patches support."""

from importlib.metadata import PackageNotFoundError, version

from chaosdrill.errors import LabError

MOTO_VERSION = "5.2.5"


def require_pinned_moto() -> None:
    """Refuse every other version: a patch that no longer matches would silently make a drill's results wrong.

    :raises LabError: when moto is missing or is not exactly the pinned version.
    """
    try:
        found = version("moto")
    except PackageNotFoundError:
        found = "not installed"
    if found != MOTO_VERSION:
        raise LabError(
            f"the lab's AWS endpoint needs moto[server] {MOTO_VERSION} exactly, found: {found}. "
            f"Its patches are tested against that version only: pip install 'moto[server]=={MOTO_VERSION}'"
        )
