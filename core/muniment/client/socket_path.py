"""Where a vault's socket is: one place that its owner and all other users find by themselves.

A vault is closed to others, so its socket stands outside: in a folder that nobody but the vault's owner
or root can write, under a name that is made of the vault's real path. Whoever connects sees besides that
it is the owner or root who listens, before anything is said.
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
"""Names another folder for the sockets."""
SYSTEM = Path("/run/muniment")
TEMPORARY = Path("/tmp")  # noqa: S108 - nothing is believed of what lies there, see `trusted`
SETTINGS = "vault.toml"
_CREDENTIALS = struct.Struct("3i")


def no_vault(folder: Path) -> VaultError:
    """What is said where there is none."""
    return VaultError(
        f"there is no vault in {folder}: name one with --vault or MUNIMENT_VAULT, "
        "or make one with `muniment init`"
    )


def has_settings(folder: Path) -> bool:
    """Whether vault.toml is there.

    Raises:
        OSError: that can't be seen; from Python 3.14 on, `Path.is_file` says no then.
    """
    try:
        return stat.S_ISREG((folder / SETTINGS).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def digest(vault: Path) -> str:
    """A short name for a real path."""
    return hashlib.sha256(os.fsencode(vault)).hexdigest()[:24]


class Place(Struct, frozen=True):
    """A vault and where its socket may be."""

    vault: Path
    """Its real path."""
    owner: int
    """The uid of who owns it."""

    @property
    def name(self) -> str:
        """The socket's name, the same for everybody."""
        return digest(self.vault) + ".sock"

    def folders(self) -> Iterator[Path]:
        """Where to look for it, in this order."""
        if named := os.environ.get(RUNTIME):
            yield Path(named)
            return
        yield SYSTEM
        yield self.temporary
        yield from sorted(TEMPORARY.glob(f"{self.temporary.name}.*"))

    @property
    def temporary(self) -> Path:
        """Its folder below /tmp. Anybody can make that first: it is used only where it is `trusted`."""
        return TEMPORARY / f"muniment-{self.owner}"

    def sockets(self) -> Iterator[Path]:
        """Where it may be, as far as nobody else could have put it there."""
        return (folder / self.name for folder in self.folders() if trusted(folder, self.owner))


def place_of(folder: Path) -> Place:
    """Where the socket of the vault in `folder` is.

    Raises:
        VaultError: there is no vault, or it can't be told.
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
    return Place(real, found.st_uid)


def trusted(folder: Path, owner: int) -> bool:
    """Whether nobody but a vault's owner or root can put anything into a folder."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, owner) and not found.st_mode & 0o022


def own_folder(place: Place) -> Path:
    """The folder in which this process, which runs as the vault's owner, puts the socket.

    Raises:
        VaultError: none can be used; says what stands in the way.
    """
    named = bool(os.environ.get(RUNTIME))
    *others, last = place.folders() if named else (SYSTEM, place.temporary)
    for folder in others:
        if trusted(folder, place.owner) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    try:
        last.mkdir(mode=0o755)
        last.chmod(0o755)
    except FileExistsError:
        pass
    except OSError as error:
        raise VaultError(f"{last} can't be made ({error.strerror}): mend that, or set {RUNTIME}") from error
    if trusted(last, place.owner):
        return last
    if named:
        raise VaultError(
            f"{last} is there already and others may write to it: have it removed, or set {RUNTIME} to a "
            "folder that you alone can write and others can enter"
        )
    return _another(place)


def _another(place: Place) -> Path:
    """A folder of the owner's beside one that somebody else made first; clients look for it by its owner.

    Raises:
        VaultError: none can be made.
    """
    for folder in place.folders():
        if folder.name.startswith(f"{place.temporary.name}.") and trusted(folder, place.owner):
            return folder
    try:
        made = Path(tempfile.mkdtemp(prefix=f"{place.temporary.name}.", dir=TEMPORARY))
        made.chmod(0o755)
    except OSError as error:
        raise VaultError(
            f"{place.temporary} is there already and others may write to it, and no folder beside it can be "
            f"made ({error.strerror}): have it removed, or set {RUNTIME} to a folder that you alone can write"
        ) from error
    return made


class Peer(Struct, frozen=True):
    """Who is at the other end of a socket, as the kernel says."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """The peer's credentials: of who connected, or of who listens (unix(7), SO_PEERCRED)."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(data))
