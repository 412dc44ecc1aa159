"""Answers Init and GetStatus."""

from __future__ import annotations

import time

from muniment import api
from muniment.archive.files.disk_usage import vault_sizes
from muniment.archive.files.lock import require_own
from muniment.archive.files.permissions import exposed, readable
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.operations.indexing import behind
from muniment.archive.vault.open_vault import create_vault
from muniment.client.socket_path import SETTINGS
from muniment.config.edit import create
from muniment.errors import VaultError
from muniment.service.access.roles import AccessRole
from muniment.service.contents.attachment_texts import waiting_and_unread
from muniment.service.host.last_run import last_run
from muniment.service.host.session import ClientSession, apply_settings
from muniment.service.operations import own_mail
from muniment.service.operations.gateway_state import gateway_troubles
from muniment.service.operations.logins import refused_logins
from muniment.service.operations.operation import Operation
from muniment.service.operations.retention.waiting import waiting_decisions


def init(session: ClientSession, request: api.Init) -> api.Done:
    """Answer Init: create a vault."""
    folder = session.folder
    try:
        if (folder / SETTINGS).exists() or (folder / "ledger").exists():
            raise VaultError(f"{folder} already has a vault: nothing was changed")
        if folder.exists() and any(folder.iterdir()):
            raise VaultError(f"{folder} is not empty: name a new folder for the vault")
        require_own(folder)  # before the mode of the folder is changed
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        vault = create_vault(folder)
    except OSError as error:
        raise VaultError(
            f"no vault could be made in {folder} ({error.strerror}): choose a folder that you can write to"
        ) from error
    try:
        create(
            folder / SETTINGS,
            name=request.name,
            domains=request.domains,
            demo=request.demo,
            sign=request.sign,
        )
        apply_settings(vault, session.settings)
    finally:
        vault.close()
    warnings = (
        () if request.domains else ("without domains, all mail goes to the catch-all: add your domains",)
    )
    return api.Done(message=f"Vault made in {folder}.", warnings=warnings)


def status(session: ClientSession, request: api.GetStatus) -> api.Status:
    """Answer GetStatus: the state of the vault and of its profiles."""
    settings = session.settings()
    running, sizes = session.running(), vault_sizes(session.folder)
    with session.reading() as vault:
        owner = vault.owner_process()
        head, totals = vault.catalog.snapshot()
        decisions = waiting_decisions(vault, settings, int(time.time()))
        profiles = tuple(
            api.ProfileStatus(
                name=profile.name,
                source=profile.source,
                enabled=profile.enabled,
                every=profile.every,
                last=last_run(vault, profile.name),
                tested=not profile.untested,
                running=profile.name in running,
            )
            for profile in settings.profiles
        )
        waiting, unread = waiting_and_unread(vault, settings)
        return api.Status(
            vault=str(session.folder),
            name=settings.name,
            domains=settings.domains,
            owner=vault.owner(),
            messages=totals.messages,
            envelopes=totals.envelopes,
            records=totals.records,
            quarantined=totals.quarantined,
            behind=behind(vault),
            users=len(vault.catalog.tree()),
            bytes_raw=totals.bytes,
            bytes_ledger=sizes.ledger,
            bytes_catalog=sizes.catalog,
            bytes_index=sizes.index,
            profiles=profiles,
            checkpoint=str(Checkpoint(head.tree_size, head.root)) if head.tree_size else "",
            warnings=(
                *filter(None, [exposed(session.folder) or readable(session.folder)]),
                *gateway_troubles(session.folder, settings),
            ),
            logins=refused_logins(vault.directory, settings.access.users),
            owner_pid=owner.pid if owner else 0,
            owner_since=owner.since if owner else 0,
            demo=settings.demo,
            holds=decisions.holds,
            approvals=decisions.approvals,
            waiting=waiting,
            unread=unread,
        )


OPERATIONS = (
    Operation(api.Init, (api.Done,), AccessRole.ADMINISTRATOR, init),
    Operation(api.GetStatus, (api.Status,), AccessRole.USER, status, own_mail=own_mail.status),
)
