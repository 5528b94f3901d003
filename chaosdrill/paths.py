"""The directory in which chaosdrill stores everything on this machine: runs, labs, locks."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

from chaosdrill.errors import BadInput, problem

VARIABLE = "CHAOSDRILL_HOME"
RUNS_VARIABLE = "CHAOSDRILL_RUNS"


def home() -> Path:
    """Return the state directory: ``CHAOSDRILL_HOME``, else the user's state directory.

    A user without a home directory (a uid that is not in the password file, ``HOME=/``) gets one under the directory
    for temporary files.

    :returns: an absolute path of a directory that exists and is writable; a new one is readable by this user only.
    :raises BadInput: when no such directory can be created.
    """
    if chosen := os.environ.get(VARIABLE):
        return ensure_directory(Path(chosen).expanduser().absolute())
    try:
        return ensure_directory(platformdirs.user_state_path("chaosdrill"))
    except (BadInput, RuntimeError):  # RuntimeError: platformdirs knows no home directory of this user
        return _ours(Path(tempfile.gettempdir()).absolute() / f"chaosdrill-{os.getuid()}")


def runs_directory() -> Path:
    """Return the directory of the runs: ``CHAOSDRILL_RUNS``, else ``runs`` in :func:`home`.

    Nothing is created, and the directory need not be writable: runs can be read from a read-only home.

    :returns: an absolute path, which may not exist.
    """
    if chosen := os.environ.get(RUNS_VARIABLE) or os.environ.get(VARIABLE):
        place = Path(chosen).expanduser().absolute()
        return place if os.environ.get(RUNS_VARIABLE) else place / "runs"
    with contextlib.suppress(RuntimeError):  # platformdirs finds no home directory of this user
        if (usual := platformdirs.user_state_path("chaosdrill") / "runs").is_dir():
            return usual
    return home() / "runs"


def ensure_directory(path: Path, variable: str = VARIABLE) -> Path:
    """Create a directory if it is missing, readable by this user only, and check that it is writable.

    :param variable: the environment variable that chooses another directory, for the error message.
    :raises BadInput: when it cannot be created or is not writable.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"{path} cannot be made ({error.strerror})"
        raise BadInput(
            [problem("store-not-writable", f"{why}: set {variable} to a directory you may write")]
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        why = f"{path} is not writable for uid {os.getuid()}: set {variable} to a directory you may write"
        raise BadInput([problem("store-not-writable", why)])
    return path


def private(path: Path) -> Path:
    """Create a directory in :func:`home` if it is missing, and close it to all other users.

    :raises BadInput: when it belongs to another user, or is a link.
    """
    ensure_directory(path)
    if not path.is_symlink() and path.stat().st_uid == os.getuid():
        path.chmod(0o700)  # an existing directory may be open to others
    return _ours(path)


def _ours(path: Path) -> Path:
    """Check that a directory belongs to this user and is closed to others. Anyone may create files in the directory
    for temporary files, so an existing path of this name may belong to another user.
    """
    ensure_directory(path)
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or stat.S_IMODE(seen.st_mode) & 0o077:
        why = (
            f"{path} belongs to uid {seen.st_uid} or others may read it (mode {stat.S_IMODE(seen.st_mode):o}): "
            f"remove it, or set {VARIABLE} to a directory of your own"
        )
        raise BadInput([problem("home-unusable", why)])
    return path
