"""The words about profiles: what vault.toml says, and whether a mailbox can be reached."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from muniment import api
from muniment.archive.work import make_work, own_work
from muniment.config.edit import put_profile as edit_profile
from muniment.config.edit import remove_profile as edit_remove
from muniment.config.file import validate
from muniment.config.model import Profile, Settings
from muniment.config.secrets import resolve
from muniment.errors import NotFound
from muniment.runs.plan import Plan
from muniment.service.session import Session
from muniment.sources.base import Source
from muniment.sources.endpoint import Endpoint
from muniment.sources.factory import open_source

SPOOL = "spool"
SHOWN = 100_000
"""A test counts at most so many messages."""


def find(settings: Settings, name: str) -> Profile:
    """The profile called `name`.

    Raises:
        NotFound: there is none.
    """
    for profile in settings.profiles:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in settings.profiles) or "none yet"
    raise NotFound(f"there is no profile {name!r}: `muniment profile list` shows them ({known})")


def plan_of(profile: Profile) -> Plan:
    """What a run of `profile` is to do."""
    return Plan(
        profile=profile.name,
        journal=profile.journal_on,
        delete=profile.delete_on,
        tenant=profile.tenant,
        plain=profile.plain_route,
        unknown=profile.unknown,
        owner=profile.owner_address,
        owner_folder="Inbox" if profile.folder.upper() == "INBOX" else profile.folder,
    )


def source_of(profile: Profile, folder: Path) -> Source:
    """The source a profile names, not connected yet.

    Raises:
        ConfigError: the profile is not complete, or its password can't be had.
    """
    validate(profile)
    work = make_work(own_work(folder))
    password = resolve(profile.password, folder).reveal() if profile.password else None
    endpoint = Endpoint(
        kind=profile.source,
        host=profile.host,
        port=profile.port,
        mailbox=profile.mailbox,
        security=profile.security,
        fingerprint=profile.fingerprint,
        ca_file=profile.ca_file,
        path=str(folder / SPOOL) if profile.source == "spool" and not profile.path else profile.path,
        folder=profile.folder,
        timeout=profile.timeout,
        work=work,
        password=password,
    )
    return open_source(endpoint)


def list_profiles(session: Session, request: api.ListProfiles) -> api.Profiles:
    """Every profile as vault.toml has it."""
    return api.Profiles(profiles=tuple(_word(profile) for profile in session.settings().profiles))


def show_profile(session: Session, request: api.ShowProfile) -> api.ProfileWord:
    """One profile, defaults filled in."""
    profile = find(session.settings(), request.name)
    word = _word(profile)
    filled = {"journal": profile.journal_on, "delete": profile.delete_on, "plain": profile.plain_route}
    fields = msgspec.to_builtins(profile)
    every = {key: value for key, value in fields.items() if key not in ("name", "source")}
    return api.ProfileWord(name=word.name, source=word.source, fields=every | filled)


def _word(profile: Profile) -> api.ProfileWord:
    fields: dict[str, Any] = msgspec.to_builtins(profile)
    defaults = msgspec.to_builtins(Profile(name="", source=profile.source))
    told = {
        key: value
        for key, value in fields.items()
        if key not in ("name", "source") and value != defaults.get(key)
    }
    return api.ProfileWord(name=profile.name, source=profile.source, fields=told)


def put_profile(session: Session, request: api.PutProfile) -> api.Done:
    """Write a new or changed profile into vault.toml."""
    session.settings()
    edit_profile(session.settings_path, request.name, request.fields, request.new)
    session.record_settings()
    profile = find(session.settings(), request.name)
    what = "added" if request.new else "changed"
    warnings = []
    if profile.source in ("gateway", "spool") and not profile.delete_on:
        warnings.append("mail stays at the gateway after archiving: its mailbox will fill up")
    return api.Done(
        message=f"Profile {profile.name} {what}; try it with `muniment profile test {profile.name}`.",
        warnings=tuple(warnings),
    )


def remove_profile(session: Session, request: api.RemoveProfile) -> api.Done:
    """Take a profile out of vault.toml."""
    find(session.settings(), request.name)
    edit_remove(session.settings_path, request.name)
    session.record_settings()
    return api.Done(message=f"Profile {request.name} removed; what it archived stays.")


def test_profile(session: Session, request: api.TestProfile) -> Iterator[api.Word]:
    """Reach a mailbox and count what is in it; fetches and deletes nothing."""
    profile = find(session.settings(), request.name)
    source = source_of(profile, session.folder)
    yield api.Step(text=f"profile {profile.name} is complete, its password can be had")
    try:
        source.connect()
        yield api.Step(text=f"connected to {profile.host or profile.path or SPOOL} and logged in")
        count = sum(1 for _ in itertools.islice(source.listing(), SHOWN))
        more = " or more" if count == SHOWN else ""
        yield api.Step(text=f"listed {count}{more} messages")
    finally:
        source.close()
    yield api.Done(message=f"Profile {profile.name} works.")
