"""Atomic files, which appear under their name when they are complete, and a lock to read and rewrite a file.

Every file of a store is written this way. A store may be shared, so a name that another user can foresee must not be
opened for writing: it may be a link to a file of this user.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

PART = ".part"  # suffix of a file's name while it is written
LOCKED_WITHIN_S = 10.0
_NAME_KEPT = 40  # characters; a file name has at most 255 bytes, and these may have 4 each
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # a file system without hard links
_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # for example, a directory on NFS


def write_whole(path: Path, text: str, private: bool = True) -> None:
    """Write a file so that a reader sees all of it or nothing, also after a crash.

    :param private: see :func:`draft_of`.
    :raises OSError: when it cannot be written, with its name; no partial file is left.
    """
    with draft_of(path, private=private) as draft:
        draft.write(_encoded(text))


def write_new(path: Path, text: str) -> None:
    """Write a file like :func:`write_whole`, unless it exists.

    :raises FileExistsError: when it exists; it is unchanged.
    :raises OSError: when it cannot be written, with its name; no partial file is left.
    """
    with draft_of(path, new=True) as draft:
        draft.write(_encoded(text))


@contextmanager
def draft_of(path: Path, new: bool = False, private: bool = True) -> Iterator[BufferedRandom]:
    """Open a draft of ``path``, which gets that name when the block ends, and is removed when the block fails.

    :param new: whether ``path`` must not exist yet.
    :param private: whether only this user may read it, whatever the umask. False applies the umask, for files that the
        user named, outside of a store.
    :returns: the file, open for writing and reading, under an unpredictable name.
    :raises FileExistsError: when ``new`` and the file exists; it is unchanged.
    :raises OSError: the error of the block, with the file's name, which a full disk does not report.
    """
    draft = path.with_name(f"{path.name[:_NAME_KEPT]}.{secrets.token_hex(8)}{PART}")
    try:
        with open(_created(draft, private), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            _name_anew(draft, path)
        else:
            draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(draft)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _created(path: Path, private: bool) -> int:
    descriptor = os.open(path, os.O_RDWR | _NEW, 0o600 if private else 0o666)
    if private:
        os.fchmod(descriptor, 0o600)
    return descriptor


def _name_anew(draft: Path, path: Path) -> None:
    """Give a draft a new name. Of several processes that create the same file at the same time, one succeeds."""
    try:
        os.link(draft, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | _NEW, 0o600))
        draft.replace(path)
    else:
        draft.unlink()


def _encoded(text: str) -> bytes:
    # half of a surrogate pair is written as JSON escapes it
    return text.encode("utf-8", "backslashreplace")


def make_private(directory: Path) -> None:
    """Make everything in a directory readable by this user only, whatever the umask was; links are not followed.

    :raises OSError: when a mode cannot be changed.
    """
    for place, _, names in os.walk(directory):
        os.chmod(place, 0o700)
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path):
                os.chmod(path, 0o600)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory, so that a file in it can be read and rewritten without losing another process's
    change.

    :raises TimeoutError: when another process holds it for more than 10 s.
    :raises OSError: when the directory cannot be opened. On a file system that cannot lock, the block runs without a
        lock.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    give_up = time.monotonic() + LOCKED_WITHIN_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                text = f"another process has locked it for {LOCKED_WITHIN_S:g} s: see `fuser` or `lsof`"
                raise TimeoutError(errno.ETIMEDOUT, text, str(directory)) from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return None
            raise
