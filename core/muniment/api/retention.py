"""Requests about how long mail is kept: retention rules, what they would do, and disposal."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, WireWord


class MailCriteria(WireWord, frozen=True):
    """Which mail a rule or a hold is about, as it was typed.

    All that is given must hold; of several values of one criterion, one is enough. Without any, it is about
    all mail.
    """

    people: tuple[str, ...] = ()
    """Names or addresses of users, or any other addresses: mail from them, to them, or in their mailbox."""
    groups: tuple[str, ...] = ()
    """Names of groups: the same of someone who was in one of them when the mail was received."""
    domains: tuple[str, ...] = ()
    """Mail with an address in one of these domains."""
    direction: str = ""
    """"in", "out" or "internal"; "" for any."""
    folders: tuple[str, ...] = ()
    """Names of folders."""
    profiles: tuple[str, ...] = ()
    """Names of the profiles that fetched it first."""
    least: int | None = None
    """Least bytes of the message."""
    most: int | None = None
    """Most bytes of the message."""
    attachments: bool | None = None
    """Whether it has attachments."""
    kinds: tuple[str, ...] = ()
    """Ends of names of its files, such as "pdf"."""
    since: str = ""
    """Received on this day, month or year, or later."""
    until: str = ""
    """Received on this day, month or year at the latest, its end included."""
    query: str = ""
    """A search that finds it."""


class RuleSpec(WireWord, frozen=True):
    """A retention rule as it was typed. Part of SetRules."""

    name: str
    """If a rule of this name is in force, this becomes its next version."""
    kind: str
    """"keep": keep at least; "dispose": dispose of it after."""
    period: str
    """Such as "10 years", "6 months" or "90 days"."""
    anchor: str = "received"
    """What the period begins with: "received", or "year" for the end of the year of receipt."""
    mail: MailCriteria = MailCriteria()
    """The mail that it is about."""


class SetRules(Request, frozen=True):
    """Set retention rules, or new versions of them, all or none.

    A longer period counts at once. A shorter one counts only for mail to come: mail that is there keeps the
    longest period of all versions in force since it came.

    Role: administrator.
    Reply: RulesSet.

    Raises:
        UsageError: A name, a period, a kind, a date or a criterion can't be used, or two rules have one name.
        QueryError: A query is not valid.
        NotFound: A person is neither a user nor an address.
    """

    rules: tuple[RuleSpec, ...]
    check: bool = False
    """Dry run: record nothing, and reply with what would be set."""
    zone: str = ""
    """The time zone of the dates and of the queries' days, as in Search."""


class EndRule(Request, frozen=True):
    """End a retention rule. Mail that came while it was in force keeps its minimum; disposal by it ends.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: No rule of this name is in force.
    """

    name: str
    check: bool = False
    """Dry run: record nothing."""


class ListRules(Request, frozen=True):
    """Ask for the retention rules.

    Role: auditor.
    Reply: Rules.
    """

    history: bool = False
    """Whether to reply with all versions, also of rules that were ended."""


class RuleWord(WireWord, frozen=True):
    """A version of a retention rule. Part of Rules, RulesSet and MessageRetention."""

    name: str
    version: int
    """Its number among the versions of the name, from 1."""
    kind: str
    """As in RuleSpec."""
    period: dict[str, int]
    """Years, months and days, without those that are 0."""
    anchor: str
    """As in RuleSpec."""
    zone: str
    """The time zone of its days and years; "" for UTC."""
    rule: str
    """What it demands, in words."""
    mail: str
    """The mail that it is about, in words."""
    selection: dict[str, Any]
    """The same as the ledger records it (docs/ledger-format.md)."""
    record: int = -1
    """Sequence of the record that set it; -1 in a dry run."""
    since: int = 0
    """When it was set."""
    until: int = 0
    """When it was ended or replaced; 0 while it is in force."""


class Rules(WireWord, frozen=True):
    """Retention rules, in the order in which they were set."""

    rules: tuple[RuleWord, ...]


class RulesSet(WireWord, frozen=True):
    """What SetRules has set, or would set."""

    message: str
    """A sentence that says what was done."""
    rules: tuple[RuleWord, ...] = ()
    """The new versions. Rules that were in force already in the same form are left out."""
    warnings: tuple[str, ...] = ()
    """A sentence for each thing that needs attention."""


class ShowRetention(Request, frozen=True):
    """Ask what keeps a message until when, and when it is to be disposed of.

    Role: auditor.
    Reply: MessageRetention. It has nothing of the message but its id and dates.

    Raises:
        NotFound: There is no such message.
        AccessRefused: It is sealed from the caller.
    """

    id: str


class RuleDate(WireWord, frozen=True):
    """A time that a rule sets for a message. Part of MessageRetention."""

    time: int
    """The first second after the last day of the period."""
    rule: RuleWord


class MessageRetention(WireWord, frozen=True):
    """What the rules and holds say about a message."""

    id: str
    received: int
    """When it was received: when the ledger's first record of it was written."""
    keep: RuleDate | None = None
    """Until when it must be kept, by the rule that keeps it longest; None if no rule does."""
    dispose: RuleDate | None = None
    """When it is to be disposed of if nothing keeps it; None if no rule demands that."""
    holds: tuple[str, ...] = ()
    """A sentence for each legal hold that covers it."""
    goes: int = 0
    """The earliest time at which it goes by itself, if no hold is placed; 0 for never."""
    doubt: str = ""
    """Why it is not certain that a disposal rule is about it; it then stays."""


class SimulateRetention(Request, frozen=True):
    """Ask what a disposal would take. Nothing is changed.

    Role: auditor. It is recorded as a search in everybody's mail.
    Stream: Step..., Simulation.

    Raises:
        UsageError: `at` is not a date, or is in the past; or a rule is wrong, as in SetRules.
        QueryError, NotFound: As in SetRules and EndRule.
        ReasonNeeded: As for Search.
    """

    at: str = ""
    """The day of the disposal; "" for now."""
    zone: str = ""
    """The time zone of `at`, as in Search."""
    reason: str = ""
    """Why the caller looks into others' mail."""
    rules: tuple[RuleSpec, ...] = ()
    """As if these rules were set now, besides those in force or in place of them. Then no list is made, and
    mail that is sealed from the caller is not counted."""
    ended: tuple[str, ...] = ()
    """As if the rules of these names were ended now; otherwise as `rules`."""


class MailShareWord(WireWord, frozen=True):
    """How much mail would go, of a rule, a person, or together. Part of Simulation."""

    name: str
    """The rule's name or the person's address; "" for all together."""
    messages: int
    bytes: int
    oldest: int
    """When the oldest was received; 0 if there is none."""
    newest: int
    """When the newest was received; 0 if there is none."""
    version: int = 0
    """The rule's version; 0 for anything else."""


class DueExample(WireWord, frozen=True):
    """A message that would go. Part of Simulation."""

    id: str
    received: int
    due: int
    """When its time comes."""
    rule: str
    version: int
    size: int
    sender: str
    to: str
    subject: str


class Simulation(WireWord, frozen=True):
    """What a disposal would take."""

    at: int
    """The moment of the disposal."""
    examined: int
    """Messages that were looked at: all of the vault, or none if no rule disposes of mail."""
    goes: MailShareWord
    """All that would go."""
    rules: tuple[MailShareWord, ...] = ()
    """By version of a rule, the largest first."""
    people: tuple[MailShareWord, ...] = ()
    """By person, the largest first. A message of several people counts for each of them. People whose mail
    is sealed from the caller are left out."""
    months: dict[str, int] = field(default_factory=dict)
    """Messages by the month in which their time comes, such as "2036-01", in UTC."""
    held: int = 0
    """Messages whose time has come by then, but that a legal hold keeps."""
    kept: int = 0
    """Those that another rule keeps longer."""
    unsure: int = 0
    """Those that stay since it is not certain that the rule is about them."""
    doubts: dict[str, int] = field(default_factory=dict)
    """Why it is not certain, with the number of messages."""
    examples: tuple[DueExample, ...] = ()
    """The oldest messages that would go by each rule, at most 5 of each, without those that are sealed from
    the caller. All other counts have these, since a disposal takes exactly what is counted."""
    listed: int = 0
    """How many of them one disposal takes: the first 100,000 in the order of the ledger."""
    list: str = ""
    """The name of the list of these, `NUMBER:HASH`: the number of its hashes, and the SHA-256 over these; ""
    for rules that are not set. It has the hash of each message, and of those that the message has
    displaced."""


class DisposeMail(Request, frozen=True):
    """Erase what is due by the rules, exactly as a simulation has listed it.

    It waits for runs, verifications, backups and rebuilds, and goes on if its client leaves. Runs that are
    asked for later go first at its pauses. What it has erased before it is stopped stays erased; a new
    simulation lists the rest. If [approvals] demands a second person for "retention dispose", it only asks
    for one.

    Role: administrator.
    Stream: Step..., Disposed.

    Raises:
        UsageError: `list` is no list, `at` is in the future, what is due has changed since the simulation, or
            a second person is needed and the reason is missing.
    """

    at: int
    """The moment of the simulation: `Simulation.at`."""
    list: str
    """`Simulation.list`."""
    reason: str = ""
    """Why, for the second person and the audit trail."""


class Disposed(WireWord, frozen=True):
    """What a disposal has done."""

    message: str
    """A sentence that says what was done."""
    messages: int = 0
    """Number of erased messages."""
    records: tuple[int, ...] = ()
    """Sequences of the ledger's records of the erasure."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why messages were not erased, by id, at most 100: they were protected in the meantime."""
    approval: str = ""
    """The id of the approval that was asked for; "" if the disposal is done."""
