"""Linux namespaces: how the lab's are made, entered and furnished. Needs no root (see unshare(1), nsenter(1)).

One user namespace with PID, IPC, mount and network namespaces holds the lab: when its first process ends, however it
ends, the kernel ends everything in it. Its network namespace is the **cloud**; a second one is the **bastion**.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CLIENT_USER = "ec2-user"
CLIENT_UID = 1000

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MS_NOSUID_NODEV = 2 | 4

_libc = ctypes.CDLL(None, use_errno=True)


def new_namespaces_command(*, mount_proc: bool = True) -> list[str]:
    """The command prefix that runs a program as the first process of new namespaces.

    PostgreSQL refuses uid 0 and wants to find its uid in the password file, so the caller becomes ``CLIENT_UID``
    inside, whoever it is outside. ``--keep-caps`` makes the namespace's capabilities survive every exec.
    """
    return [
        *("unshare", "--user", "--net", "--ipc", "--mount", "--pid", "--fork", "--kill-child"),
        *(["--mount-proc"] if mount_proc else []),
        *(f"--map-user={CLIENT_UID}", f"--map-group={CLIENT_UID}", "--keep-caps", "--"),
    ]


def enter_bastion_command(pid: int, bastion_fd: int, directory: str) -> list[str]:
    """The command prefix that runs a program where the client host is, from outside the lab.

    :param pid: the supervisor's, as seen from outside.
    :param bastion_fd: the supervisor's descriptor of the bastion's network namespace.
    :param directory: working directory inside.
    """
    return [
        *("nsenter", f"--target={pid}", "--user", "--preserve-credentials", "--ipc", "--mount", "--pid"),
        *(f"--net=/proc/{pid}/fd/{bastion_fd}", f"--wd={directory}", "--"),
    ]


def in_network_command(fd: int) -> list[str]:
    """The command prefix that runs a program in another network namespace, from inside the lab."""
    return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{fd}", "--"]


def new_network_namespace() -> int:
    """Make a network namespace.

    :returns: a descriptor that keeps it alive.
    :raises OSError: when the kernel says no.
    """

    def make() -> int:
        _check(_libc.unshare(_CLONE_NEWNET), "unshare(CLONE_NEWNET)")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _in_thread(make)


def enter_network_namespace(fd: int) -> None:
    """Move the calling thread, and only it, into a network namespace.

    :raises OSError: when the kernel says no.
    """
    _check(_libc.setns(fd, _CLONE_NEWNET), "setns(CLONE_NEWNET)")


def bind_mount(source: Path, target: Path) -> None:
    """Show ``source`` in place of ``target`` (both must exist), for this mount namespace only."""
    _mount(str(source), str(target), None, _MS_BIND)


def mount_tmpfs(target: Path) -> None:
    """Put an empty tmpfs over ``target``, for this mount namespace only."""
    _mount("tmpfs", str(target), "tmpfs", _MS_NOSUID_NODEV)


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    arguments = [source.encode(), target.encode(), kind.encode() if kind else None]
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), None), f"mount {source} on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own: namespaces belong to threads, and this one's must not change."""
    results: list[T] = []
    errors: list[OSError] = []

    def run() -> None:
        try:
            results.append(work())
        except OSError as error:  # carried to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def furnish(etc: Path, nameserver: str) -> Sequence[str]:
    """Give the calling mount namespace its own resolver, password file and shared memory.

    Programs in the lab (dig, psql, curl, libc) then find the lab's names without being told, PostgreSQL finds its
    user, and shared memory dies with the lab.

    :param etc: a directory for the files to be shown in place of the machine's.
    :param nameserver: address of the lab's DNS.
    :returns: the files of this machine that do not exist and so could not be replaced.
    """
    etc.mkdir(parents=True, exist_ok=True)
    contents = {
        "resolv.conf": f"nameserver {nameserver}\noptions timeout:1 attempts:2\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n",
        "passwd": f"root:x:0:0::/:/bin/sh\n{CLIENT_USER}:x:{CLIENT_UID}:{CLIENT_UID}::/:/bin/sh\n",
        "group": f"root:x:0:\n{CLIENT_USER}:x:{CLIENT_UID}:\n",
    }
    missing = []
    for name, text in contents.items():
        (etc / name).write_text(text)
        target = Path("/etc") / name
        if target.exists():
            bind_mount(etc / name, target)
        else:
            missing.append(str(target))
    if Path("/dev/shm").is_dir():
        mount_tmpfs(Path("/dev/shm"))
    return missing
