"""Deletes secrets that Muniment kept, once vault.toml no longer names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muniment.config.model import Settings
from muniment.config.password_store import forget
from muniment.errors import MunimentError
from muniment.service.host.session import ClientSession


def forget_unused(settings: Settings, spec: Mapping[str, Any] | None, folder: Path) -> None:
    """Delete a secret, unless a profile or a way of notification has it in the same place.

    Args:
        settings: the settings of vault.toml as it is now.
        spec: where the secret is, in the form of vault.toml; None for no secret.
        folder: the vault's folder.
    """
    notify = settings.notify
    named = [notify.mail.password, *notify.urls, *(profile.password for profile in settings.profiles)]
    if spec not in named:
        forget(spec, folder)


def forget_unnamed(session: ClientSession, spec: Mapping[str, Any]) -> None:
    """Delete a secret after vault.toml could not be written for it.

    The last step of writing can fail although vault.toml names the secret already. Then the secret stays, as
    it does if vault.toml can't be read.
    """
    try:
        settings = session.settings()
    except MunimentError:
        return
    forget_unused(settings, spec, session.folder)
