"""Makes the plan of a run and the source from a profile of vault.toml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.check_names import suggestion
from muniment.config.check import check
from muniment.config.model import Profile, Settings
from muniment.config.password_store import sign_in_file
from muniment.config.secrets import resolve
from muniment.errors import NotFound
from muniment.net.oauth import TokenGrant, Way, tokens
from muniment.profiles.fields import PASSWORD_AUTH
from muniment.profiles.kinds.ews import EwsSettings
from muniment.profiles.kinds.gateway import MailStoreSettings
from muniment.profiles.kinds.graph import GraphSettings
from muniment.profiles.kinds.imap import ImapSettings
from muniment.profiles.registry import KIND
from muniment.profiles.settings import FileSettings, LoginSettings, PinnedSettings, TokenSettings
from muniment.runs.pipeline.plan import RunPlan
from muniment.sources.base import Source
from muniment.sources.endpoint import (
    Endpoint,
    EwsEndpoint,
    ExchangeEndpoint,
    FileEndpoint,
    ImapEndpoint,
    Scheme,
    ServerEndpoint,
)
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.system.paths import as_path

SPOOL = "spool"


def find(settings: Settings, name: str) -> Profile:
    """The profile with a name.

    Raises:
        NotFound: there is no such profile; the sentence suggests similar names.
    """
    for profile in settings.profiles:
        if profile.name == name:
            return profile
    names = [profile.name for profile in settings.profiles]
    close = suggestion(name, names)
    known = ", ".join(names) or "none yet"
    raise NotFound(f"there is no profile {name!r}{close}: `muniment profile list` shows all ({known})")


def plan_of(profile: Profile) -> RunPlan:
    """The plan of a run of a profile."""
    return RunPlan(
        profile=profile.name,
        journal=profile.journal_on,
        delete=profile.delete_on,
        tenant=profile.tenant,
        plain=profile.plain_route,
        unknown=profile.unknown,
        owner=profile.owner_address,
        older_than=profile.older_than,
        newer_than=profile.newer_than,
        delete_after=profile.delete_after,
        regenerated=KIND[profile.source].regenerates,
    )


def plan_for(settings: Settings, name: str) -> RunPlan:
    """The plan of a profile by name; for a profile that no longer exists, the plan of a journal mailbox."""
    try:
        return plan_of(find(settings, name))
    except NotFound:
        return RunPlan(name, journal=True, delete=False)


def source_of(profile: Profile, folder: Path, pause: Callable[[float], None]) -> Source:
    """The source of a profile, not connected yet.

    Args:
        profile: the profile.
        folder: the vault's folder.
        pause: waits for a number of seconds between two attempts.

    Raises:
        ConfigError: the profile is incomplete, or its password is not available.
    """
    check(profile)
    return open_source(endpoint_of(profile, folder, password_of(profile, folder)), sleep=pause)


def password_of(profile: Profile, folder: Path) -> str | None:
    """The password of a profile, read from the place that the profile names; None if it names none.

    Raises:
        ConfigError: the password is not available.
    """
    return resolve(profile.password, folder).reveal() if profile.password else None


def endpoint_of(profile: Profile, folder: Path, password: str | None) -> Endpoint:
    """Where a profile's mailbox is and how to log in, for the vault in `folder`."""
    settings, work = profile.settings, make_work(own_work(folder))
    given: dict[str, Any] = {"kind": profile.source, "work": work, "deletes": profile.delete_on}
    if isinstance(settings, FileSettings):
        own = settings.source == SPOOL and not settings.path
        return FileEndpoint(path=str(folder / SPOOL) if own else as_path(settings.path), **given)
    given |= _server(profile, settings, folder, password)
    match settings:
        case ImapSettings():
            owner = profile.owner_address
            return ImapEndpoint(folder=settings.folder, shared=settings.shared, owner=owner, **given)
        case EwsSettings():
            scheme = cast("Scheme", profile.auth_by) if profile.auth_by in PASSWORD_AUTH else "password"
            several = settings.mailboxes
            return EwsEndpoint(mailboxes=several, access=settings.access, scheme=scheme, **given)
        case GraphSettings():
            return ExchangeEndpoint(mailboxes=settings.mailboxes, **given)
        case _:
            return ServerEndpoint(**given)


def _server(profile: Profile, settings: LoginSettings, folder: Path, password: str | None) -> dict[str, Any]:
    """The values of a ServerEndpoint."""
    security, fingerprint = None, ""
    if isinstance(settings, MailStoreSettings | PinnedSettings):
        security, fingerprint = settings.security, settings.fingerprint
    with_password = profile.auth_by in PASSWORD_AUTH
    return {
        "host": settings.host or KIND[profile.source].host,
        "port": settings.port,
        "mailbox": settings.mailbox,
        "password": password,
        "tokens": None if with_password else tokens(grant_of(profile, folder, password)),
        "security": security,
        "fingerprint": fingerprint,
        "ca_file": as_path(settings.ca_file),
        "folders": None if profile.journal_on else _choice(profile),
        "timeout": settings.timeout,
    }


def _choice(profile: Profile) -> FolderChoice:
    return FolderChoice(profile.value("folders"), profile.value("exclude"))


def grant_of(profile: Profile, folder: Path, password: str | None) -> TokenGrant:
    """The credentials with which access tokens of a profile are requested.

    Its kind of source must have scopes for its way to log in, which the rules of kinds ensure.
    """
    settings = profile.settings
    assert isinstance(settings, TokenSettings)
    return TokenGrant(
        way=cast("Way", profile.auth_by),
        scopes=_scopes(profile, settings),
        directory=settings.directory,
        client_id=settings.client_id,
        secret=password,
        certificate=folder / as_path(settings.certificate) if settings.certificate else None,
        person=settings.mailbox,
        cache=sign_in_file(folder, settings.directory, settings.client_id, settings.mailbox),
        authority=settings.authority,
        ca_file=as_path(settings.ca_file),
        timeout=settings.timeout,
    )


def _scopes(profile: Profile, settings: TokenSettings) -> tuple[str, ...]:
    kind = KIND[profile.source]
    access = "ReadWrite" if profile.delete_on else "Read"
    host = settings.host or kind.host
    return tuple(one.format(host=host, access=access) for one in kind.scopes[profile.auth_by])
