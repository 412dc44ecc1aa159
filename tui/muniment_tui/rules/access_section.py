"""Who may read whose mail: roles, own mail, grants and seals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

from textual.content import Content

from muniment.api import (
    AccessRights,
    Decided,
    Done,
    GrantAccess,
    GrantWord,
    ListAccess,
    Request,
    RevokeAccess,
    SealMail,
    SealWord,
    UnsealMail,
    WireWord,
)
from muniment.system.formatting import local
from muniment_tui.rules.decision_form import DecisionForm, reason_field, required
from muniment_tui.rules.section import Ending, RulesSection
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.field import TextField
from muniment_tui.widgets.rows import ListRow

WIDE = 14
"""Cells of the labels of facts."""


class GrantSection(RulesSection):
    """Roles, grants and seals."""

    ID = "access"
    TITLE = "Access"
    COLUMNS: ClassVar[tuple[ListColumn, ...]] = (
        ListColumn("Login", 14),
        ListColumn("May read", share=2),
        ListColumn("By", 16, since=70),
        ListColumn("Until", 16, since=56),
    )
    EMPTY = ("No rights", "Only the owner of the vault and root read mail.")

    def request(self, former: bool) -> Request:
        return ListAccess(former=former)

    @property
    def reply(self) -> type[WireWord]:
        return AccessRights

    def rows(self, reply: WireWord) -> tuple[Iterable[ListRow], int]:
        assert isinstance(reply, AccessRights)
        grants, seals = reply.grants, reply.seals
        active = sum(one.active for one in grants) + sum(not one.ended for one in seals)
        return [*map(_seal_row, seals), *map(_grant_row, grants), *_role_rows(reply)], active

    def text(self, row: ListRow, width: int) -> Content:
        if isinstance(row.value, GrantWord):
            return _grant_text(row.value, width)
        if isinstance(row.value, SealWord):
            return _seal_text(row.value, width)
        return shown(str(row.value))

    def ending(self, row: ListRow) -> Ending | None:
        value = row.value
        if isinstance(value, GrantWord) and value.active:
            words = joined(
                ("Why may ", ""), (value.login, "bold"), (" no longer read the mail of ", ""),
                (value.person, "bold"), ("?", ""),
            )  # fmt: skip
            return Ending(words, lambda reason: RevokeAccess(id=value.id, reason=reason), Done)
        if isinstance(value, SealWord) and not value.ended:
            words = joined(("Why is the mail of ", ""), (value.person, "bold"), (" no longer sealed?", ""))
            return Ending(words, lambda reason: UnsealMail(user=value.person, reason=reason), Decided)
        return None

    def adding(self, made: Callable[[], object]) -> DecisionForm:
        """The form of a grant."""
        return DecisionForm(
            "New grant",
            (
                TextField("login", "Login", check=required("Type the login name"),
                          hint="A login name of the archive server."),
                TextField("user", "Mail of", check=required("Type a name or an address"),
                          hint="The person whose mail it may read."),
                TextField("until", "Until", placeholder="2027-03-31", hint="The last day; empty for no end."),
                reason_field(),
            ),
            lambda typed: GrantAccess(
                login=typed["login"], user=typed["user"], until=typed["until"], reason=typed["reason"]
            ),
            lambda typed: joined(
                ("Let ", ""), (typed["login"], "bold"), (" read the mail of ", ""), (typed["user"], "bold"),
                (f" until {typed['until']}" if typed["until"] else " without an end", ""), ("? ", ""),
                ("Each read is recorded.", "$secondary"),
            ),
            Decided, made,
            "A grant lets a login read one person's mail, as that person sees it. Each message, list and "
            "search is recorded in the audit trail.",
        )  # fmt: skip

    def sealing(self, made: Callable[[], object]) -> DecisionForm:
        """The form of a seal."""
        return DecisionForm(
            "New seal",
            (
                TextField("user", "Mail of", check=required("Type a name or an address"),
                          hint="The person whose mail is sealed."),
                TextField("logins", "Only for", check=required("Name at least one login"),
                          hint="Logins that may open it, separated by blanks."),
                reason_field(),
            ),
            lambda typed: SealMail(
                user=typed["user"], logins=tuple(typed["logins"].replace(",", " ").split()),
                reason=typed["reason"],
            ),
            lambda typed: joined(
                ("Leave the mail of ", ""), (typed["user"], "bold"), (" to ", ""), (typed["logins"], "bold"),
                ("? ", ""), ("No one else can open, find or export it here.", "$secondary"),
            ),
            Done, made,
            "A seal leaves a person's mail to a few logins, whatever roles others have: for a works council, "
            "a doctor or counsel. The person reads their own mail as ever.",
        )  # fmt: skip


def _role_rows(rights: AccessRights) -> Iterator[ListRow]:
    yield ListRow("owner", (rights.owner, "everything", "owner", ""), "The owner of the vault's files.")
    for role, logins in (("administrator", rights.administrators), ("auditor", rights.auditors)):
        yield from (
            ListRow(
                f"{role} {login}", (login, "everything", role, ""), f"{role} in vault.toml: Settings (8)."
            )
            for login in logins
        )
    yield from (
        ListRow(
            f"own {login}", (login, address, "own mail", ""), "[access.users] in vault.toml: Settings (8)."
        )
        for login, address in rights.users
    )


def _grant_row(grant: GrantWord) -> ListRow:
    cells = (grant.login, _whose(grant), f"grant {grant.id}", _end(grant))
    return ListRow(f"grant {grant.id}", cells, grant, "" if grant.active else "dim")


def _whose(grant: GrantWord) -> str:
    """Whose mail a grant is about, in words."""
    return grant.limits or (f"the group {grant.group}" if grant.group else grant.person)


def _end(grant: GrantWord) -> str:
    ends = [end for end in (grant.until, grant.ended) if end]
    return local(min(ends)) if ends else "no end"


def _seal_row(seal: SealWord) -> ListRow:
    cells = (
        ", ".join(seal.logins),
        f"only they: {seal.person}",
        "seal",
        local(seal.ended) if seal.ended else "",
    )
    return ListRow(f"seal {seal.person} {seal.since}", cells, seal, "dim" if seal.ended else "")


def _grant_text(grant: GrantWord, width: int) -> Content:
    lines = [
        fact(
            "Grant",
            joined((grant.id, "bold"), ("in force" if grant.active else "over", ""), gap=" · "),
            width,
            WIDE,
        ),
        fact("Login", shown(grant.login), width, WIDE),
        fact("Mail of", shown(_whose(grant)), width, WIDE),
        fact("Granted", shown(f"{local(grant.since)} by {grant.by}"), width, WIDE),
        fact("Until", shown(_end(grant)), width, WIDE),
        fact("Reason", shown(grant.reason), width, WIDE),
    ]
    if grant.ended:
        lines.append(fact("Revoked", shown(f"{local(grant.ended)} by {grant.ended_by}"), width, WIDE))
    return Content("\n").join(lines)


def _seal_text(seal: SealWord, width: int) -> Content:
    lines = [
        fact("Sealed", shown(seal.person, "bold"), width, WIDE),
        fact("Only for", shown(", ".join(seal.logins)), width, WIDE),
        fact("Since", shown(f"{local(seal.since)} by {seal.by}"), width, WIDE),
        fact("Reason", shown(seal.reason), width, WIDE),
    ]
    if seal.ended:
        lines.append(fact("Lifted", shown(local(seal.ended)), width, WIDE))
    return Content("\n").join(lines)
