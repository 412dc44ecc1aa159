"""The settings that the checklist asks for: where each is in vault.toml, and how its text is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from muniment.config.model import Profile
from muniment.errors import ConfigError
from muniment.profiles.registry import KIND
from muniment.setup.model import SetupSituation, kinds_for

PROFILE = "profile."
"""Prefix of `StepField.place` for a setting of the archive profile."""
LISTEN = "0.0.0.0:25"
"""Where the embedded gateway listens by default."""
PROFILE_NAMES = {"gateway": "gateway", "mailbox": "journal", "embedded": "spool"}
"""Default name of a new archive profile, by where reports go."""


class ValueKind(Enum):
    """How the text of a setting is read."""

    TEXT = "text"
    NUMBER = "number"
    LIST = "list"
    """Separated by commas or spaces."""
    SECRET_FILE = "file"  # noqa: S105 - the name of a kind
    """The path of a file that holds a password."""


def _always(situation: SetupSituation) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class StepField:
    """A setting that a step asks for."""

    step: str
    name: str
    label: str
    place: str
    """Dotted path in vault.toml; after PROFILE, the name of a field of the archive profile."""
    kind: ValueKind = ValueKind.TEXT
    choices: tuple[str, ...] = ()
    hint: str = ""
    applies: Callable[[SetupSituation], bool] = _always
    """Whether the step asks for it in a situation."""


@dataclass(slots=True)
class SettingChanges:
    """Changes to vault.toml."""

    settings: dict[str, Any] = field(default_factory=dict)
    """New values by dotted path; None removes a value."""
    profile: dict[str, Any] = field(default_factory=dict)
    """New values of the archive profile's fields; None removes one."""
    name: str = ""
    """The archive profile's name; "" if nothing of a profile changes."""
    new: bool = False
    """Whether the profile does not exist yet."""


def _embedded(situation: SetupSituation) -> bool:
    return situation.settings.journaling.reports == "embedded"


def _remote(situation: SetupSituation) -> bool:
    return not _embedded(situation)


def _own_mailbox(situation: SetupSituation) -> bool:
    return situation.settings.journaling.reports == "mailbox"


def _online(situation: SetupSituation) -> bool:
    return situation.settings.journaling.platform == "microsoft-365"


FIELDS = (
    StepField(
        "organisation", "platform", "Mail system", "journaling.platform",
        choices=("microsoft-365", "exchange-server"),
    ),
    StepField("organisation", "name", "Organisation", "name"),
    StepField(
        "organisation", "domains", "Own domains", "domains", ValueKind.LIST, hint="example.com, example.org",
    ),
    StepField(
        "organisation", "resolver", "DNS server", "journaling.resolver",
        hint="empty: this machine's own",
    ),
    StepField(
        "report-address", "reports", "Reports go to", "journaling.reports",
        choices=("gateway", "mailbox", "embedded"),
    ),
    StepField(
        "report-address", "address", "Report address", "journaling.address", hint="journal@archive.net",
    ),
    StepField("report-address", "listen", "Listens on", "gateway.listen", hint=LISTEN, applies=_embedded),
    StepField(
        "report-address", "networks", "Networks", "gateway.networks", ValueKind.LIST,
        hint="such as 192.0.2.0/24", applies=_embedded,
    ),
    StepField(
        "report-address", "certificate", "Certificate", "gateway.certificate",
        hint="PEM, with chain and key", applies=_embedded,
    ),
    StepField(
        "undeliverable", "undeliverable", "Mailbox", "journaling.undeliverable", hint="ndr@elsewhere.example"
    ),
    StepField("journal-rule", "rule", "Rule's name", "journaling.rule", hint="at most 64 characters"),
    StepField(
        "journal-rule", "scope", "Messages", "journaling.scope", choices=("Global", "Internal", "External")
    ),
    StepField("journal-rule", "recipient", "Only of", "journaling.recipient", hint="empty: everyone"),
    StepField(
        "journal-rule", "expiration-days", "Keep trying", "journaling.expiration_days", ValueKind.NUMBER,
        hint="days, 0 to 7", applies=_online,
    ),
    StepField("profile", "profile", "Profile", "journaling.profile", hint="its name"),
    StepField(
        "profile", "source", "Kind", PROFILE + "source", choices=tuple(kinds_for("mailbox")),
        applies=_own_mailbox,
    ),
    StepField("profile", "host", "Host", PROFILE + "host", hint="gateway.example.net", applies=_remote),
    StepField(
        "profile", "port", "Port", PROFILE + "port", ValueKind.NUMBER, hint="empty: the usual",
        applies=_remote,
    ),
    StepField("profile", "mailbox", "Mailbox", PROFILE + "mailbox", hint="mbx-...", applies=_remote),
    StepField(
        "profile", "password-file", "Password file", PROFILE + "password", ValueKind.SECRET_FILE,
        hint="/etc/muniment/gateway.secret", applies=_remote,
    ),
    StepField("schedule", "every", "Every", PROFILE + "every", ValueKind.NUMBER, hint="seconds"),
    StepField("first-report", "tenant", "Tenant", PROFILE + "tenant", hint="a report's Sender"),
    StepField(
        "first-report", "quiet-days", "Quiet after", "journaling.quiet_days", ValueKind.NUMBER,
        hint="days without a report",
    ),
)  # fmt: skip
FIELD = {one.name: one for one in FIELDS}


def step_fields(step: str, situation: SetupSituation) -> Iterator[tuple[StepField, str]]:
    """The settings that a step asks for in a situation, each with its current value as text."""
    for one in FIELDS:
        if one.step == step and one.applies(situation):
            yield one, value_of(one, situation)


def value_of(one: StepField, situation: SetupSituation) -> str:
    """The current value of a setting as text; "" for none."""
    found = situation.profile
    if one.name == "profile":
        return found.name if found else situation.settings.journaling.profile
    if not one.place.startswith(PROFILE):
        holder: Any = situation.settings
        for key in one.place.split("."):
            holder = getattr(holder, key)
        return _text(holder)
    if found is None:
        return ""
    if one.kind is ValueKind.SECRET_FILE:
        return str((found.password or {}).get("file", ""))
    name = one.place.removeprefix(PROFILE)
    return found.source if name == "source" else _text(found.value(name))


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def changes(values: Mapping[str, str], situation: SetupSituation) -> SettingChanges:
    """The changes to vault.toml that new values mean.

    Args:
        values: the new values as text, by `StepField.name`; "" removes a value.
        situation: the current state.

    Raises:
        ConfigError: a name is unknown, or a value is wrong.
    """
    wanted = SettingChanges()
    for name, text in values.items():
        one = FIELD.get(name)
        if one is None:
            raise ConfigError(f"set-up has no setting {name!r}: choose one of {', '.join(FIELD)}")
        value = _parsed(one, text)
        if one.place.startswith(PROFILE):
            wanted.profile[one.place.removeprefix(PROFILE)] = value
        else:
            wanted.settings[one.place] = value
    if any(place in wanted.settings for place in ("journaling.reports", "journaling.address")):
        _open_gateway(wanted, situation)
    if wanted.profile or "journaling.profile" in wanted.settings:
        _name_profile(wanted, situation)
    return wanted


def _parsed(one: StepField, text: str) -> Any:
    text = text.strip()
    if one.kind is ValueKind.LIST:
        return [part for part in text.replace(",", " ").split() if part]
    if not text:
        return None
    if one.choices and text not in one.choices:
        raise ConfigError(f"{one.name} can't be {text[:80]!r}: choose one of {', '.join(one.choices)}")
    if one.kind is ValueKind.NUMBER:
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise ConfigError(f"{one.name} must be a whole number")
        return int(text)
    return {"file": text} if one.kind is ValueKind.SECRET_FILE else text


def _open_gateway(wanted: SettingChanges, situation: SetupSituation) -> None:
    """Let the embedded gateway accept mail for the report address, and no longer for the former one."""
    settings = situation.settings
    reports = wanted.settings.get("journaling.reports", settings.journaling.reports)
    address = wanted.settings.get("journaling.address", settings.journaling.address)
    if reports != "embedded" or not address:
        return
    others = [one for one in settings.gateway.addresses if one not in (settings.journaling.address, address)]
    wanted.settings["gateway.addresses"] = [address, *others]
    if not settings.gateway.listen and not wanted.settings.get("gateway.listen"):
        wanted.settings["gateway.listen"] = LISTEN


def _name_profile(wanted: SettingChanges, situation: SetupSituation) -> None:
    """Decide which profile the values belong to. A new one gets the kind that fits where reports go."""
    settings = situation.settings
    current = situation.profile
    named = wanted.settings.get("journaling.profile") or (current.name if current else "")
    wanted.name = named or PROFILE_NAMES[settings.journaling.reports]
    existing = next((one for one in settings.profiles if one.name == wanted.name), None)
    wanted.new = existing is None
    wanted.settings["journaling.profile"] = wanted.name
    kinds = kinds_for(settings.journaling.reports)
    source = wanted.profile.get("source") or (existing.source if existing else kinds[0])
    if wanted.new:
        wanted.profile["source"] = source
        if not KIND[source].journal:  # by default, a mailbox of these kinds is not one of reports
            wanted.profile["journal"] = True
    elif wanted.profile.get("source") is None:
        wanted.profile.pop("source", None)
    if wanted.profile.get("mailbox"):
        wanted.profile["mailbox"] = Profile.of("", source, mailbox=wanted.profile["mailbox"]).login
