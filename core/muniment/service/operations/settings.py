"""Answers GetSettings, CheckSettings and PutSettings: the settings of vault.toml as a form shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from muniment import api
from muniment.config.check import setting_problems
from muniment.config.edit import set_settings
from muniment.config.file import profile_of
from muniment.config.model import Profile, Settings
from muniment.config.notify_urls import labels, stored, typed
from muniment.config.password_store import keep
from muniment.config.setting_fields import FIELDS, SECTIONS, SettingField, in_form
from muniment.errors import ConfigError, NotFound, SettingsChanged
from muniment.profiles.fields import FIELD, SCHEDULE
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import problems
from muniment.service.access.roles import AccessRole
from muniment.service.host.profile_source import find
from muniment.service.host.session import ClientSession
from muniment.service.host.untested_profiles import MARK, marked
from muniment.service.host.unused_secrets import forget_unnamed, forget_unused
from muniment.service.operations.operation import AuditRule, Operation

PASSWORD = "notify.mail.password"  # noqa: S105 - the key of a setting
KEPT_AS = "notify"
"""Prefix of the names of secrets that are kept for notifications."""
PROFILE = "profile"
DRAFT = {"file": "not kept yet"}
"""The place of a typed password that is only checked."""


def get_settings(session: ClientSession, request: api.GetSettings) -> api.VaultSettings:
    """Answer GetSettings."""
    settings, version = session.settings_and_version()
    groups = tuple(
        api.SettingsGroup(
            id=section.id,
            title=section.title,
            help=section.help,
            settings=(
                tuple(_word(field, settings) for field in section.fields)
                if section.id != "schedule"
                else tuple(_schedule(settings))
            ),
        )
        for section in SECTIONS
    )
    return api.VaultSettings(groups=groups, version=version)


def _word(field: SettingField, settings: Settings) -> api.SettingWord:
    value = value_of(settings, field.key)
    return api.SettingWord(
        key=field.key,
        label=field.label,
        kind=field.type,
        help=field.help,
        value=labels(value) if field.type == "urls" else value,
        default=field.default,
        sample=field.sample,
        choices=field.choices,
        says=field.says,
        least=field.least,
        most=field.most,
        more=field.more,
    )


def value_of(settings: Settings, key: str) -> Any:
    """The value of a setting, by its dotted key."""
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _schedule(settings: Settings) -> Iterator[api.SettingWord]:
    """The fields of the profiles that say when they run."""
    for profile in settings.profiles:
        for name in SCHEDULE:
            field = FIELD[name]
            help_ = field.help
            if name == "enabled" and profile.untested:
                help_ = "It was not tested: it runs only by hand until a test or a run of it succeeds."
            yield api.SettingWord(
                key=f"{PROFILE}.{profile.name}.{name}",
                label=f"{profile.name}: {field.label}",
                kind=field.type,
                help=help_,
                value=profile.value(name),
                default=field.default,
                says=field.says,
                least=field.least,
                most=field.most,
            )


# --- checking -----------------------------------------------------------------------------------


def check_settings(session: ClientSession, request: api.CheckSettings) -> api.Problems:
    """Answer CheckSettings."""
    settings, version = session.settings_and_version()
    if request.version not in ("", version):
        raise SettingsChanged("vault.toml was changed by someone else since it was read: read it again")
    found: dict[str, str] = {}
    values = dict(request.values)
    if request.password:
        values[PASSWORD] = DRAFT
    after = settings
    for key, value in values.items():
        if (named := _profile_key(key)) is not None:
            found |= _profile_problems(find(settings, named[0]), key, {named[1]: value})
            continue
        field = _known(key)
        try:
            after = _replaced(after, key, _meant(field, value, settings))
        except (ConfigError, msgspec.ValidationError) as error:
            found[key] = str(error) if isinstance(error, ConfigError) else "its value has another type"
    for key, sentence in setting_problems(after):
        found.setdefault(key, in_form(sentence, key.rpartition(".")[0]))
    return api.Problems(problems=found)


def _meant(field: SettingField, value: Any, settings: Settings) -> Any:
    """The value for the model; an address that was typed is taken as it is, and kept nowhere."""
    if value is None:
        return field.default
    if field.type == "urls":
        return tuple(typed(value, settings.notify.urls))
    return value


def _replaced(settings: Settings, key: str, value: Any) -> Settings:
    """The settings with another value of one key.

    Raises:
        msgspec.ValidationError: the value has the wrong type.
    """
    replaced: Settings = _with(settings, tuple(key.split(".")), value)
    return replaced


def _with(holder: Any, path: tuple[str, ...], value: Any) -> Any:
    name, *rest = path
    if rest:
        inner = _with(getattr(holder, name), tuple(rest), value)
    else:
        types = {field.name: field.type for field in msgspec.structs.fields(type(holder))}
        inner = msgspec.convert(value, types[name])
    return msgspec.structs.replace(holder, **{name: inner})


def _profile_problems(profile: Profile, key: str, fields: Mapping[str, Any]) -> dict[str, str]:
    table = {name: value for name, value in profile.table().items() if name not in ("name", MARK)}
    try:
        after = profile_of(profile.name, table | dict(fields), checked=False)
    except ConfigError as error:
        return {key: str(error)}
    name = key.rpartition(".")[2]
    wrong = problems(KIND[after.source], after.values())
    return {key: wrong[name]} if name in wrong else {}


def _known(key: str) -> SettingField:
    if key not in FIELDS:
        raise NotFound(f"there is no setting {key[:80]!r}: ask for the settings again")
    return FIELDS[key]


def _profile_key(key: str) -> tuple[str, str] | None:
    """The name of the profile and of its field that a key means; None for any other key.

    Raises:
        NotFound: it is a field that these requests don't change.
    """
    first, _, rest = key.partition(".")
    if first != PROFILE:
        return None
    name, _, field = rest.rpartition(".")
    if field not in SCHEDULE:
        raise NotFound(f"there is no setting {key[:80]!r}: change the profile itself")
    return name, field


# --- writing ------------------------------------------------------------------------------------


def put_settings(session: ClientSession, request: api.PutSettings) -> api.Done:
    """Answer PutSettings."""
    before, _ = session.settings_and_version()
    secrets: list[Mapping[str, Any]] = []
    try:
        places = _places(session, before, request, secrets)
        if not places:
            return api.Done(message="Nothing was changed.")
        after = set_settings(session.settings_path, places, request.version)
    except BaseException:
        for spec in secrets:
            forget_unnamed(session, spec)
        raise
    for old in (before.notify.mail.password, *before.notify.urls):
        if isinstance(old, dict):
            forget_unused(after, old, session.folder)
    keys = sorted({*request.values, *([PASSWORD] if request.password else [])})
    session.record_settings()
    return api.Done(message=f"{_count(keys)} changed.")


def _places(
    session: ClientSession, before: Settings, request: api.PutSettings, secrets: list[Mapping[str, Any]]
) -> dict[tuple[str, ...], Any]:
    """The changes of vault.toml. Secrets that are kept for it are added to `secrets`."""
    places: dict[tuple[str, ...], Any] = {}
    profiles: dict[str, dict[str, Any]] = {}
    for key, value in request.values.items():
        if (named := _profile_key(key)) is not None:
            profiles.setdefault(named[0], {})[named[1]] = value
        elif _known(key).type == "urls" and value is not None:
            places[tuple(key.split("."))] = stored(
                value, before.notify.urls, lambda url: _kept(session, url, "file", secrets)
            )
        else:
            places[tuple(key.split("."))] = value
    for name, fields in profiles.items():
        wanted = marked(find(before, name), fields, name)
        places |= {(PROFILE, name, field): value for field, value in wanted.items()}
    if request.password:
        place = _kept(session, request.password, request.keep, secrets)
        places[tuple(PASSWORD.split("."))] = place
    return places


def _kept(session: ClientSession, secret: str, way: str, secrets: list[Mapping[str, Any]]) -> dict[str, Any]:
    place = keep(secret, way, KEPT_AS, session.folder)
    secrets.append(place)
    return place


def _count(keys: list[str]) -> str:
    """The changed settings by section, such as "2 settings of Notifications and 1 of Access"."""
    titles = {field.key: section.title for section in SECTIONS for field in section.fields}
    found: dict[str, int] = {}
    for key in keys:
        title = titles.get(key, "Schedule")
        found[title] = found.get(title, 0) + 1
    (first, number), *rest = found.items()
    words = f"{number} {'setting' if number == 1 else 'settings'} of {first}"
    return " and ".join([words, *(f"{number} of {title}" for title, number in rest)])


OPERATIONS = (
    Operation(api.GetSettings, (api.VaultSettings,), AccessRole.ADMINISTRATOR, get_settings),
    Operation(api.CheckSettings, (api.Problems,), AccessRole.ADMINISTRATOR, check_settings),
    Operation(api.PutSettings, (api.Done,), AccessRole.ADMINISTRATOR, put_settings, audit=AuditRule.CHANGE),
)
