"""The audit trail in words: what someone did, whose mail it concerned, and which events are one look.

One look into a folder or one search is several requests of a program: pages, positions, each letter that was
typed. Such events are one line; the line keeps all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from muniment.api import AuditEvent
from muniment.system.formatting import count, local

LOOK = 600
"""Seconds within which equal requests are one look."""
TYPING = 60
"""Seconds within which searches that were typed letter by letter are one look."""
ID = 12
"""Number of digits of a message's id that are shown."""
NAMED = 2
"""Most people that a line names."""
_ACTS = {
    "Show": ("read a message", "read a message"),
    "ReadAttachment": ("opened an attachment", "open an attachment"),
    "ListMessages": ("listed a folder", "list a folder"),
    "Search": ("searched", "search"),
    "Export": ("exported mail", "export mail"),
    "Restore": ("chose mail to give back", "give mail back"),
    "Prove": ("made the proof of a message", "make the proof of a message"),
    "AddUser": ("added a person or addresses", "add a person or addresses"),
    "RemoveUser": ("removed a person or an address", "remove a person or an address"),
    "ImportUsers": ("imported people", "import people"),
    "BindLogins": ("bound a login", "bind a login"),
    "GrantAccess": ("granted a right to read", "grant a right to read"),
    "RevokeAccess": ("revoked a right to read", "revoke a right to read"),
    "SealMail": ("sealed a person's mail", "seal a person's mail"),
    "UnsealMail": ("lifted a seal", "lift a seal"),
    "JoinGroup": ("added members to a group", "add members to a group"),
    "LeaveGroup": ("removed members from a group", "remove members from a group"),
    "ImportGroups": ("imported groups", "import groups"),
    "GetReaders": ("asked who could read a message", "ask who could read a message"),
    "GetRightsOf": ("asked for rights", "ask for rights"),
    "ListAccess": ("listed rights", "list rights"),
    "PutProfile": ("changed a profile", "change a profile"),
    "RenameProfile": ("renamed a profile", "rename a profile"),
    "RemoveProfile": ("removed a profile", "remove a profile"),
    "PutSettings": ("changed settings", "change settings"),
    "AnswerApproval": ("answered a request for a second person", "answer a request for a second person"),
    "RelaxApprovals": ("asked to let one person do an act", "ask to let one person do an act"),
    "AskAccess": ("asked for the right to read", "ask for the right to read"),
    "OpenSubject": ("opened a person's request for their mail", "open a person's request for their mail"),
    "CloseSubject": ("closed a person's request for their mail", "close a person's request for their mail"),
    "DecideSubject": ("decided what a person is given", "decide what a person is given"),
    "PackageSubject": ("made a package for a person", "make a package for a person"),
    "ListSubjects": ("listed people's requests for their mail", "list people's requests for their mail"),
    "ShowSubject": ("looked at a person's request", "look at a person's request"),
    "ListSubjectMessages": ("listed the mail of a person's request", "list the mail of a person's request"),
    "ListSubjectDecisions": (
        "listed decisions of a person's request",
        "list decisions of a person's request",
    ),
    "PlaceHold": ("placed a legal hold", "place a legal hold"),
    "ReleaseHold": ("released a legal hold", "release a legal hold"),
    "CountHold": ("counted what a legal hold covers", "count what a legal hold covers"),
    "ReportHeld": ("counted what all legal holds cover", "count what all legal holds cover"),
    "ListHeld": ("listed held mail", "list held mail"),
    "SetRules": ("set retention rules", "set retention rules"),
    "EndRule": ("ended a retention rule", "end a retention rule"),
    "ListRules": ("listed retention rules", "list retention rules"),
    "ShowRetention": ("asked what keeps a message", "ask what keeps a message"),
    "DisposeMail": ("started a disposal", "dispose of mail"),
    "Erase": ("erased messages", "erase messages"),
    "CheckErasure": ("asked what an erasure takes", "ask what an erasure takes"),
    "GetErasureCertificate": ("read a certificate of erasure", "read a certificate of erasure"),
    "SimulateRetention": ("simulated a disposal", "simulate a disposal"),
    "GetSettings": ("read the settings", "read the settings"),
    "GetProof": ("looked at the proof", "look at the proof"),
    "PutSetup": ("changed the set-up", "change the set-up"),
    "AffirmSetup": ("confirmed a step of the set-up", "confirm a step of the set-up"),
    "GetAudit": ("read the audit trail", "read the audit trail"),
    "GetTree": ("listed people and folders", "list people and folders"),
    "ListUsers": ("listed people", "list people"),
    "Run": ("started a run", "start a run"),
    "RunAll": ("started all runs", "start all runs"),
    "CancelRun": ("stopped runs", "stop runs"),
    "RetryQuarantine": ("started a retry of quarantine", "try items in quarantine again"),
    "Verify": ("started a verification", "verify the archive"),
    "WatchWork": ("watched a verification, backup or rebuild", "watch a verification, backup or rebuild"),
    "StopWork": ("stopped a verification, backup or rebuild", "stop a verification, backup or rebuild"),
    "Backup": ("started a backup", "make a backup"),
    "PublishCheckpoint": ("published a checkpoint", "publish a checkpoint"),
    "NewCheckpointKey": ("began a new key for checkpoints", "begin a new key for checkpoints"),
    "ForgetBackup": ("forgot a backup", "forget a backup"),
    "Rebuild": ("started a rebuild", "rebuild the catalog or the index"),
}
"""What a request does: in the past, and after "tried to"."""
_RAW = {
    "message": "the source of a message",
    "headers": "the headers of a message",
    "report": "a journal report",
    "quarantine": "an item in quarantine",
}
_EVENTS = {
    "affirmed": "confirmed a step of the set-up",
    "withdrawn": "withdrew a confirmation",
    "numbered": "reserved Bates numbers",
    "produced": "finished a production",
    "restored": "gave mail back",
    "login bound": "bound a login to a person",
    "login released": "released a login",
    "damage accepted": "accepted damage of the ledger",
    "loss accepted": "accepted a loss of the ledger",
    "checkpoint key": "made a key for checkpoints",
    "checkpoints lost": "found the checkpoints lost",
    "traces erased": "removed traces of erased mail",
}

_FLAGS = {
    "deep": "deeply",
    "catalog": "the catalog",
    "index": "the index",
    "accept_damage": "accepting damage",
}
"""Options of a request, in words."""


@dataclass
class AuditLine:
    """Events that are one act of one person."""

    events: list[AuditEvent] = field(default_factory=list)
    """Newest first."""

    @property
    def newest(self) -> AuditEvent:
        """The newest of its events."""
        return self.events[0]

    @property
    def times(self) -> int:
        """How many requests it sums up, with the refusals that one event counts."""
        return sum(int(event.detail.get("count", 1)) for event in self.events)

    @property
    def when(self) -> str:
        """The local time of its newest event."""
        return local(self.newest.time)

    @property
    def about(self) -> str:
        """What the act was about, with the number of its requests and its reason."""
        parts = [about(self.newest)]
        parts += [f"{count(self.times)} times"] if refused(self.newest) and self.times > 1 else []
        return "; ".join(filter(None, (*parts, reason(self.newest))))


def refused(event: AuditEvent) -> bool:
    """Whether the event is a refusal."""
    return event.event == "refused"


def act(event: AuditEvent) -> str:
    """What someone did, such as "read a message"."""
    if event.event == "numbered" and event.detail.get("stopped"):
        return "stopped a production"
    if event.event in _EVENTS:
        return _EVENTS[event.event]
    past, infinitive = _act_of(event)
    return f"tried to {infinitive}" if refused(event) else past


def _act_of(event: AuditEvent) -> tuple[str, str]:
    detail, total = event.detail, event.detail.get("total")
    if event.word == "ReadRaw":
        what = "read " + _RAW.get(str(detail.get("what", "message")), _RAW["message"])
        return what, what
    if event.word == "ReadAttachment" and detail.get("number"):
        return f"opened attachment {detail['number']}", "open an attachment"
    if event.word == "Export" and isinstance(total, int):
        return f"exported {count(total)} {'message' if total == 1 else 'messages'}", _ACTS["Export"][1]
    if detail.get("answer") == "ask" and event.word in _ACTS:
        infinitive = _ACTS[event.word][1]
        return f"asked a second person to {infinitive}", infinitive
    if event.word == "PutProfile" and detail.get("new"):
        return "added a profile", "add a profile"
    if event.word == "AddUser" and detail.get("of"):
        return "changed a person", "change a person"
    return _ACTS.get(event.word) or (_spelt(event.word) or event.event, _spelt(event.word) or "act")


def _spelt(request: str) -> str:
    """The name of a request as words: "GetStatus" is "get status"."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in request).strip()


def whose(event: AuditEvent) -> str:
    """Whose mail or login the event concerns; "" if no one's."""
    if event.everybody:
        return "everybody"
    shown = ", ".join(event.people[:NAMED])
    more = len(event.people) - NAMED
    return f"{shown} and {count(more)} more" if more > 0 else shown


def about(event: AuditEvent) -> str:
    """The object of an act: folder, query, message, name or address."""
    detail = event.detail
    parts = [str(detail[name]) for name in ("folder", "query") if detail.get(name)]
    ids = [str(message)[:ID] for name in ("messages", "items") for message in detail.get(name, ())]
    parts += [", ".join(ids[:NAMED]) + (f" and {count(len(ids) - NAMED)} more" if len(ids) > NAMED else "")]
    if refused(event) and detail.get("id"):
        parts.append(str(detail["id"])[:ID])
    parts += [str(detail[name]) for name in ("name", "step", "said") if detail.get(name)]
    if detail.get("work"):
        parts.append(f"{detail['work']} {detail.get('number', '')} by {detail.get('owner', '')}")
    parts += [f"{name} {detail[name]}" for name in ("login", "address", "alias", "grant") if detail.get(name)]
    for name in ("logins", "addresses", "settings", "rules", "was"):
        parts += [", ".join(map(str, detail[name]))] if detail.get(name) else []
    if detail.get("prefix"):
        parts.append(f"{detail['prefix']} {detail.get('first')} to {detail.get('last')}")
    parts += [words for name, words in _FLAGS.items() if detail.get(name)]
    parts += [f"to {detail[name]}" for name in ("to", "path") if detail.get(name)]
    parts += [str(detail["filename"])] if detail.get("filename") else []
    return "; ".join(filter(None, parts))


def reason(event: AuditEvent) -> str:
    """The reason that was given, or why the request was refused; "" for neither."""
    return "; ".join(
        f"{name}: {event.detail[name]}" for name in ("reason", "refusal") if event.detail.get(name)
    )


def grouped(events: Iterable[AuditEvent]) -> list[AuditLine]:
    """Put events that are one look on one line, in the order of their newest events.

    Args:
        events: Newest first. Events of several readers may be mixed.
    """
    lines: list[AuditLine] = []
    last: dict[tuple[str, ...], AuditLine] = {}
    for event in events:
        key = _key(event)
        line = last.get(key)
        if line is None or not _is_one_look(line.events[-1], event):
            line = last[key] = AuditLine()
            lines.append(line)
        line.events.append(event)
    return lines


def _key(event: AuditEvent) -> tuple[str, ...]:
    """What events of one look have in common. A query may differ, since it is typed letter by letter."""
    detail = {name: value for name, value in event.detail.items() if name not in ("query", "count")}
    query = "" if event.word == "Search" and not refused(event) else str(event.detail.get("query"))
    parts = (event.event, event.who, str(event.uid), event.role, event.word, query, *event.people)
    return (*parts, *(f"{name}={value!r}" for name, value in sorted(detail.items())))


def _is_one_look(later: AuditEvent, earlier: AuditEvent) -> bool:
    apart = later.time - earlier.time
    new, old = str(later.detail.get("query", "")), str(earlier.detail.get("query", ""))
    if new == old:
        return apart <= LOOK
    return apart <= TYPING and bool(new and old) and (new.startswith(old) or old.startswith(new))
