"""Makes a grant of what an administrator typed: whose mail, and within which limits."""

from __future__ import annotations

import time
from typing import Any

from muniment import api
from muniment.archive.operations.check_names import person
from muniment.archive.vault.vault import Vault
from muniment.config.model import AccessSection
from muniment.errors import UsageError
from muniment.people.directory import CATCH_ALL, User
from muniment.people.grants import TO_GROUP, AccessBook, MailLimits
from muniment.service.operations.time_zone import zone_asked
from muniment.system.periods import period

LONGEST_LOGIN = 256
"""Most characters of a login name (POSIX LOGIN_NAME_MAX on Linux)."""
LONGEST_CASE = 80


def grantable(vault: Vault, name: str) -> User:
    """The person with a name or address, whose mail a login may get to read.

    Raises:
        NotFound: there is none.
        UsageError: it is the catch-all.
    """
    user = person(vault, name)
    if user.id == CATCH_ALL:
        raise UsageError("the mail of no known person is for auditors and administrators alone")
    return user


def login_asked(name: str) -> str:
    """A login name that was typed. Raises UsageError."""
    login = name.strip()
    if not login or len(login) > LONGEST_LOGIN or not login.isprintable() or any(c in login for c in " :,/"):
        raise UsageError(f"{name!r} is no login name of this machine")
    return login


def reader_asked(vault: Vault, name: str) -> str:
    """A login, or `group:` and a group whose members' logins are meant, as a grant has it.

    Raises:
        UsageError: it is no login.
        NotFound: there is no such group.
    """
    if name.strip().startswith(TO_GROUP):
        return TO_GROUP + vault.directory.groups.named(name.strip().removeprefix(TO_GROUP)).name
    return login_asked(name)


def grant_asked(vault: Vault, request: api.GrantAccess, now: int) -> dict[str, Any]:
    """The exact arguments of a grant but its reason: `login`, `until`, and whose mail it is.

    Raises:
        UsageError: a value can't be used, or several say whose mail it is.
        NotFound: there is no such person or group.
    """
    of: dict[str, Any] = {
        "login": reader_asked(vault, request.login),
        "until": last_day(request.until, request.zone, now) or 0,
    }
    if bool(request.user) + bool(request.group) + (request.limits is not None) != 1:
        raise UsageError("name a person, or a group, or the limits of an auditor: one of these")
    if request.limits is not None:
        limits = limits_asked(vault, request.limits, request.zone)
        if limits == MailLimits() and not of["until"]:
            raise UsageError(
                "give at least one limit: people, a group, dates, a case, or the last day; who may read "
                "everything for ever is named in [access] auditors of vault.toml"
            )
        return of | {"as": "auditor", "limits": limits.value}
    if request.group:
        return of | {"group": vault.directory.groups.named(request.group).name}
    user = grantable(vault, request.user)
    return of | {"user": user.id, "person": user.primary}


def limits_asked(vault: Vault, word: api.MailLimitsWord, zone: str) -> MailLimits:
    """The limits that were typed. Raises as `grant_asked`."""
    people = tuple(dict.fromkeys(grantable(vault, name) for name in word.people))
    groups = tuple(dict.fromkeys(vault.directory.groups.named(name).name for name in word.groups))
    since = _day(word.since, zone)[0] if word.since else None
    until = _day(word.until, zone)[1] if word.until else None
    if since is not None and until is not None and since >= until:
        raise UsageError("no mail is dated in such a time: let it begin before it ends")
    case = word.case.strip()
    if len(case) > LONGEST_CASE or not case.isprintable():
        raise UsageError(f"a case number has at most {LONGEST_CASE} characters that can be shown")
    return MailLimits(
        tuple(user.id for user in people), tuple(user.primary for user in people), groups, since, until, case
    )


def require_new(book: AccessBook, of: dict[str, Any], now: int) -> None:
    """Check that a login does not have exactly this right. Raises UsageError."""
    limits = MailLimits.of(of["limits"]) if "limits" in of else None
    wanted = (of["login"], of["until"], of.get("user", ""), of.get("group", ""), limits)
    for known in book.grants.values():
        had = (known.login, known.until or 0, known.user, known.group, known.limits)
        if known.holds(now) and had == wanted:
            raise UsageError(
                f"{of['login']} has this right already, as grant {known.id}: nothing was changed"
            )


def what_of(of: dict[str, Any]) -> str:
    """What the arguments of a grant are about, as part of a sentence."""
    if "limits" in of:
        return MailLimits.of(of["limits"]).describe()
    return f"the mail of the group {of['group']}" if of.get("group") else f"the mail of {of['person']}"


def without_effect(access: AccessSection, of: dict[str, Any]) -> str:
    """A sentence that says that limits have no effect on a login, since vault.toml names it; "" if not."""
    if "limits" in of and of["login"] in (*access.administrators, *access.auditors):
        return (
            f" But vault.toml lets {of['login']} read everything: the limits have no effect until that line "
            "is removed."
        )
    return ""


def last_day(text: str, zone: str, now: int) -> int | None:
    """The first second after the last day that was typed; None for no end. Raises UsageError."""
    if not text:
        return None
    _, end = _day(text, zone)
    if end <= now:
        raise UsageError(f"{text} is over: give a day to come")
    return end


def _day(text: str, zone: str) -> tuple[int, int]:
    try:
        return period(text, time.time(), zone_asked(zone))
    except ValueError:
        raise UsageError(f"{text!r} is no day: write it as 2027-03-31") from None
