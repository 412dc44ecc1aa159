"""The mailbox into which mail is given back, and how it is reached: by a profile's server, or by SMTP."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from muniment.archive.vault.vault import Vault
from muniment.config.check import check
from muniment.config.check_restore import MAIL
from muniment.config.model import Profile, Settings
from muniment.errors import ConfigError, NotFound, UsageError
from muniment.mail.headers.addresses import normalise
from muniment.people.directory import User
from muniment.profiles.fields import PASSWORD_AUTH, is_address
from muniment.profiles.kinds.ews import EwsSettings
from muniment.profiles.kinds.imap import ImapSettings
from muniment.service.host.profile_source import endpoint_of, find, password_of
from muniment.service.host.session import ClientSession
from muniment.service.operations.restores.journal import target_key
from muniment.sources.endpoint import EwsEndpoint, ImapEndpoint
from muniment.targets.base import Target
from muniment.targets.ews import EwsTarget
from muniment.targets.imap import ImapTarget
from muniment.targets.mail import MailTarget

KINDS = (ImapSettings, EwsSettings)
"""The settings of profiles by whose servers mail can be put into a mailbox."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder of a mailbox."""

    mailbox: str
    """Its address."""
    folder: str
    """Its name as the archive writes it."""
    person: User | None
    """Whose mailbox it is; None for no one whom the directory knows."""

    def __str__(self) -> str:
        return f"{self.mailbox}/{self.folder}"


def destination_of(vault: Vault, settings: Settings, to: str) -> Destination:
    """The destination that a request names as MAILBOX or MAILBOX/FOLDER.

    Raises:
        UsageError: it names no mailbox.
    """
    at = to.find("/", to.find("@") + 1)
    mailbox, folder = (to[:at], to[at + 1 :].strip("/")) if at >= 0 else (to, "")
    mailbox = mailbox.strip()
    if not is_address(mailbox) or not mailbox.isprintable():
        raise UsageError(
            f"{mailbox[:80]!r} is no mailbox: write its address, such as ada@example.com/Restored"
        )
    if not folder.isprintable():
        raise UsageError("a folder's name can't have line ends: give another one")
    try:
        person: User | None = vault.directory.find(mailbox)
    except NotFound:
        person = None
    return Destination(mailbox, folder or settings.restore.folder, person)


def target_of(session: ClientSession, settings: Settings, to: Destination, by: str) -> tuple[Target, bytes]:
    """The target for a destination, not connected yet, and its key in the journal.

    Args:
        session: the session.
        settings: the settings.
        to: the destination.
        by: the profile that was asked for, or "mail"; "" for that of the settings.

    Raises:
        ConfigError: no profile and no setting says how the mailbox is reached, or they can't be used.
        NotFound: there is no such profile.
    """
    name = by or settings.restore.profile
    if name == MAIL and MAIL not in {one.name for one in settings.profiles}:
        relay = MailTarget(settings.notify.mail, session.folder, to.mailbox)
        return relay, target_key(MAIL, relay.address, normalise(to.mailbox))
    profile = find(settings, name) if name else _own_profile(settings, to)
    check(profile)
    if not isinstance(profile.settings, KINDS):
        raise ConfigError(
            f"profile {profile.name} is of kind {profile.source}, by which no mail can be put into a mailbox "
            'unchanged: use a profile of kind imap or ews (for Exchange Online imap with auth = "app")'
        )
    reach = _ews if isinstance(profile.settings, EwsSettings) else _imap
    target = reach(session, settings, profile, to)
    return target, target_key(target.address, normalise(to.mailbox), to.folder)


def _own_profile(settings: Settings, to: Destination) -> Profile:
    """The profile that archives the mailbox."""
    found = [
        one for one in settings.profiles
        if isinstance(one.settings, KINDS) and not one.journal_on and _is_of(one, to)
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    named = ", ".join(one.name for one in found)
    raise ConfigError(
        f"several profiles archive {to.mailbox} ({named}): name one with --by"
        if found
        else f"nothing says how to reach the mailbox {to.mailbox}: name a profile of kind imap or ews with "
        f"--by, or `profile` in [restore] of vault.toml, or send the mail by SMTP with --by {MAIL}"
    )


def _is_of(profile: Profile, to: Destination) -> bool:
    """Whether a profile reads the mailbox of the destination."""
    own = {normalise(to.mailbox), *(map(normalise, to.person.addresses) if to.person else ())}
    return normalise(profile.owner_address) in own


def _imap(session: ClientSession, settings: Settings, profile: Profile, to: Destination) -> Target:
    chosen = profile
    if not _is_of(profile, to):
        login = _login(settings, profile, to)
        chosen = msgspec.structs.replace(
            profile, settings=msgspec.structs.replace(profile.settings, mailbox=login)
        )
    endpoint = endpoint_of(chosen, session.folder, password_of(chosen, session.folder))
    assert isinstance(endpoint, ImapEndpoint)
    return ImapTarget(replace(endpoint, folders=None), to.folder)


def _ews(session: ClientSession, settings: Settings, profile: Profile, to: Destination) -> Target:
    own = _is_of(profile, to)
    endpoint = endpoint_of(profile, session.folder, password_of(profile, session.folder))
    assert isinstance(endpoint, EwsEndpoint)
    if not own and endpoint.access == "own":
        raise ConfigError(
            f"profile {profile.name} opens no mailbox but that of {profile.login}: set its `access` to "
            "delegate or impersonation, or name another profile with --by"
        )
    return EwsTarget(endpoint, "" if own and endpoint.access == "own" else to.mailbox, to.folder)


def _login(settings: Settings, profile: Profile, to: Destination) -> str:
    """The name to log in with as the owner of another mailbox than the profile's own."""
    template = settings.restore.login
    if profile.auth_by not in PASSWORD_AUTH:
        return to.mailbox  # an application, or a service account, opens any mailbox by its address
    if not template:
        raise ConfigError(
            f"profile {profile.name} logs in as {profile.login} with a password, which opens that mailbox "
            "alone: set `login` in [restore] of vault.toml to a login that opens others, such as "
            '"{mailbox}*master" for a master user of Dovecot, or name another profile with --by'
        )
    return template.replace("{mailbox}", to.mailbox).replace("{name}", to.mailbox.partition("@")[0])
