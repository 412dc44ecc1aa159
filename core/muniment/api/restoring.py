"""Requests and replies: giving mail back into mailboxes."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


class Restore(Request, frozen=True):
    """Give messages back into a mailbox, each once.

    `query`, `ids` and `folder` select the messages as in Export. A message that was given back to the same
    folder before is passed over, and so is one that is there. So a restore that was interrupted goes on where
    it stopped when it is asked for again.

    Role: user, for their own mail and mailbox; auditor, for mail and mailbox of one person; administrator for
    any mailbox. A mailbox that is not that of a person who has all of the messages is another mailbox: it can
    need a second person (the act "restore" of [approvals]).
    Stream: Step with the percentage and the time left now and then, then Restored. Closing the stream stops
    after the message in hand.

    Raises:
        AccessRefused: the caller may not put this mail into this mailbox.
        ConfigError: no profile, and no setting, says how the mailbox is reached.
        Erased: a message that is named was erased.
        LoginRefused, CertificateRefused, SourceError: the mailbox can't be opened.
        NotFound: a message, user, folder or profile that is named does not exist.
        QueryError: the query can't be parsed; says where.
        ReasonNeeded: see the module reading.
        UsageError: more than one selection, more than 10,000 ids, ids with a user, or `to` is no mailbox.
        VaultError: another restore into this mailbox is under way.
        VaultLocked: another process writes the vault, so it can't record what is given back.
    """

    to: str
    """MAILBOX or MAILBOX/FOLDER: the address of a mailbox, and a folder's name as the archive writes it."""
    query: str = ""
    """A query, as in Search."""
    ids: tuple[str, ...] = ()
    """Ids of at most 10,000 messages. They go without `user`."""
    user: str = ""
    """Any address of the user whose mail it is, or who has `folder`; "" for all."""
    folder: str = ""
    """A folder of `user` in the archive."""
    profile: str = ""
    """The profile whose server and login are used, or "mail" to send them by SMTP; "" for the setting."""
    exact: bool = False
    """Whether the mailbox gets exact bytes of all messages. For administrators."""
    again: bool = False
    """Whether messages are given back although that was done before."""
    reason: str = ""
    """Why, for the audit trail."""
    zone: str = ""
    """The time zone of days in the query."""
    without: tuple[str, ...] = ()
    """Set by the service: ids of people whose mail is left out."""


class LeftBehind(WireWord, frozen=True):
    """A message that was not given back. Part of Restored."""

    id: str
    reason: str
    """A clause. It may quote a server, and is not sanitised."""


class Restored(WireWord, frozen=True):
    """What a restore has done."""

    message: str
    """A sentence."""
    to: str = ""
    """The mailbox and its folder."""
    total: int = 0
    """Messages that were selected."""
    given: int = 0
    """Messages that were put there now."""
    there: int = 0
    """Messages that were there already."""
    before: int = 0
    """Messages that an earlier restore has put there, as the journal says."""
    public: int = 0
    """How many of those that were put there now are in their public form, without Bcc."""
    failed: tuple[LeftBehind, ...] = ()
    """The messages that were not given back, at most 1,000."""
    missed: int = 0
    """How many were not given back."""
    approval: str = ""
    """The id of the approval that was asked for; then nothing was done."""
