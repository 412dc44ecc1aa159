"""Answers the requests about groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from muniment import api
from muniment.archive.retention.approvals import approvals_of
from muniment.archive.vault.vault import Vault
from muniment.errors import ConfigError, UsageError
from muniment.people.address_history import BEGINNING, FOREVER
from muniment.people.changes import CSV, HAND, Change, with_origin
from muniment.people.csv_groups import read_groups
from muniment.people.directory import Directory
from muniment.people.group_planning import WantedMember, all_changes, join_changes, leave_changes
from muniment.people.groups import Group, GroupMember, Membership
from muniment.service.access.audit_trail import directory_events, recordable
from muniment.service.access.rights import book_of
from muniment.service.access.roles import AccessRole
from muniment.service.access.second_person import needed_acts
from muniment.service.host.session import ClientSession
from muniment.service.operations.access.joining import join, joining
from muniment.service.operations.access.rights import GRANT
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.retention.approving import asked_for
from muniment.service.operations.time_zone import zone_asked
from muniment.system.formatting import count
from muniment.system.periods import period

Plan = Callable[[Directory], list[Change]]


def list_groups(session: ClientSession, request: api.ListGroups) -> api.Groups:
    """Answer ListGroups."""
    now = int(time.time())
    with session.reading() as vault:
        book = book_of(vault)
        words = (
            replace(_word(one, now), grants=len(book.about_group(one.name, now)))
            for one in vault.directory.groups.all()
        )
        return api.Groups(groups=tuple(words))


def show_group(session: ClientSession, request: api.ShowGroup) -> api.GroupWord:
    """Answer ShowGroup."""
    at = _day(request.on, request.zone)[0] if request.on else int(time.time())
    with session.reading() as vault:
        directory = vault.directory
        group = directory.groups.named(request.group)
        found = sorted((_label(directory, member), member, known) for member, known in group.members.items())
        words = (word for label, member, known in found for word in _periods(label, member, known, at))
        return api.GroupWord(
            name=group.name, count=_word(group, at).count, former=_word(group, at).former,
            members=tuple(words),
        )  # fmt: skip


def _word(group: Group, at: int) -> api.GroupWord:
    present = sum(1 for _ in group.at(at))
    return api.GroupWord(name=group.name, count=present, former=len(group.members) - present)


def _label(directory: Directory, member: GroupMember) -> str:
    return directory.label(member.user) if member.user else member.address


def _periods(label: str, member: GroupMember, known: Membership, at: int) -> Iterator[api.MemberWord]:
    for spans, withdrawn in ((known.spans, False), (known.once, True)):
        for span in spans:
            yield api.MemberWord(
                member=label,
                address=bool(member.address),
                since=None if span.start == BEGINNING else span.start,
                until=None if span.end == FOREVER else span.end,
                now=span.has(at) and not withdrawn,
                withdrawn=withdrawn,
            )


# --- changes ----------------------------------------------------------------------------------------


def join_group(session: ClientSession, request: api.JoinGroup) -> api.Decided:
    """Answer JoinGroup. Joining a group that a grant names may need a second person."""
    now, span = int(time.time()), _asked_span(request)
    wanted = [WantedMember(name, *span) for name in _named(request.members)]

    def plan(directory: Directory) -> list[Change]:
        return with_origin(join_changes(directory, request.group, wanted, now), HAND)

    if request.check:
        return api.Decided(message=_said(request.group, "joined", _planned(session, plan), check=True))
    reason = recordable(request.reason.strip()) or f"to join the group {request.group}"
    of = joining(" ".join(request.group.split()), wanted, reason)
    with session.writing() as vault:
        if plan(vault.directory) and book_of(vault).about_group(request.group, now):
            asked = asked_for(session, vault, request, GRANT, of, reason)
            if asked is not None:
                return asked
        made = join(session, vault, request, of)
    return api.Decided(message=_said(request.group, "joined", made, check=False))


def _asked_span(request: api.JoinGroup) -> tuple[int | None, int | None]:
    since = _day(request.since, request.zone)[0] if request.since else None
    until = _day(request.until, request.zone)[1] if request.until else None
    return since, until


def leave_group(session: ClientSession, request: api.LeaveGroup) -> api.Done:
    """Answer LeaveGroup."""
    now, names = int(time.time()), _named(request.members)
    at = _day(request.until, request.zone)[1] if request.until else None
    made = _change(
        session, request, lambda directory: list(leave_changes(directory, request.group, names, at, now))
    )
    return api.Done(message=_said(request.group, "left", made, request.check))


def import_groups(session: ClientSession, request: api.ImportGroups) -> api.Done:
    """Answer ImportGroups."""
    now, filename = int(time.time()), request.filename or "the file"
    zone = zone_asked(request.zone)
    wanted = read_groups(request.text, filename, lambda text: period(text, now, zone))

    def plan(directory: Directory) -> list[Change]:
        return with_origin(all_changes(directory, wanted, now, request.complete), CSV)

    made = _change(session, request, plan)
    groups = count(len(wanted))
    nothing = "Nothing was changed. " if request.check else ""
    would = "would be" if request.check else "were"
    return api.Done(message=f"{nothing}{groups} groups read: {count(len(made))} memberships {would} changed.")


def _planned(session: ClientSession, plan: Plan) -> list[Change]:
    """What would be changed."""
    with session.reading() as vault:
        made = plan(vault.directory)
        after = vault.directory.copy()
        for change in made:
            after.apply(change, int(time.time()))
        return made


def _change(session: ClientSession, request: api.LeaveGroup | api.ImportGroups, plan: Plan) -> list[Change]:
    """Change the directory, and record that in the audit trail; a dry run only plans."""
    if request.check:
        return _planned(session, plan)
    with session.writing() as vault:
        _require_no_approval(session, vault, plan(vault.directory))
        changed = vault.change_directory(
            plan, int(time.time()), lambda made: directory_events(session, request, made)
        )
        return list(changed.made)


def _require_no_approval(session: ClientSession, vault: Vault, made: Iterable[Change]) -> None:
    """Check that no one joins a group by which rights are granted, if that needs a second person.

    Raises:
        ConfigError: someone does.
    """
    if GRANT.name not in needed_acts(approvals_of(vault), session.settings()):
        return
    book, now = book_of(vault), int(time.time())
    joined = {change["group"] for change in made if change["op"] == "join-group"}
    if granted := sorted(name for name in joined if book.about_group(name, now)):
        raise ConfigError(
            f"rights to read are granted by the group {granted[0]}, so joining it needs a second person: use "
            "`muniment group add`, which asks for one"
        )


def _said(group: str, what: str, made: Iterable[Change], check: bool) -> str:
    number, group = sum(1 for _ in made), " ".join(group.split())
    if not number:
        return f"The group {group} is like that already: nothing was changed."
    if check:
        return f"Nothing was changed. The group {group} would have {count(number)} memberships changed."
    return f"{count(number)} {what} the group {group}."


def _named(members: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in members if name.strip()))
    if not names:
        raise UsageError("name at least one member: a user or an address")
    return names


def _day(text: str, zone: str) -> tuple[int, int]:
    try:
        return period(text, time.time(), zone_asked(zone))
    except ValueError:
        raise UsageError(f"{text!r} is no day: write it as 2027-03-31") from None


OPERATIONS = (
    Operation(api.ListGroups, (api.Groups,), AccessRole.AUDITOR, list_groups),
    Operation(api.ShowGroup, (api.GroupWord,), AccessRole.AUDITOR, show_group),
    Operation(api.JoinGroup, (api.Decided,), AccessRole.ADMINISTRATOR, join_group, audit=AuditRule.WITHIN),
    Operation(api.LeaveGroup, (api.Done,), AccessRole.ADMINISTRATOR, leave_group, audit=AuditRule.WITHIN),
    Operation(api.ImportGroups, (api.Done,), AccessRole.ADMINISTRATOR, import_groups, audit=AuditRule.WITHIN),
)
