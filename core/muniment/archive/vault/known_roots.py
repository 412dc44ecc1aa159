"""Finds the loss of a part of the ledger, by states of the ledger that other files remember.

A ledger whose end was cut off, or that was rewritten, still proves itself. So its size and root are noted in
several places: the catalog, the index, the file `checkpoints`, the memory of notices and, after a backup was
copied back, the backup's state. If the ledger lacks what one of them knows, no run starts until an
administrator has decided.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muniment.archive.catalog.sqlite.store import seen_by
from muniment.archive.index.index import put_aside
from muniment.archive.ledger.check import check
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.scan import has_commit, last_head
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.vault.layout import CATALOG, INDEX, segments_of
from muniment.errors import LedgerDamaged, VaultError
from muniment.evidence.merkle import EMPTY_ROOT
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.vault")

CHECKPOINTS, NOTICES, BACKUP = "checkpoints", "notify.json", "backup.json"
OF_CATALOG, OF_INDEX, OF_FILE = "the catalog", "the index", f"the file {CHECKPOINTS}"
OF_BACKUP, OF_NOTICES = f"the backup's state in {BACKUP}", f"the memory of notices in {NOTICES}"
FORMAT = 1
WITH_CHECKPOINTS = 7
"""The first schema version of the catalog that has the file `checkpoints` beside it."""
EVERY = 30.0
"""Shortest time between two notes while a vault is written, in seconds; closing it makes another one."""
DAYS = 400
"""Number of days whose last checkpoint is kept."""
NONE = LedgerHead(0, EMPTY_ROOT, 1, 0)
ADVICE = (
    "nothing was changed and no run starts: keep this vault as it is, restore a backup beside it and "
    "compare; an administrator can accept the loss by `muniment rebuild --accept-damage`, which is recorded "
    "in the ledger"
)


@dataclass(frozen=True, slots=True)
class KnownRoot:
    """A state of the ledger that a place remembers."""

    source: str
    """The place, such as "the catalog"."""
    vault: bytes
    """The vault's id, 8 bytes."""
    head: LedgerHead

    @property
    def checkpoint(self) -> Checkpoint:
        """Size and root of the state."""
        return Checkpoint(self.head.tree_size, self.head.root)


@dataclass(frozen=True, slots=True)
class LedgerAlarm:
    """A note that the ledger contradicts."""

    note: KnownRoot
    text: str
    """What is wrong, as a sentence without its full stop."""


Compare = Callable[[SegmentStore, list[KnownRoot]], list[LedgerAlarm]]


# --- the file ---------------------------------------------------------------------------------------


class CheckpointsUnreadable(Exception):
    """The file `checkpoints` is missing or damaged; the text says which."""


def read_file(folder: Path) -> list[KnownRoot]:
    """Read the checkpoints in a vault's file, the oldest first.

    Raises:
        CheckpointsUnreadable: The file is missing or damaged.
        VaultError: A newer program wrote the file.
    """
    path = folder / CHECKPOINTS
    try:
        value = json.loads(path.read_bytes())
        if value["format"] > FORMAT:
            raise VaultError(f"{path} was written by a newer Muniment: update Muniment to use this vault")
        vault = bytes.fromhex(value["vault"])
        notes = [KnownRoot(OF_FILE, vault, _head(one)) for one in value["checkpoints"]]
    except FileNotFoundError:
        raise CheckpointsUnreadable("is missing") from None
    except OSError as error:
        raise CheckpointsUnreadable(f"can't be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointsUnreadable("is damaged") from error
    return sorted(notes, key=lambda note: note.head.tree_size)


def _head(value: Any) -> LedgerHead:
    """Decode a state from JSON; raises ValueError, KeyError or TypeError if it is not valid."""
    numbers = [value[name] for name in ("tree_size", "segment", "offset")]
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
        raise ValueError("not a state of a ledger")
    return LedgerHead(numbers[0], bytes.fromhex(value["root"]), *numbers[1:])


def as_json(head: LedgerHead) -> dict[str, Any]:
    """Encode a state for JSON."""
    return {
        "tree_size": head.tree_size,
        "root": head.root.hex(),
        "segment": head.segment,
        "offset": head.offset,
    }


class CheckpointFile:
    """The file `checkpoints` of a vault, for its writer. It keeps the last state of each day."""

    def __init__(self, folder: Path, vault_id: bytes) -> None:
        self._folder = folder
        self._vault_id = vault_id
        self._noted = float("-inf")
        self._last = -1

    def begin(self) -> None:
        """Make the file of a new vault.

        Raises:
            OSError: The file can't be written.
        """
        self._write([])

    def soon(self, head: LedgerHead) -> None:
        """Note a state that is on the disk, unless one was noted in the last EVERY seconds."""
        if time.monotonic() - self._noted >= EVERY:
            self.now(head)

    def now(self, head: LedgerHead) -> None:
        """Note a state that is on the disk. A failure is only logged: the mail is kept without the note."""
        if head.tree_size in (0, self._last):
            return
        try:
            entries = self._entries()
            if entries and (entries[-1]["tree_size"], entries[-1]["root"]) == (
                head.tree_size,
                head.root.hex(),
            ):
                self._last = head.tree_size
                return
            entries = [one for one in entries if one["tree_size"] < head.tree_size]
            made = datetime.now(UTC).isoformat(timespec="seconds")
            self._write(_thinned([*entries, {"time": made, **as_json(head)}]))
        except OSError as error:
            log.warning("the checkpoint can't be noted (%s)", error.strerror)
        self._noted, self._last = time.monotonic(), head.tree_size

    def set_aside(self) -> None:
        """Rename a damaged file, so that a new one is begun.

        Raises:
            OSError: The file can't be renamed.
        """
        with suppress(FileNotFoundError):
            path = self._folder / CHECKPOINTS
            path.replace(path.with_name(f"{CHECKPOINTS}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}"))

    def drop(self, refuted: Iterable[LedgerHead]) -> None:
        """Remove checkpoints whose loss was accepted and recorded.

        Raises:
            OSError: The file can't be written.
        """
        gone = {(head.tree_size, head.root.hex()) for head in refuted}
        kept = [one for one in self._entries() if (one["tree_size"], one["root"]) not in gone]
        self._write(kept)

    def _entries(self) -> list[dict[str, Any]]:
        """Return the entries of the file, the oldest first; none of a damaged or another vault's file."""
        try:
            notes = read_file(self._folder)
        except CheckpointsUnreadable:
            return []
        if any(note.vault != self._vault_id for note in notes):
            return []
        value = json.loads((self._folder / CHECKPOINTS).read_bytes())
        return sorted(value["checkpoints"], key=lambda one: int(one["tree_size"]))

    def _write(self, entries: list[dict[str, Any]]) -> None:
        lines = ",\n  ".join(json.dumps(entry) for entry in entries)
        text = f'{{"format": {FORMAT}, "vault": "{self._vault_id.hex()}", "checkpoints": [\n  {lines}\n]}}\n'
        write_file(self._folder / CHECKPOINTS, text.encode(), durable=True)


def _thinned(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last entry of each day, for at most DAYS days."""
    days = {str(entry.get("time", ""))[:10]: entry for entry in entries}
    return sorted(days.values(), key=lambda entry: int(entry["tree_size"]))[-DAYS:]


# --- all places -------------------------------------------------------------------------------------


def notes_of(folder: Path) -> list[KnownRoot]:
    """Collect the states of the ledger that files in a vault's folder remember.

    Raises:
        VaultError: A newer program wrote the file `checkpoints`.
    """
    found = [*_of_catalog(folder), *_of_index(folder)]
    with suppress(CheckpointsUnreadable):
        found += read_file(folder)
    found += _of_json(folder / BACKUP, OF_BACKUP, ())
    found += _of_notices(folder)
    return [note for note in found if note.head.tree_size]


def _of_catalog(folder: Path) -> Iterator[KnownRoot]:
    seen = seen_by(folder / CATALOG)
    if seen is not None:
        yield KnownRoot(OF_CATALOG, seen.vault, seen.head)


def _of_index(folder: Path) -> Iterator[KnownRoot]:
    """Yield the state that the index knows, if it is this vault's index; another's does not matter."""
    for note in _of_json(folder / INDEX / "state.json", OF_INDEX, ("mark",)):
        with suppress(VaultError):
            if note.vault == read_vault_id(segments_of(folder)):
                yield note


def _of_notices(folder: Path) -> Iterator[KnownRoot]:
    return _of_json(folder / NOTICES, OF_NOTICES, ("checkpoint",))


def _of_json(path: Path, source: str, within: tuple[str, ...]) -> Iterator[KnownRoot]:
    """Yield the state in a JSON file, below the keys `within`; nothing if it can't be read."""
    try:
        value = json.loads(path.read_bytes())
        for name in within:
            value = value[name]
        if isinstance(value, str):
            value = json.loads(value)
        yield KnownRoot(source, bytes.fromhex(value["vault"]), _head(value))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def missing_file(folder: Path) -> str:
    """Return a sentence if the file `checkpoints` is missing or damaged, but must be there; else ""."""
    try:
        if read_file(folder):
            return ""
        what = "is empty"
    except CheckpointsUnreadable as error:
        what = str(error)
    seen = seen_by(folder / CATALOG)
    known = [*_of_notices(folder)]
    if seen is not None and seen.schema >= WITH_CHECKPOINTS:
        known += _of_catalog(folder)
    for note in known:
        if note.head.tree_size:
            return (
                f"{OF_FILE} {what}, although {note.source} knows {note.head.tree_size} records: it was "
                "removed or changed; compare the ledger with a checkpoint that is kept elsewhere, by "
                "`muniment verify --was`"
            )
    return ""


def rewritten(segments: SegmentStore, doubted: list[KnownRoot]) -> list[LedgerAlarm]:
    """Return an alarm for each note of another ledger. It reads the whole ledger: frames may have moved."""
    if not doubted:
        return []
    report = check(segments, deep=False, checkpoints=[note.checkpoint for note in doubted])
    states = {proof.checkpoint: proof for proof in report.proofs}
    return [
        LedgerAlarm(note, f"{note.source} knows another ledger: {states[note.checkpoint].text}")
        for note in doubted
        if states[note.checkpoint].state in ("rewritten", "cut")
    ]


def alarms(folder: Path, compare: Compare = rewritten) -> list[LedgerAlarm]:
    """Find the notes that the ledger contradicts. This is quick if there are none.

    Args:
        folder: The vault's folder.
        compare: Compares the notes whose commit is not where they say with the whole ledger.

    Raises:
        VaultError: There is no ledger, or a newer program wrote a file.
        LedgerDamaged: The file with the vault's id is damaged.
    """
    segments = segments_of(folder)
    vault_id = read_vault_id(segments)
    notes = _newest(notes_of(folder))
    held = last_head(segments) or NONE  # read after the notes, since a writer may append meanwhile
    found, doubted = [], []
    for note in notes:
        if note.vault != vault_id:
            found.append(LedgerAlarm(note, swapped(note, vault_id)))
        elif note.head.tree_size > held.tree_size:
            found.append(LedgerAlarm(note, cut_short(note.source, note.head.tree_size, held.tree_size)))
        elif not has_commit(segments, vault_id, note.head):
            doubted.append(note)
    return [*found, *compare(segments, doubted)]


def swapped(note: KnownRoot, vault_id: bytes) -> str:
    """Return the sentence for a place that remembers another vault's ledger."""
    return (
        f"{note.source} belongs to vault {note.vault.hex()}, but the ledger belongs to vault "
        f"{vault_id.hex()}: the ledger was replaced"
    )


def cut_short(source: str, known: int, held: int) -> str:
    """Return the sentence for a place that knows more records than the ledger holds."""
    return (
        f"{source} knows {known} records, but the ledger holds {held}: the ledger was cut or damaged, or an "
        "older one was restored"
    )


def _newest(notes: Iterable[KnownRoot]) -> list[KnownRoot]:
    """Return the newest note of each source; it covers the older ones."""
    newest: dict[str, KnownRoot] = {}
    for note in sorted(notes, key=lambda note: note.head.tree_size):
        newest[note.source] = note
    return list(newest.values())


def require_whole(folder: Path) -> None:
    """Check that the ledger holds everything that other places know of it.

    Raises:
        LedgerDamaged: It does not; an administrator must decide.
        VaultError: There is no ledger, or a newer program wrote a file.
    """
    found = alarms(folder)
    if found:
        raise LedgerDamaged(f"{found[0].text}; {ADVICE}")


# --- accepting a loss -------------------------------------------------------------------------------


def loss(found: list[LedgerAlarm], held: LedgerHead) -> dict[str, Any]:
    """Return the audit event for a loss that an administrator has accepted (docs/ledger-format.md)."""
    most = max(alarm.note.head.tree_size for alarm in found)
    return {
        "event": "loss accepted",
        "held": {"tree_size": held.tree_size, "root": held.root.hex()},
        "lost": max(0, most - held.tree_size),
        "known": [
            {
                "source": alarm.note.source,
                "tree_size": alarm.note.head.tree_size,
                "root": alarm.note.head.root.hex(),
                "vault": alarm.note.vault.hex(),
            }
            for alarm in found
        ],
        "said": "; ".join(alarm.text for alarm in found),
    }


def forget(folder: Path, vault_id: bytes, found: list[LedgerAlarm]) -> None:
    """Remove an accepted loss, once it is recorded, from all places but the catalog, which is rebuilt.

    Raises:
        OSError: A file can't be written.
        VaultError: The index can't be renamed.
    """
    kept = CheckpointFile(folder, vault_id)
    kept.drop(_refuted(folder, found))
    sources = {alarm.note.source for alarm in found}
    if OF_INDEX in sources:
        log.warning("the index knows lost records: it was renamed to %s", put_aside(folder / INDEX))
    if OF_BACKUP in sources:
        (folder / BACKUP).replace(folder / f"{BACKUP}.before-loss")
    if OF_NOTICES in sources:
        value = json.loads((folder / NOTICES).read_bytes())
        del value["checkpoint"]
        write_file(folder / NOTICES, json.dumps(value).encode(), durable=True)


def _refuted(folder: Path, found: list[LedgerAlarm]) -> list[LedgerHead]:
    """Return the states in the file `checkpoints` that the ledger contradicts."""
    try:
        notes = read_file(folder)
    except CheckpointsUnreadable:
        return []
    report = check(segments_of(folder), deep=False, checkpoints=[note.checkpoint for note in notes])
    wrong = {proof.checkpoint for proof in report.proofs if not proof.holds}
    return [note.head for note in notes if note.checkpoint in wrong]
