"""What a mailbox gets of a message: which bytes, with which date and flags.

A mailbox gets exact bytes of what was fetched from it, and of what its person sent. Of anything else it gets
the public form, which names no Bcc and no transport fields, unless an administrator wants exact bytes there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.files.contents import opened
from muniment.archive.files.temp_files import own_work
from muniment.archive.vault.vault import Vault
from muniment.mail.content.public import public_pieces
from muniment.mail.headers.fields import block, field
from muniment.mail.headers.message_ids import bare_id
from muniment.people.directory import User
from muniment.service.operations.own_mail import sent_by
from muniment.targets.base import CrlfContent, GivenMail, MailRefused
from muniment.targets.flags import DRAFT, SEEN, imap_flags

STEP = 256 * 1024
"""Bytes of a public form that are read at a time."""


@dataclass(frozen=True, slots=True)
class MailForm:
    """The form in which a mailbox gets a message."""

    exact: bool
    """Whether it is an exact copy, not the public form."""
    copy: EnvelopeRow | None
    """The copy that was fetched from the mailbox, whose very bytes go back; None for the archived message."""
    date: int
    """When its mailbox received it, in seconds since 1970 UTC."""
    flags: tuple[str, ...]
    """Its flags in the words of IMAP."""


def form_of(vault: Vault, row: MessageRow, person: User | None, exact: bool) -> MailForm:
    """The form in which a message goes into the mailbox of a person.

    Args:
        vault: the vault.
        row: the message.
        person: whose mailbox it is; None for no one whom the directory knows.
        exact: whether an administrator wants exact bytes in any case.
    """
    copies = vault.catalog.envelopes_of(row.sequence)
    own, flags = _fetched_from(vault, row, copies, person)
    if own is not None:
        return MailForm(True, None if own.sha == row.sha else own, own.time, flags)
    dated = min((copy.time for copy in copies if copy.report), default=row.date)
    sent = person is not None and any(sent_by(vault, person, copy) for copy in copies)
    # Flags are not known of what came in a journal report: it counts as read, as mail of the past is.
    return MailForm(exact or sent, None, dated, (SEEN,))


def _fetched_from(
    vault: Vault, row: MessageRow, copies: list[EnvelopeRow], person: User | None
) -> tuple[EnvelopeRow | None, tuple[str, ...]]:
    """The copy that was fetched from the person's own mailbox, and its flags."""
    plain = [copy for copy in copies if not copy.report]
    owners = vault.catalog.owners_of([copy.sequence for copy in plain]) if person is not None else {}
    for copy in sorted(plain, key=lambda one: one.sha != row.sha):
        for owner in owners.get(copy.sequence, ()):
            if person and vault.directory.resolve(owner.address, copy.time) == person.id:
                return copy, imap_flags(owner.flags)
    return None, ()


@contextmanager
def given_mail(vault: Vault, row: MessageRow, id_: str, form: MailForm) -> Iterator[GivenMail]:
    """The message as a target gets it, while its content is open.

    Args:
        vault: the vault.
        row: the message.
        id_: the id by which the caller knows it, in hex.
        form: its form.

    Raises:
        MailRefused: its headers are too long to find the fields to leave out.
        LedgerDamaged: it can't be read back.
        Erased: it was erased just now.
    """
    work, copy = own_work(vault.folder), form.copy
    if copy is not None:
        source, size = vault.reader.content_at(copy.position), copy.size
    else:
        source, size = vault.reader.content(row.sha), row.size
    with opened(source, size, work) as buffer:
        header = block(buffer)
        named = bare_id((field(header, b"message-id") or b"").decode("ascii", "replace"))
        if form.exact:
            yield _mail(id_, CrlfContent(buffer), form, named, row.subject)
            return
        with opened(_public(public_pieces(buffer, STEP)), size, work) as public:
            yield _mail(id_, CrlfContent(public), form, named, row.subject)


def _public(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield next(pieces)
    except ValueError:
        raise MailRefused("its headers are too long to leave Bcc out: ask an administrator") from None
    yield from pieces


def _mail(id_: str, content: CrlfContent, form: MailForm, named: str, subject: str) -> GivenMail:
    flags = tuple(one for one in form.flags if one != DRAFT) if not form.exact else form.flags
    return GivenMail(id_, content, form.date, flags, named, subject)
