"""Where a vault's socket is: a place that its owner and all other users can find.

Others can't enter a vault, so its socket is outside: in a folder in which only the vault's owner and root can
write. Its name is made from the vault's real path. In addition, a client checks that the owner or root
listens before it sends anything.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from muniment.errors import VaultError

RUNTIME = "MUNIMENT_RUNTIME"
"""Environment variable that names another folder for the sockets."""
SYSTEM = Path("/run/muniment")
TEMPORARY = Path("/tmp")  # noqa: S108 - only `trusted` folders in it are used
SETTINGS = "vault.toml"
_CREDENTIALS = struct.Struct("3i")


def no_vault(folder: Path) -> VaultError:
    """The error for a folder without a vault."""
    return VaultError(
        f"there is no vault in {folder}: name one with --vault or MUNIMENT_VAULT, "
        "or make one with `muniment init`"
    )


def has_settings(folder: Path) -> bool:
    """Whether a folder has a vault.toml.

    Raises:
        OSError: It can't be read. (`Path.is_file` would return False from Python 3.14 on.)
    """
    try:
        return stat.S_ISREG((folder / SETTINGS).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def digest(vault: Path) -> str:
    """A short name for a real path."""
    return hashlib.sha256(os.fsencode(vault)).hexdigest()[:24]


class SocketPlace(Struct, frozen=True):
    """A vault, and the places where its socket can be."""

    vault: Path
    """Its real path."""
    owner: int
    """The uid of its owner."""
    system: Path = SYSTEM
    """The folder for sockets that the machine's administrator makes."""
    common: Path = TEMPORARY
    """The folder in which all users can make folders."""

    @property
    def name(self) -> str:
        """The socket's name, which is the same for all users."""
        return digest(self.vault) + ".sock"

    def folders(self) -> Iterator[Path]:
        """The folders to search for the socket, in this order."""
        if named := os.environ.get(RUNTIME):
            yield Path(named)
            return
        yield self.system
        yield self.temporary
        yield from sorted(self.common.glob(f"{self.temporary.name}.*"))

    @property
    def temporary(self) -> Path:
        """The owner's folder in /tmp. Anyone could have made it first, so it is used only if `trusted`."""
        return self.common / f"muniment-{self.owner}"

    def sockets(self) -> Iterator[Path]:
        """The paths where the socket can be, in folders in which no one else can write."""
        return (folder / self.name for folder in self.folders() if trusted(folder, self.owner))


def place_of(folder: Path) -> SocketPlace:
    """The place of the vault in a folder.

    Raises:
        VaultError: There is no vault, or the folder can't be reached.
    """
    real = Path(os.path.realpath(folder))
    try:
        found = real.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise no_vault(folder) from None
    except OSError as error:
        raise VaultError(
            f"the vault in {folder} can't be reached ({error.strerror}): ask its owner to let you pass "
            "through the folders above it (chmod o+x); the vault itself stays closed"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise no_vault(folder)
    return SocketPlace(real, found.st_uid)


def trusted(folder: Path, owner: int) -> bool:
    """Whether only a vault's owner and root can write in a folder."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, owner) and not found.st_mode & 0o022


def own_folder(place: SocketPlace) -> Path:
    """The folder for the socket of this process, which must run as the vault's owner.

    Raises:
        VaultError: No folder can be used; the message says why.
    """
    named = bool(os.environ.get(RUNTIME))
    *others, last = place.folders() if named else (place.system, place.temporary)
    for folder in others:
        if trusted(folder, place.owner) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    try:
        last.mkdir(mode=0o755)
        last.chmod(0o755)
    except FileExistsError:
        pass
    except OSError as error:
        raise VaultError(
            f"{last} can't be made ({error.strerror}): correct that, or set {RUNTIME}"
        ) from error
    if trusted(last, place.owner):
        return last
    if named:
        raise VaultError(
            f"{last} exists already and others can write to it: have it removed, or set {RUNTIME} to a "
            "folder in which only you can write and that others can enter"
        )
    return _another(place)


def _another(place: SocketPlace) -> Path:
    """Another folder in /tmp, if someone else made the usual one first; clients find it by its owner.

    Raises:
        VaultError: It can't be made.
    """
    for folder in place.folders():
        if folder.name.startswith(f"{place.temporary.name}.") and trusted(folder, place.owner):
            return folder
    try:
        made = Path(tempfile.mkdtemp(prefix=f"{place.temporary.name}.", dir=place.common))
        made.chmod(0o755)
    except OSError as error:
        raise VaultError(
            f"{place.temporary} exists already and others can write to it, and no other folder can be made "
            f"({error.strerror}): have it removed, or set {RUNTIME} to a folder in which only you can write"
        ) from error
    return made


class SocketPeer(Struct, frozen=True):
    """The process at the other end of a socket, according to the kernel."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> SocketPeer:
    """The credentials of the process that connected or that listens (unix(7), SO_PEERCRED)."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return SocketPeer(*_CREDENTIALS.unpack(data))
