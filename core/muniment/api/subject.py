"""Requests about a person who asks for the mail about them: collect it, review it, hand it over."""

from __future__ import annotations

from typing import Any

from muniment.api.base import Request, WireWord


class SubjectWord(WireWord, frozen=True):
    """A person's request for the mail about them. Part of Subjects and SubjectState."""

    id: str
    """Its id in the ledger; "" in a dry run."""
    name: str
    case: str
    """The case number; "" if there is none."""
    reason: str
    mail: str
    """The mail that it has, in words."""
    selection: dict[str, Any]
    """The same as the ledger records it (docs/ledger-format.md)."""
    texts: tuple[str, ...]
    """Names and addresses that were looked for in the text of mail."""
    opened: int
    """When it was opened: later mail is not in it."""
    by: str
    """The login of who opened it."""
    messages: int
    """How many messages it has."""
    undecided: int
    included: int
    withheld: int
    """These three count decisions alone, also of messages that are sealed or erased since."""
    packages: int = 0
    """How many packages were made of it."""
    unread: int = 0
    """Messages of the vault whose people are unknown; they are not in the request."""
    unsearched: int = 0
    """Messages in whose text nothing could be looked for when it was opened."""
    closed: int = 0
    """When it was closed; 0 while it is open."""
    closed_by: str = ""
    """The login of who closed it."""
    close_reason: str = ""


class OpenSubject(Request, frozen=True):
    """Collect the mail that concerns a person, and open a request with it. Later mail is not in it.

    All addresses that a person of the directory has or ever had count. Sealed mail is not searched.

    Role: auditor.
    Stream: Step now and then, with the percentage, then SubjectWord.

    Raises:
        UsageError: The name or the reason is missing or too long, an open request has this name, or a day
            can't be used.
        QueryError: The query is not valid.
        NotFound: A person is neither a user nor an address.
    """

    people: tuple[str, ...]
    """The person: names or addresses of users, or any other addresses."""
    reason: str
    name: str = ""
    """The request's name; "" for the first of `people`."""
    case: str = ""
    since: str = ""
    """Only mail that was received on this day, month or year, or later."""
    until: str = ""
    """Only mail that was received by the end of this day, month or year."""
    query: str = ""
    """Only mail that this search finds, and mail of which that is not certain."""
    mentions: bool = False
    """Also mail whose text names an address or the full name of the person."""
    texts: tuple[str, ...] = ()
    """Also mail whose text has one of these."""
    zone: str = ""
    """The time zone of the days, as in Search."""
    check: bool = False
    """Dry run: record nothing, and reply with the request that would be opened."""


class ListSubjects(Request, frozen=True):
    """Ask for a page of subject requests, the newest first.

    Role: auditor.
    Reply: Subjects.
    """

    closed: bool = False
    """Whether to list those that were closed as well."""
    limit: int = 20
    """Most requests of the page, at most 20."""
    before: str = ""
    """`Subjects.after` of the page before; "" for the first page."""


class Subjects(WireWord, frozen=True):
    """A page of subject requests."""

    total: int
    """Requests in the whole list."""
    open: int
    """Requests that are open, in all."""
    subjects: tuple[SubjectWord, ...]
    after: str = ""
    """`before` of the next page; "" if this is the last one."""


class ShowSubject(Request, frozen=True):
    """Ask for a subject request, and count its messages as they are now. This looks up each of them.

    Role: auditor.
    Reply: SubjectState.

    Raises:
        NotFound: No request has this name.
    """

    name: str
    """Its name, in any case: the open one, else the last that was closed."""


class SubjectPackageWord(WireWord, frozen=True):
    """A package that was made. Part of SubjectState."""

    made: int
    by: str
    sha256: str
    """Of the whole file."""
    size: int
    included: int
    changed: int
    """Messages of these that were handed over in their public form."""
    withheld: int
    undecided: str
    """What was done with undecided messages: "include", "withhold", or "" if there were none."""
    erased: int
    sealed: int
    listed: bool
    """Whether it lists what is withheld, as numbers and reasons."""
    approval: str = ""


class SubjectState(WireWord, frozen=True):
    """A subject request, and what its messages are now, for the caller."""

    subject: SubjectWord
    states: dict[str, int]
    """How many messages are `undecided`, `included`, `withheld`, `sealed` from the caller, or `erased`."""
    reaches: dict[str, int]
    """How many are in it since the person is a `party`, may be one (`unsure`), or is `named` alone."""
    packages: tuple[SubjectPackageWord, ...] = ()
    """The newest packages, the newest first."""


class ListSubjectMessages(Request, frozen=True):
    """Ask for a page of a request's messages, in the order of receipt. It is recorded as a search.

    Mail that is sealed from the caller has no content, and no query finds it.

    Role: auditor.
    Reply: SubjectMessages.

    Raises:
        NotFound: No request has this name.
        QueryError: The query is not valid.
        ReasonNeeded: as for Search.
    """

    name: str
    state: str = ""
    """Only messages that are this, as in `SubjectState.states`; "" for all."""
    reach: str = ""
    """Only messages that are in it for this, as in `SubjectState.reaches`; "" for all."""
    query: str = ""
    limit: int = 100
    """Most messages of the page, at most 500."""
    after: int = 0
    """`SubjectMessages.after` of the page before; 0 for the first page."""
    zone: str = ""
    reason: str = ""
    """As in ListMessages."""


class SubjectMessageWord(WireWord, frozen=True):
    """A message of a subject request."""

    number: int
    """Its number in the request, from 1 on. It never changes."""
    id: str
    """"" if it is erased."""
    state: str
    reach: str
    parts: tuple[str, ...]
    """What the person is to it: sender, to, cc, bcc, recipient, list, forwarded, mailbox."""
    date: int
    sender: str
    to: str
    subject: str
    size: int
    attachments: int
    reason: str = ""
    """The reason of the last decision; of an erased message, when and why it was erased."""
    decided: int = 0
    """When it was decided; 0 if it was not."""
    by: str = ""
    """The login of who decided it."""


class SubjectMessages(WireWord, frozen=True):
    """A page of a request's messages."""

    messages: tuple[SubjectMessageWord, ...]
    after: int = 0
    """`after` of the next page; 0 if this is the last one."""
    unsearched: int = 0
    """Messages in which the query could not be looked for, since the index lacks them."""


class DecideSubject(Request, frozen=True):
    """Include or withhold messages of a request. A later decision wins; earlier ones are kept.

    Mail that is sealed from the caller, or erased, can't be decided: it is left out and counted.

    Role: auditor.
    Reply: SubjectDecided.

    Raises:
        NotFound: No request has this name, or it has no such message.
        UsageError: It is closed, the reason is missing, or not exactly one choice of messages is given.
        QueryError: The query is not valid.
    """

    name: str
    decision: str
    """"include" or "withhold"."""
    reason: str
    ids: tuple[str, ...] = ()
    """Ids of messages, or beginnings of these, or their numbers in the request."""
    query: str = ""
    """All messages of the request that this search finds."""
    rest: bool = False
    """All messages that are undecided; with `query`, those of these that it finds."""
    zone: str = ""
    check: bool = False
    """Dry run: record nothing."""


class SubjectDecided(WireWord, frozen=True):
    """What became of a decision."""

    decided: int
    """How many messages it is about."""
    again: int = 0
    """Messages of these that had another decision before."""
    sealed: int = 0
    """Named messages that were left out since they are sealed."""
    erased: int = 0
    """Named messages that were left out since they are erased."""
    unsearched: int = 0
    """Messages in which the query could not be looked for."""
    undecided: int = 0
    """Messages that are still undecided, by decisions alone."""


class ListSubjectDecisions(Request, frozen=True):
    """Ask for a page of a request's decisions, the newest first.

    A decision about nothing but mail that is sealed from the caller has neither its reason nor its query.

    Role: auditor.
    Reply: SubjectDecisions.

    Raises:
        AccessRefused: The named message is sealed from the caller.
        NotFound: No request has this name, or it has no such message.
    """

    name: str
    id: str = ""
    """A message's id or number: only decisions about it; "" for all."""
    limit: int = 100
    before: int = 0
    """`SubjectDecisions.after` of the page before; 0 for the first page."""


class SubjectDecisionWord(WireWord, frozen=True):
    """A decision about messages of a request."""

    number: int
    """The sequence of its record."""
    time: int
    by: str
    decision: str
    """"include" or "withhold"."""
    reason: str
    query: str
    """The query that found the messages; "" if they were named."""
    messages: int
    """How many messages the record lists."""


class SubjectDecisions(WireWord, frozen=True):
    """A page of decisions."""

    total: int
    decisions: tuple[SubjectDecisionWord, ...]
    after: int = 0


class PackageSubject(Request, frozen=True):
    """Make the package that a person is given: what is included, an index, a README, and proofs.

    Where [approvals] names "hand over", another administrator must approve it first; then send it again. The
    audit trail records each message as exported.

    Role: auditor.
    Stream: ExportFile and Chunk as for Export, Step now and then, then Done.

    Raises:
        NotFound: No request has this name.
        UsageError: It is closed, messages are undecided and `undecided` does not say what to do, nothing is
            included, or the path can't be used.
    """

    name: str
    path: str
    """The file at the client, which ends in .zip."""
    undecided: str = ""
    """What to do with undecided messages: "include" or "withhold"."""
    listed: bool = False
    """Whether to list what is withheld, as numbers and reasons."""


class CloseSubject(Request, frozen=True):
    """Close a subject request: no decision and no package can follow.

    Role: auditor.
    Reply: SubjectWord.

    Raises:
        NotFound: No open request has this name.
        UsageError: The reason is too long.
    """

    name: str
    reason: str = ""
