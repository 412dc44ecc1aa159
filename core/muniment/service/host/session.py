"""An open vault for one client, at the level that a request needs: settings, read-only, or as the writer."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.client.socket_path import SETTINGS, has_settings, no_vault
from muniment.config.file import interpret, load, read, version_of
from muniment.config.model import (
    ApprovalsSection,
    AuditFeedSection,
    CheckpointsSection,
    ContentsSection,
    EvidenceSection,
    RestoreSection,
    RetentionSection,
    Settings,
)
from muniment.config.notify_urls import scheme_of
from muniment.errors import VaultError
from muniment.mail.headers.domains import canonical
from muniment.people.changes import Change, set_domains
from muniment.people.directory import Directory
from muniment.runs.run import sentence
from muniment.service.access.rights import record_roles
from muniment.service.access.roles import Caller
from muniment.service.access.second_person import record_needs
from muniment.service.host.login_records import record_logins

if TYPE_CHECKING:
    from muniment.service.host.client_register import ClientRegister
    from muniment.service.host.run_host import RunHost
    from muniment.service.host.works import Work

log = logging.getLogger("muniment.service")


@contextmanager
def explained() -> Iterator[None]:
    """Turn an OSError, such as a full disk, into a VaultError that says what to do."""
    try:
        yield
    except OSError as error:
        raise VaultError(sentence(error)) from error


class ClientSession:
    """The access of one client to a vault. It opens what a request needs, when it needs it."""

    def __init__(
        self,
        folder: Path,
        vault: Vault | None = None,
        caller: Caller | None = None,
        host: RunHost | None = None,
        clients: ClientRegister | None = None,
    ) -> None:
        """Make a session; nothing is opened yet.

        Args:
            folder: the vault's folder, which need not exist.
            vault: a vault that is already open, as in a service. Its opener closes it.
            caller: who sends the requests; by default this process's own user.
            host: the host of runs; by default the one that this process shares for the vault.
            clients: who has clients of the service; by default no one.
        """
        self.caller = caller or Caller.this_process()
        self.folder = folder
        self.clients = clients
        self._shared = vault
        self._host = host
        self._borrowed = False

    @property
    def host(self) -> RunHost:
        """The host of runs. If none was given, it is borrowed from this process until `close`."""
        if self._host is None:
            from muniment.service.host.shared_hosts import shared

            self._host = shared.take(self.folder)
            self._borrowed = True
        return self._host

    def running(self) -> frozenset[str]:
        """The profiles whose runs are under way or waiting in this process."""
        return self._host.running() if self._host is not None else frozenset()

    def works(self) -> list[Work]:
        """The verifications, backups and rebuilds that go on in this process."""
        return self._host.works.present() if self._host is not None else []

    def next_starts(self) -> dict[str, int]:
        """When the schedule of this process runs each profile next, seconds since 1970 UTC."""
        return self._host.next_starts() if self._host is not None else {}

    def stopping(self) -> bool:
        """Whether the service of this session is stopping."""
        return self._host is not None and self._host.closed

    @property
    def shared(self) -> bool:
        """Whether others use the same vault in this process, as in a service."""
        return self._shared is not None

    @property
    def settings_path(self) -> Path:
        """The path of vault.toml."""
        return self.folder / SETTINGS

    def settings(self) -> Settings:
        """The settings, read from vault.toml now.

        Raises:
            VaultError: there is no vault here, or it can't be read.
            ConfigError: vault.toml is wrong.
        """
        try:
            known = has_settings(self.folder)
        except OSError as error:
            raise VaultError(
                f"the vault in {self.folder} can't be read ({error.strerror}): run this as its owner, "
                "or correct its permissions"
            ) from error
        if not known:
            raise no_vault(self.folder)
        return load(self.settings_path)

    def settings_and_version(self) -> tuple[Settings, str]:
        """The settings, and the version of the text of vault.toml. Raises as `settings`."""
        self.settings()
        text = read(self.settings_path)
        return interpret(text, SETTINGS), version_of(text)

    @contextmanager
    def reading(self) -> Iterator[Vault]:
        """The vault, for reading. Another process may write it meanwhile.

        Raises:
            ConfigError, VaultError: as `settings`, or the vault can't be opened.
        """
        if self._shared is not None:
            yield self._shared
            return
        self.settings()
        vault = open_vault(self.folder, write=False)
        try:
            yield vault
        finally:
            vault.close()

    @contextmanager
    def writing(self) -> Iterator[Vault]:
        """As `owning`, after the settings of vault.toml are recorded and applied to the directory.

        Raises:
            ConfigError: vault.toml is wrong.
            VaultError, VaultLocked: as `owning`.
        """
        self.settings()
        with self.owning() as vault:
            apply_settings(vault, self.settings)
            yield vault

    @contextmanager
    def owning(self) -> Iterator[Vault]:
        """The vault, as its only writer. The settings are not read.

        Raises:
            VaultLocked: another process owns the vault.
            VaultError: the vault can't be written. An OSError inside the context also becomes a VaultError.
        """
        if self._shared is not None:
            yield self._shared
            return
        with explained(), closing(open_vault(self.folder, write=True)) as vault:
            yield vault

    def record_settings(self) -> None:
        """Record in the ledger that vault.toml was changed. If that fails, the next writer does it."""
        try:
            with self.writing():
                pass
        except VaultError as error:
            log.debug("the settings are recorded later: %s", error)

    def close(self) -> None:
        """Return the borrowed host, which ends its runs. Nothing else stays open between requests."""
        if self._borrowed:
            from muniment.service.host.shared_hosts import shared

            shared.give_back(self.folder)
            self._host, self._borrowed = None, False


def without_secrets(settings: Settings) -> dict[str, Any]:
    """The settings as the ledger stores them: where secrets come from, without the arguments of commands."""
    value: dict[str, Any] = msgspec.to_builtins(settings)
    if not settings.demo:
        del value["demo"]  # no record of it in other vaults
    defaults = {
        "audit_feed": AuditFeedSection(),
        "retention": RetentionSection(),
        "checkpoints": CheckpointsSection(),
        "approvals": ApprovalsSection(),
        "evidence": EvidenceSection(),
        "contents": ContentsSection(),
        "restore": RestoreSection(),
    }
    for section, default in defaults.items():
        if getattr(settings, section) == default:
            del value[section]  # the same
    value["profiles"] = [profile.table() for profile in settings.profiles]
    notify = value["notify"]
    for holder in (*value["profiles"], notify["mail"]):
        holder["password"] = holder["password"] and _command_by_name(holder["password"])
    notify["command"]["run"] = notify["command"]["run"][:1]
    # An Apprise URL contains a token or a password.
    notify["urls"] = [
        scheme_of(url) if isinstance(url, str) else _command_by_name(url) for url in notify["urls"]
    ]
    return value


def _command_by_name(secret: dict[str, Any]) -> dict[str, Any]:
    """Where a secret comes from; of a command, only the program."""
    command = secret.get("command")
    if not command:
        return secret
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError:  # a quote is not closed
        words = command.split()
    return {"command": words[:1]}


def apply_settings(vault: Vault, read: Callable[[], Settings]) -> None:
    """Record the settings if they have changed, and apply domains and logins to the directory.

    Args:
        vault: the vault, open for writing.
        read: gives the settings as they are now. It is called again when something is recorded, so the last
            of several threads records the newest settings.
    """
    now = int(time.time())
    vault.note_configuration(lambda: without_secrets(read()), now)
    if not _same_domains(vault.directory, read()):
        vault.change_directory(lambda directory: _domain_changes(directory, read()), now)
    record_logins(vault, lambda: read().access.users)
    record_roles(vault, lambda: read().access)
    record_needs(vault, lambda: read().approvals.need)


def _domain_changes(directory: Directory, settings: Settings) -> list[Change]:
    return [] if _same_domains(directory, settings) else [set_domains(settings.domains)]


def _same_domains(directory: Directory, settings: Settings) -> bool:
    return set(directory.domains) == set(map(canonical, settings.domains))
