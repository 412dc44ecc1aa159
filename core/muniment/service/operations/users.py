"""Answers the requests about users and their addresses."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import tzinfo

from muniment import api
from muniment.archive.operations.check_names import person, suggestion
from muniment.archive.vault.changes import DirectoryChange, affected_by
from muniment.archive.vault.vault import Vault
from muniment.errors import ConfigError, NotFound, UsageError
from muniment.mail.headers.addresses import normalise
from muniment.people.changes import CSV, HAND, Change, with_origin
from muniment.people.directory import CATCH_ALL, Directory, User
from muniment.people.importer import import_csv
from muniment.people.planning import add_changes, edit_changes, remove_changes
from muniment.service.access.audit_trail import directory_events
from muniment.service.access.rights import book_of
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations import own_mail
from muniment.service.operations.logins import changed_logins, moved_addresses, preview, sentences
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.time_zone import zone_asked
from muniment.system.periods import period


def list_users(session: ClientSession, request: api.ListUsers) -> api.Users:
    """Answer ListUsers: named users, and automatic users who have mail."""
    with session.reading() as vault:
        counts = {user: sum(n for _, n in folders) for user, folders in vault.catalog.tree()}
        directory = vault.directory
        named = [_reply(directory, user, counts.pop(user.primary, 0)) for user in directory.users()]
        catch_all = counts.pop(CATCH_ALL, 0)
        automatic = [_automatic(directory, user, count) for user, count in counts.items()]
    everyone = sorted(named + automatic, key=lambda reply: reply.user)
    return api.Users(users=tuple(everyone), catch_all=catch_all)


def _reply(directory: Directory, user: User, messages: int) -> api.UserWord:
    tenures = directory.address_periods(user.id)
    return api.UserWord(
        user=user.primary,
        name=user.name,
        aliases=user.aliases,
        messages=messages,
        addresses=tuple(
            api.AddressWord(address=one.address, since=one.start, until=one.end, origin=one.origin)
            for one in tenures
        ),
        former=all(one.end is not None for one in tenures),
        id=user.id,
    )


def _automatic(directory: Directory, label: str, messages: int) -> api.UserWord:
    addresses = tuple(
        api.AddressWord(address=one.address, since=one.start, until=one.end, origin="mail")
        for one in directory.automatic_periods(label)
    )
    return api.UserWord(user=label, name="", automatic=True, messages=messages, addresses=addresses)


def show_user(session: ClientSession, request: api.ShowUser) -> api.UserWord:
    """Answer ShowUser: the user who has an address."""
    users = list_users(session, api.ListUsers()).users
    wanted = _label(session, request.user)
    for user in users:
        if user.user == wanted:
            return user
    close = suggestion(request.user, (one for user in users for one in (user.user, *user.aliases)))
    raise NotFound(f"no user has the address {request.user!r}{close}: `muniment users list` shows all users")


def _label(session: ClientSession, name: str) -> str:
    """The label of the user who has an address or a label; "" for none."""
    with session.reading() as vault:
        try:
            return vault.directory.find(name).primary
        except NotFound:
            return ""


def add_user(session: ClientSession, request: api.AddUser) -> api.Done:
    """Answer AddUser: add a user, or change one."""
    since = _since(request.since, zone_asked(request.zone))

    def wanted(directory: Directory) -> list[Change]:
        name, addresses = request.name, request.addresses
        if request.of:
            return with_origin(edit_changes(directory, request.of, name, addresses, since), HAND)
        return with_origin(add_changes(directory, name, addresses, since), HAND)

    return _changed(session, request, wanted, request.name)


def remove_user(session: ClientSession, request: api.RemoveUser) -> api.Done:
    """Answer RemoveUser. The mail is filed again, and none is deleted."""
    with session.reading() as vault:
        person(vault, request.user)

    def wanted(directory: Directory) -> list[Change]:
        return remove_changes(directory, request.user, request.alias)

    return _changed(session, request, wanted, f"{request.alias or request.user} removed")


def import_users(session: ClientSession, request: api.ImportUsers) -> api.Done:
    """Answer ImportUsers: add the users of a CSV file, all or none."""

    def wanted(directory: Directory) -> list[Change]:
        return with_origin(import_csv(request.text, directory, request.filename or "the file"), CSV)

    return _changed(session, request, wanted, "Users imported")


def _changed(
    session: ClientSession,
    request: api.AddUser | api.RemoveUser | api.ImportUsers,
    planned: Callable[[Directory], list[Change]],
    what: str,
) -> api.Done:
    """Change the directory, record that in the audit trail, and report the effects.

    Args:
        session: the session.
        request: the request; with `check`, the changes are only planned and reported.
        planned: plans the changes for the directory as it is then.
        what: the change, for the message.
    """
    check = request.check
    now, moves = int(time.time()), tuple[api.MovedAddress, ...]()
    with session.writing() as vault:

        def plan(directory: Directory) -> list[Change]:
            nonlocal moves
            made = planned(directory)
            after = preview(directory, made, now)
            _require_seals(vault, directory, after)
            moves = moved_addresses(directory, after, made, lambda user: bool(vault.catalog.folders(user)))
            return made

        if check:
            before = vault.directory
            made = tuple(plan(before))
            refiled = vault.catalog.count_mentioned(affected_by(before, made, now))
            changed = DirectoryChange(before, preview(before, made, now), made, refiled)
        else:
            changed = vault.change_directory(plan, now, lambda made: directory_events(session, request, made))
        logins = changed_logins(changed.before, changed.after, session.settings().access.users)
    result = f"{what}: {len(changed.made)} changes to the directory"
    refiled_words = f"{changed.refiled} messages {'would be ' if check else ''}filed again"
    message = f"Nothing was changed. {result}, {refiled_words}." if check else f"{result}, {refiled_words}."
    return api.Done(
        message=message, warnings=sentences(moves, logins), moved=moves, logins=logins,
        people=_people(changed), refiled=changed.refiled,
    )  # fmt: skip


def _require_seals(vault: Vault, before: Directory, after: Directory) -> None:
    """Check that a change takes no mail out of the folders of a person whose mail is sealed.

    Raises:
        UsageError: it does: the seal must be lifted first.
    """
    for user, seal in book_of(vault).seals_on(int(time.time())).items():
        held = [one for one in before.user(user).addresses if before.holder(one) == user]
        if lost := [one for one in held if after.holder(one) != user]:
            raise UsageError(
                f"the mail of {seal.person} is sealed, and this takes {lost[0]} from them: lift the seal "
                "first (`muniment access unseal`), and seal the mail again afterwards"
            )


def _people(changed: DirectoryChange) -> tuple[api.PersonChange, ...]:
    """What changes for whom, in the order of the changes."""
    before, after = ({user.id for user in one.users()} for one in (changed.before, changed.after))
    addresses: dict[str, dict[str, None]] = {}
    for change in changed.made:
        if "user" in change:
            named = (change[key] for key in ("primary", "address") if key in change)
            addresses.setdefault(change["user"], {}).update(dict.fromkeys(map(normalise, named)))
    found = []
    for id_, given in addresses.items():
        user = (changed.after if id_ in after else changed.before).user(id_)
        kind = "removed" if id_ not in after else "changed" if id_ in before else "added"
        lost = kind == "removed"
        found.append(
            api.PersonChange(
                user=user.primary, name=user.name, kind=kind,
                addresses=user.addresses if lost else tuple(given),
            )
        )  # fmt: skip
    return tuple(found)


def get_refiling(session: ClientSession, request: api.GetRefiling) -> api.Refiling:
    """Answer GetRefiling."""
    with session.reading() as vault:
        progress = vault.refiling
    if progress is None:
        return api.Refiling(running=False)
    return api.Refiling(running=True, done=progress.done, expected=progress.expected)


def _since(text: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    try:
        return period(text, time.time(), zone)[0]
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a date: write it as 2026-01-31") from error


OPERATIONS = (
    Operation(api.GetRefiling, (api.Refiling,), AccessRole.AUDITOR, get_refiling),
    Operation(api.ListUsers, (api.Users,), AccessRole.USER, list_users, own_mail=own_mail.list_users),
    Operation(api.ShowUser, (api.UserWord,), AccessRole.USER, show_user, own_mail=own_mail.show_user),
    Operation(api.AddUser, (api.Done,), AccessRole.ADMINISTRATOR, add_user, audit=AuditRule.WITHIN),
    Operation(api.RemoveUser, (api.Done,), AccessRole.ADMINISTRATOR, remove_user, audit=AuditRule.WITHIN),
    Operation(api.ImportUsers, (api.Done,), AccessRole.ADMINISTRATOR, import_users, audit=AuditRule.WITHIN),
)
