"""Answers the requests that list, change and check profiles."""

from __future__ import annotations

from pathlib import Path

import msgspec

from muniment import api
from muniment.config.check import check_name
from muniment.config.edit import put_profile as edit_profile
from muniment.config.edit import remove_profile as edit_remove
from muniment.config.edit import rename_profile as edit_rename
from muniment.config.file import profile_of
from muniment.config.model import Profile
from muniment.config.password_store import is_kept, keep
from muniment.errors import ConfigError, SettingsChanged
from muniment.profiles.fields import name_problem
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import problems, warnings
from muniment.service.access.roles import AccessRole
from muniment.service.host.profile_source import (
    find,
)
from muniment.service.host.session import ClientSession
from muniment.service.host.untested_profiles import MARK, marked, needs_test
from muniment.service.host.unused_secrets import forget_unnamed, forget_unused
from muniment.service.operations.operation import AuditRule, Operation
from muniment.system.paths import as_path


def list_profiles(session: ClientSession, request: api.ListProfiles) -> api.Profiles:
    """Answer ListProfiles: the profiles as vault.toml has them, without defaults."""
    settings, version = session.settings_and_version()
    replies = tuple(_reply(profile, version) for profile in settings.profiles)
    return api.Profiles(profiles=replies, version=version)


def show_profile(session: ClientSession, request: api.ShowProfile) -> api.ProfileWord:
    """Answer ShowProfile: one profile, with defaults filled in."""
    settings, version = session.settings_and_version()
    profile = find(settings, request.name)
    reply = _reply(profile, version)
    filled = {
        "auth": profile.auth_by,
        "journal": profile.journal_on,
        "delete": profile.delete_on,
        "plain": profile.plain_route,
    }
    every = {key: value for key, value in profile.table().items() if key not in ("name", "source", MARK)}
    return msgspec.structs.replace(reply, fields=every | filled)


def _reply(profile: Profile, version: str) -> api.ProfileWord:
    defaults = Profile.of("", profile.source).table()
    changed = {
        key: value
        for key, value in profile.table().items()
        if key not in ("name", "source", MARK) and value != defaults.get(key)
    }
    return api.ProfileWord(
        name=profile.name,
        source=profile.source,
        fields=changed,
        version=version,
        tested=not profile.untested,
    )


def put_profile(session: ClientSession, request: api.PutProfile) -> api.Done:
    """Answer PutProfile: write a profile to vault.toml, and store its password if there is one."""
    before = [profile for profile in session.settings().profiles if profile.name == request.name]
    check_name(request.name)
    if not before and not request.new:
        find(session.settings(), request.name)
    fields = marked(before[0] if before else None, request.fields, request.name, request.password)
    if request.password:
        fields["password"] = keep(request.password, request.keep, request.name, session.folder)
    try:
        settings = edit_profile(session.settings_path, request.name, fields, request.new, request.version)
    except BaseException:
        if request.password:
            forget_unnamed(session, fields["password"])
        raise
    if request.password and before:
        forget_unused(settings, before[0].password, session.folder)
    session.record_settings()
    return _put_reply(find(settings, request.name), before[0] if before else None)


def _put_reply(profile: Profile, before: Profile | None) -> api.Done:
    what = "changed" if before else "added"
    message = f"Profile {profile.name} {what}; test it with `muniment profile test {profile.name}`."
    if profile.untested:
        message += f" {untested_notice(profile)}"
    return api.Done(
        message=message, warnings=tuple(warnings(KIND[profile.source], profile.values()).values())
    )


def untested_notice(profile: Profile) -> str:
    """Says that a profile without a test runs only by hand, and what changes that."""
    if not profile.enabled:
        return "It is not tested yet, and runs only by hand."
    return (
        "It is not tested yet: it runs only by hand until a test or a run of it succeeds. "
        f"`muniment profile edit {profile.name} --enabled` lets the service run it without a test."
    )


def rename_profile(session: ClientSession, request: api.RenameProfile) -> api.Done:
    """Answer RenameProfile. Keys belong to the mailbox, so nothing is fetched again."""
    find(session.settings(), request.name)
    edit_rename(session.settings_path, request.name, request.to, request.version)
    session.record_settings()
    return api.Done(message=f"Profile {request.name} is now {request.to}; its past runs keep the old name.")


def remove_profile(session: ClientSession, request: api.RemoveProfile) -> api.Done:
    """Answer RemoveProfile: remove a profile from vault.toml."""
    profile = find(session.settings(), request.name)
    edit_remove(session.settings_path, request.name, request.version)
    session.record_settings()
    place = " and ".join(f"{way} {where}" for way, where in (profile.password or {}).items())
    stays = f" Its password stays in {place}." if is_kept(profile.password) else ""
    return api.Done(message=f"Profile {request.name} removed; its archived mail stays.{stays}")


def check_profile(session: ClientSession, request: api.CheckProfile) -> api.Problems:
    """Answer CheckProfile: by the table of fields, and by the files of this machine."""
    settings, version = session.settings_and_version()
    if request.version not in ("", version):
        raise SettingsChanged("vault.toml was changed by someone else since it was read: read it again")
    found: dict[str, str] = {}
    known = request.name in [profile.name for profile in settings.profiles]
    if name := name_problem(request.name):
        found["name"] = name
    elif request.new and known:
        found["name"] = f"there is already a profile {request.name!r}: choose another name"
    try:
        profile = profile_of(request.name or "draft", request.fields, checked=False)
    except ConfigError as error:
        return api.Problems(problems=found | {"source": str(error)})
    found |= problems(KIND[profile.source], profile.values())
    path, ca_file = profile.value("path"), profile.value("ca_file")
    if path and "path" not in found and not Path(as_path(path)).exists():
        found["path"] = f"{path} does not exist on the machine of the service"
    if ca_file and not Path(as_path(ca_file)).is_file():
        found["ca_file"] = f"the file {ca_file} does not exist on the machine of the service"
    was = next((one for one in settings.profiles if one.name == request.name), None)
    untested = needs_test(None if request.new else was, profile, request.password)
    return api.Problems(problems=found, tested=not untested)


OPERATIONS = (
    Operation(api.ListProfiles, (api.Profiles,), AccessRole.ADMINISTRATOR, list_profiles),
    Operation(api.ShowProfile, (api.ProfileWord,), AccessRole.ADMINISTRATOR, show_profile),
    Operation(api.PutProfile, (api.Done,), AccessRole.ADMINISTRATOR, put_profile, audit=AuditRule.CHANGE),
    Operation(
        api.RenameProfile, (api.Done,), AccessRole.ADMINISTRATOR, rename_profile, audit=AuditRule.CHANGE
    ),
    Operation(
        api.RemoveProfile, (api.Done,), AccessRole.ADMINISTRATOR, remove_profile, audit=AuditRule.CHANGE
    ),
    Operation(api.CheckProfile, (api.Problems,), AccessRole.ADMINISTRATOR, check_profile),
)
