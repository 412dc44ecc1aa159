"""A vault folder, opened as far as a word needs it: its settings, for reading, or as its writer."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from muniment.archive.vault.vault import Vault
from muniment.client.socket_path import SETTINGS, has_settings, no_vault
from muniment.config.file import interpret, load, read, version_of
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.mail.headers.domains import canonical
from muniment.people.changes import Change, set_domains
from muniment.people.directory import Directory
from muniment.runs.run import sentence
from muniment.service.access.roles import Caller
from muniment.service.host.login_records import record_logins

if TYPE_CHECKING:
    from muniment.service.host.run_host import Host

log = logging.getLogger("muniment.service")


@contextmanager
def explained() -> Iterator[None]:
    """Turns an OSError, such as a full disk, into the VaultError that says what to do."""
    try:
        yield
    except OSError as error:
        raise VaultError(sentence(error)) from error


class Session:
    """What one client works with; opens what it needs, when it needs it."""

    def __init__(
        self,
        folder: Path,
        vault: Vault | None = None,
        caller: Caller | None = None,
        host: Host | None = None,
    ) -> None:
        """With `vault`, a vault that is open already: whoever opened it closes it.

        `caller` is who asks, by default this process's own user; `host`, where the process's runs go through.
        """
        self.caller = caller or Caller.this_process()
        self.folder = folder
        self._shared = vault
        self._host = host
        self._borrowed = False

    @property
    def host(self) -> Host:
        """Where runs go through; where none is given, that of this process, until `close`."""
        if self._host is None:
            from muniment.service.host.run_host import shared

            self._host = shared.take(self.folder)
            self._borrowed = True
        return self._host

    def running(self) -> frozenset[str]:
        """The profiles whose runs go on or wait, as far as this process runs them."""
        return self._host.running() if self._host is not None else frozenset()

    def stopping(self) -> bool:
        """Whether the service that this belongs to is about to end."""
        return self._host is not None and self._host.closed

    @property
    def settings_path(self) -> Path:
        """Where vault.toml is."""
        return self.folder / SETTINGS

    def settings(self) -> Settings:
        """vault.toml, read now.

        Raises:
            VaultError: there is no vault here.
            ConfigError: vault.toml is wrong.
        """
        try:
            known = has_settings(self.folder)
        except OSError as error:
            raise VaultError(
                f"the vault in {self.folder} can't be read ({error.strerror}): run as its owner, "
                "or mend its rights"
            ) from error
        if not known:
            raise no_vault(self.folder)
        return load(self.settings_path)

    def settings_and_version(self) -> tuple[Settings, str]:
        """vault.toml, and which text of it that is. Raises as `settings` does."""
        self.settings()
        text = read(self.settings_path)
        return interpret(text, SETTINGS), version_of(text)

    @contextmanager
    def reading(self) -> Iterator[Vault]:
        """The vault, to be read; works beside a running writer."""
        if self._shared is not None:
            yield self._shared
            return
        self.settings()
        vault = Vault.open(self.folder, write=False)
        try:
            yield vault
        finally:
            vault.close()

    @contextmanager
    def writing(self) -> Iterator[Vault]:
        """As `owning`; the settings are recorded, and the directory's own domains are theirs."""
        self.settings()
        with self.owning() as vault:
            apply_settings(vault, self.settings)
            yield vault

    @contextmanager
    def owning(self) -> Iterator[Vault]:
        """The vault, as its only writer, whatever its settings are now.

        Raises:
            VaultLocked: another process owns it.
            VaultError: it can't be written; raised for an OSError of the caller's as well.
        """
        if self._shared is not None:
            yield self._shared
            return
        with explained(), closing(Vault.open(self.folder, write=True)) as vault:
            yield vault

    def record_settings(self) -> None:
        """Record in the ledger that vault.toml was changed; where that can't be now, the next writer does."""
        try:
            with self.writing():
                pass
        except VaultError as error:
            log.debug("the configuration is recorded later: %s", error)

    def close(self) -> None:
        """Nothing is kept open between words, and no run goes on."""
        if self._borrowed:
            from muniment.service.host.run_host import shared

            shared.give_back(self.folder)
            self._host, self._borrowed = None, False


def without_secrets(settings: Settings) -> dict[str, Any]:
    """The settings as the ledger keeps them: of a secret, how it is had; a command only by its name."""
    value: dict[str, Any] = msgspec.to_builtins(settings)
    notify = value["notify"]
    for holder in (*value["profiles"], notify["mail"]):
        holder["password"] = holder["password"] and _command_by_name(holder["password"])
    notify["command"]["run"] = notify["command"]["run"][:1]
    # An Apprise URL holds the token, or the password, of whom it reaches.
    notify["urls"] = [
        url.partition("://")[0] if isinstance(url, str) else _command_by_name(url) for url in notify["urls"]
    ]
    return value


def _command_by_name(secret: dict[str, Any]) -> dict[str, Any]:
    """Where a secret comes from, without a command's arguments."""
    command = secret.get("command")
    if not command:
        return secret
    words = shlex.split(command) if isinstance(command, str) else command
    return {"command": list(words[:1])}


def apply_settings(vault: Vault, read: Callable[[], Settings]) -> None:
    """Record the configuration if it has changed; bring the directory's own domains and logins in line.

    `read` gives the settings as they are now. It is asked again where something is to be recorded: of several
    threads that do this the last one records what is newest.
    """
    now = int(time.time())
    vault.note_configuration(lambda: without_secrets(read()), now)
    if not _same_domains(vault.directory, read()):
        vault.change_directory(lambda directory: _domain_changes(directory, read()), now)
    record_logins(vault, lambda: read().access.users)


def _domain_changes(directory: Directory, settings: Settings) -> list[Change]:
    return [] if _same_domains(directory, settings) else [set_domains(settings.domains)]


def _same_domains(directory: Directory, settings: Settings) -> bool:
    return set(directory.domains) == set(map(canonical, settings.domains))
