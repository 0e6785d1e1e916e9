"""Short, private folders for unix sockets, and free TCP ports.

A socket's path may have about 100 bytes, a data directory's may have more. A socket folder must never be open to
other users: the embedded servers ask for no password.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import socket
import stat
from pathlib import Path

from restock.local.lifeline import StartError

LONGEST_PATH = 100  # 108 bytes on Linux, 104 on macOS, both with the ending zero
_OUR_PORTS = range(20_000, 32_000)  # Linux hands out 32768 and above, macOS 49152 and above
_TRIES = 50
_SHORT_ROOT = Path("/tmp")  # noqa: S108 - the folder below it is private, and checked


def socket_folder(wanted: Path, name: str, uid: int | None = None, *, plain: bool = False) -> Path:
    """Return `wanted` if a socket `name` fits in there, else a private folder with a short path, always the same one.

    The folder belongs to `uid` (None: the user running us) and nobody else can enter it. `plain`: the path must have
    no space either.
    """
    owner = os.geteuid() if uid is None else uid
    fits = len(os.fsencode(wanted / name)) <= LONGEST_PATH and not (plain and " " in str(wanted))
    if fits:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    folder = _SHORT_ROOT / f"restock-{owner}-{digest}"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    _check_private(folder, owner)
    return folder


def leave_socket_folder(folder: Path) -> None:
    """Remove a short folder that no server uses any more."""
    if folder.parent == _SHORT_ROOT and folder.name.startswith("restock-"):
        with contextlib.suppress(OSError):  # not empty, or not ours to remove: the next start uses it again
            folder.rmdir()


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter, with its parents."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def free_port(host: str = "127.0.0.1") -> int:
    """Find a TCP port nobody uses; someone may take it before you do. Raises StartError for a host that is not ours.

    Below the ports that the system hands out by itself: any client's connection could take one of those meanwhile.
    """
    for port in random.sample(_OUR_PORTS, _TRIES):
        with contextlib.suppress(OSError), _bound(host, port) as probe:
            return int(probe.getsockname()[1])
    with _bound(host, 0) as probe:
        return int(probe.getsockname()[1])


def port_is_taken(host: str, port: int) -> bool:
    """Say whether a server could not listen there now. Raises StartError for a host that is not ours."""
    try:
        _bound(host, port).close()
    except OSError:
        return True
    return False


def _bound(host: str, port: int) -> socket.socket:
    foreign = StartError(f"HOST={host} is no address of this machine: use 127.0.0.1, or 0.0.0.0 for all it has.")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise foreign from None
    probe = socket.socket(family, kind, proto)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
    except OSError as error:
        probe.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise foreign from None
        raise
    return probe


def _check_private(folder: Path, owner: int) -> None:
    """Refuse a folder that somebody else laid in our way."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        raise StartError(f"{folder} is not a private folder of user id {owner}: remove it and start again.")
