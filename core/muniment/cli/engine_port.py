"""What the command line needs of the engine; the program that starts it passes an `EngineDoors`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from muniment.api import WireWord
from muniment.client.client import Connect


class VaultUnits(Protocol):
    """Writes and removes the systemd units of a vault's service.

    Every method raises MunimentError if it can't do its work.
    """

    def units(self, vault: Path, user: str = "", writable: Sequence[Path] = ()) -> dict[str, str]:
        """The text of each unit, by its name.

        Args:
            vault: The vault's folder.
            user: The account that runs the service; "" for the vault's owner, or else `muniment`.
            writable: Folders outside the vault that the service can write to.
        """

    def install(
        self, vault: Path, user: str = "", writable: Sequence[Path] = (), force: bool = False
    ) -> list[str]:
        """Write the units.

        Args:
            vault: The vault's folder.
            user: As for `units`.
            writable: As for `units`.
            force: Replace existing units that differ.

        Returns:
            What was done and what to do next, a line each.
        """

    def uninstall(self) -> list[str]:
        """Stop the service, remove its units, and return what was done, a line each."""

    def status(self) -> dict[str, str]:
        """The state of the service according to systemd: values by name."""


class WitnessDesk(Protocol):
    """Keeps the folder of a witness, and answers for it. It needs no vault.

    Every method raises MunimentError if it can't do its work.
    """

    def make(self, folder: Path, name: str) -> list[str]:
        """Make a witness with keys of this name, and return its public keys."""

    def trust(self, folder: Path, keys: Sequence[str]) -> list[str]:
        """Trust the logs of these public keys, and return those that are new."""

    def add(self, folder: Path, request: bytes) -> str:
        """Judge a request that came as a file, and return the signature lines."""

    def status(self, folder: Path) -> dict[str, Any]:
        """What the witness knows: its keys, and for each log its last checkpoint and what was refused."""

    def serve(
        self,
        folder: Path,
        listen: str,
        say: Callable[[str], None],
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Answer logs over HTTP until the process is stopped.

        Args:
            folder: The witness's folder.
            listen: The address and port, as `127.0.0.1:8472`.
            say: Called with the line that names the address.
            certificate: The certificate for TLS; None for plain HTTP.
            key: Its private key, if that is in another file.
        """


@dataclass(frozen=True, slots=True)
class EngineDoors:
    """The ways into the engine. Each one loads the engine only when it is called."""

    connect: Connect
    """Connects to the engine of a vault, given its folder, which need not exist yet."""
    serve: Callable[[Path, Callable[[str], None]], int]
    """Runs the schedule and the embedded gateway of a vault until it is stopped; returns the exit code.

    It calls its second argument with each line that it reports, from any thread.
    """
    demo: Callable[[Path], Iterator[WireWord]]
    """Makes a temporary vault in a folder, fills it with sample mail, and yields what it does and finds.

    It yields ProgressWord, RunSummary, Tree, Hits and Verified, each after a Step that announces it, and
    ends with Done. It raises MunimentError if the vault does not hold exactly what was sent.
    """
    installer: Callable[[], VaultUnits]
    """Returns the object that writes and removes the service's systemd units."""
    witness: Callable[[], WitnessDesk]
    """Returns the object that keeps a witness."""
    look: Callable[[Path], int] | None = None
    """Opens the app on a vault and returns its exit code; None without the app or a terminal for it."""
