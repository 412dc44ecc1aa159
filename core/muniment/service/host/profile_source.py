"""Makes the plan of a run and the source from a profile of vault.toml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.check_names import suggestion
from muniment.config.check import check
from muniment.config.model import Profile, Settings
from muniment.config.password_store import sign_in_file
from muniment.config.secrets import resolve
from muniment.errors import NotFound
from muniment.net.oauth import GOOGLE_SCOPE, TokenGrant, Way, tokens
from muniment.profiles.fields import KIND, PASSWORD_AUTH
from muniment.runs.pipeline.plan import RunPlan
from muniment.sources.base import Source
from muniment.sources.endpoint import Endpoint, Scheme
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.system.paths import as_path

SPOOL = "spool"
OUTLOOK = "https://outlook.office365.com"
SCOPES: dict[tuple[str, str], tuple[str, ...]] = {
    ("app", "imap"): (f"{OUTLOOK}/.default",),
    ("app", "pop3"): (f"{OUTLOOK}/.default",),
    ("device", "imap"): ("https://outlook.office.com/IMAP.AccessAsUser.All",),
    ("device", "pop3"): ("https://outlook.office.com/POP.AccessAsUser.All",),
    ("app", "ews"): ("https://{host}/.default",),
    ("device", "ews"): ("https://{host}/EWS.AccessAsUser.All",),
    ("app", "graph"): ("https://{host}/.default",),
    ("device", "graph"): ("https://{host}/Mail.{access}",),
    ("google", "imap"): (GOOGLE_SCOPE,),
    ("google", "pop3"): (GOOGLE_SCOPE,),
}
"""The scopes of access tokens, by `auth` and kind of source. `access` is Read, or ReadWrite to delete."""


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
    return Endpoint(
        kind=profile.source,
        host=profile.host or KIND[profile.source].host,
        port=profile.port,
        mailbox=profile.mailbox,
        mailboxes=profile.mailboxes,
        access=profile.access,
        security=profile.security,
        fingerprint=profile.fingerprint,
        ca_file=as_path(profile.ca_file),
        path=str(folder / SPOOL) if profile.source == "spool" and not profile.path else as_path(profile.path),
        folder=profile.folder,
        folders=None if profile.journal_on else FolderChoice(profile.folders, profile.exclude),
        shared=profile.shared,
        owner=profile.owner_address,
        deletes=profile.delete_on,
        timeout=profile.timeout,
        work=make_work(own_work(folder)),
        password=password,
        scheme=cast("Scheme", profile.auth_by) if profile.auth_by in PASSWORD_AUTH else "password",
        tokens=None if profile.auth_by in PASSWORD_AUTH else tokens(grant_of(profile, folder, password)),
    )


def grant_of(profile: Profile, folder: Path, password: str | None) -> TokenGrant:
    """The credentials with which access tokens of a profile are requested."""
    return TokenGrant(
        way=cast("Way", profile.auth_by),
        scopes=_scopes(profile),
        directory=profile.directory,
        client_id=profile.client_id,
        secret=password,
        certificate=folder / as_path(profile.certificate) if profile.certificate else None,
        person=profile.mailbox,
        cache=sign_in_file(folder, profile.directory, profile.client_id, profile.mailbox),
        authority=profile.authority,
        ca_file=as_path(profile.ca_file),
        timeout=profile.timeout,
    )


def _scopes(profile: Profile) -> tuple[str, ...]:
    host = profile.host or KIND[profile.source].host
    access = "ReadWrite" if profile.delete_on else "Read"
    return tuple(one.format(host=host, access=access) for one in SCOPES[profile.auth_by, profile.source])
