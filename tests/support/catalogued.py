"""Invented batches of facts for tests of the catalog, and the folders in which their mail must be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from muniment.archive.facts import (
    AuditFact,
    ConfigurationFact,
    DecisionFact,
    DeletionFact,
    DirectoryFact,
    EnvelopeFact,
    ErasedFact,
    ErasedFrame,
    Fact,
    FramePosition,
    KeptCopy,
    MessageFact,
    OriginalFact,
    PartFact,
    QuarantineFact,
    ReceiptFact,
    RedactionFact,
    RoutingReason,
    RunFact,
    SenderEvidenceFact,
)
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.mail.model import AddressRole, EnvelopeParty
from muniment.people import changes
from muniment.people.directory import Directory
from muniment.people.routing import OWNED, RoutedEnvelope, route_message


def sha(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


class Batches:
    """Makes facts in the order of a ledger, in committed batches."""

    def __init__(self) -> None:
        self.sequence = 0
        self.facts: list[Fact] = []
        self.done: list[tuple[list[Fact], LedgerHead]] = []

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence - 1

    @property
    def _position(self) -> FramePosition:
        return FramePosition(1 + self.sequence // 100, self.sequence * 1000)

    def message(self, name: str, /, *, date: int = 1000, **fields: Any) -> bytes:
        given: dict[str, Any] = {
            "content": sha("content of " + name),
            "size": 5000,
            "sender": "Alice <alice@firm.example>",
            "to": "Bob <bob@firm.example>",
            "subject": f"About {name}",
            "attachments": 0,
            "received": 2000,
        } | fields
        position = self._position
        self.facts.append(MessageFact(self._next(), position, sha(name), date=date, **given))
        return sha(name)

    def envelope(
        self, name: str, messages: Sequence[str], *parties: tuple[AddressRole, str], time: int = 1000
    ) -> bytes:
        people = tuple(
            EnvelopeParty(role, address if "@" in address else f"{address}@firm.example")
            for role, address in parties
        )
        position = self._position
        brought = tuple(sha(message) for message in messages)
        self.facts.append(EnvelopeFact(self._next(), position, sha(name), brought, people, time, True))
        return sha(name)

    def receipt(
        self, name: str, route: RoutingReason = RoutingReason.JOURNAL, key: str = "", **fields: Any
    ) -> None:
        given: dict[str, Any] = {
            "host": "gw.example:110",
            "mailbox": "mbx",
            "folder": "",
            "size": 6000,
            "profile": "gateway",
        }
        given |= fields
        self.facts.append(
            ReceiptFact(
                sequence=self._next(), key=key or name, sha=sha(name), route=route, report=True, **given
            )
        )

    def original(self, name: str, former: str) -> None:
        """Add that `name` displaces `former`."""
        self.facts.append(OriginalFact(self._next(), sha(name), sha(former)))

    def part(self, name: str) -> None:
        position = self._position
        self.facts.append(PartFact(self._next(), position, sha(name)))

    def deletion(self, *keys: str) -> None:
        self.facts.append(DeletionFact(self._next(), "gw.example:110", "mbx", "", keys))

    def quarantine(self, name: str, *, resolved: bool = False) -> None:
        position = self._position
        reason = "" if resolved else "no original in it"
        self.facts.append(QuarantineFact(self._next(), position, sha(name), 77, reason, 5, resolved))

    def run(self, summary: str) -> None:
        self.facts.append(RunFact(self._next(), 9, summary))

    def audit(self, event: str) -> None:
        position = self._position
        self.facts.append(AuditFact(self._next(), position, 9, event))

    def decision(self, kind: RecordKind, content: str) -> None:
        self.facts.append(DecisionFact(self._next(), kind, 9, content))

    def evidence(self, first: int, through: int) -> None:
        """Add a record of what signatures of the messages with these numbers gave."""
        position = self._position
        self.facts.append(SenderEvidenceFact(self._next(), position, 9, bytes(32), 99, first, through))

    def configuration(self, name: str) -> None:
        self.facts.append(ConfigurationFact(self._next(), sha(name)))

    def redaction(
        self, basis: str, *messages: str, copies: Sequence[str] = (), contents: Sequence[str] = ()
    ) -> None:
        """Add a decision to erase messages and copies; the content hash of some of the messages is known."""
        known = {sha(name): sha("content of " + name) for name in contents}
        erased, gone = (tuple(map(sha, names)) for names in (messages, copies))
        record, number = bytes(32), self._next()
        self.facts.append(RedactionFact(number, 9, record, 99, 8, basis, erased, known, gone, (), ()))

    def erase(self, names: Iterable[str]) -> RedactionFact:
        """Add what erases committed messages with all their copies."""
        fact = erasure([fact for facts, _ in self.done for fact in facts], map(sha, names))
        self.facts.append(replace(fact, sequence=self._next()))
        return fact

    def erased(self, kind: RecordKind) -> None:
        """Add a record whose content is erased already."""
        self.facts.append(ErasedFact(self._next(), kind))

    def change(self, change: changes.Change, time: int = 2000) -> None:
        self.facts.append(DirectoryFact(self._next(), time, changes.encode(change)))

    def mail(
        self, name: str, *parties: tuple[AddressRole, str], date: int = 1000, time: int = 1000, **receipt: Any
    ) -> bytes:
        """Add a message, its journal report (named `name` and " report"), and the receipt."""
        self.message(name, date=date)
        self.envelope(name + " report", [name], *parties, time=time)
        self.receipt(name + " report", **receipt)
        return sha(name)

    def commit(self) -> tuple[list[Fact], LedgerHead]:
        facts, self.facts = self.facts, []
        self._next()
        head = LedgerHead(self.sequence, sha(f"root {self.sequence}"), 1, self.sequence * 1000)
        self.done.append((facts, head))
        return facts, head


def erasure(facts: Sequence[Fact], names: Iterable[bytes]) -> RedactionFact:
    """Return what erases messages with those that they displaced; the fact has no sequence yet."""
    heir = heirs(facts)
    chosen = set(names)
    gone = chosen | {former for former, original in heir.items() if original in chosen}
    copies = [fact for fact in facts if isinstance(fact, EnvelopeFact) and not gone.isdisjoint(fact.messages)]
    shas = {copy.sha for copy in copies}
    kept = tuple(
        KeptCopy(copy.sha, copy.report, copy.time, copy.parties)
        for copy in copies
        if any(heir.get(message, message) not in chosen for message in copy.messages)
    )
    frames = [_frame(fact, RecordKind.MESSAGE) for fact in facts if _is_of(fact, MessageFact, gone)]
    frames += [_frame(fact, RecordKind.ENVELOPE) for fact in copies]
    frames += [_frame(fact, RecordKind.QUARANTINE) for fact in facts if _is_of(fact, QuarantineFact, shas)]
    return RedactionFact(
        sequence=-1, time=9, record=bytes(32), size=99, at=8, basis="Art. 17", messages=tuple(sorted(gone)),
        contents={},
        copies=tuple(sorted(shas)), kept=kept, frames=tuple(sorted(frames)),
    )  # fmt: skip


def _is_of(fact: Any, kind: type, shas: set[bytes]) -> bool:
    return isinstance(fact, kind) and fact.sha in shas  # type: ignore[attr-defined]


def _frame(fact: Any, kind: RecordKind) -> ErasedFrame:
    at = fact.position
    return ErasedFrame(fact.sequence, at.segment, at.offset, 9, int(kind), 0, 10, fact.sha)


def as_replayed(facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that a replay makes of the same records once their content is erased."""
    gone: dict[int, int] = {}
    for redaction in (fact for fact in facts if isinstance(fact, RedactionFact)):
        kept = {copy.sha for copy in redaction.kept}
        gone |= {frame.sequence: frame.kind for frame in redaction.frames if frame.sha not in kept}
        erased = {frame.sequence for frame in redaction.frames}
        gone |= {
            fact.sequence: int(RecordKind.ENVELOPE)
            for fact in facts
            if isinstance(fact, EnvelopeFact)
            and fact.sha in redaction.copies
            and fact.sha not in kept
            and fact.sequence not in erased
        }
    return [
        ErasedFact(fact.sequence, gone[fact.sequence]) if fact.sequence in gone else fact for fact in facts
    ]


def heirs(facts: Iterable[Fact]) -> dict[bytes, bytes]:
    """Return the original of each displaced message, by hash."""
    found: dict[bytes, bytes] = {}
    for fact in facts:
        if isinstance(fact, OriginalFact):
            found = {former: fact.sha if heir == fact.former else heir for former, heir in found.items()}
            found[fact.former] = fact.sha
    return found


def filed(facts: Iterable[Fact], directory: Directory) -> set[tuple[str, str, int, str]]:
    """Return where messages must be filed by these facts: user, folder, date and hash of each."""
    known = list(facts)
    routes: dict[bytes, int] = {}
    owners: dict[bytes, set[tuple[str, str]]] = {}
    for receipt in (fact for fact in known if isinstance(fact, ReceiptFact)):
        routes[receipt.sha] = routes.get(receipt.sha, 0) | receipt.route
        if receipt.route & RoutingReason.OWNER:
            owners.setdefault(receipt.sha, set()).add((receipt.owner, receipt.owner_folder))
    copies: dict[bytes, list[RoutedEnvelope]] = {}
    gone = heirs(known)
    for copy in (fact for fact in known if isinstance(fact, EnvelopeFact)):
        found = [RoutedEnvelope(routes.get(copy.sha, 0) & ~OWNED, copy.time, copy.parties)]
        found += [RoutedEnvelope(OWNED, copy.time, (), *owner) for owner in owners.get(copy.sha, ())]
        for message in copy.messages:
            copies.setdefault(gone.get(message, message), []).extend(found)
    return {
        (user, folder, message.date, message.sha.hex())
        for message in known
        if isinstance(message, MessageFact) and message.sha not in gone
        for user, folder in route_message(copies.get(message.sha, ()), directory)
    }
