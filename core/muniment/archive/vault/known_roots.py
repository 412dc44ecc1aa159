"""What is remembered of a ledger besides the ledger itself, so that a loss of it shows.

A ledger whose end was cut off, or that was written anew, proves itself all the same. So its size and root are
noted in several places: in the catalog, the index, the file `checkpoints`, the memory of notices and, where a
backup was copied back, the backup's state. No run starts on a ledger that does not hold what one of them
knows, until an administrator has decided.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muniment.archive.catalog import seen_by
from muniment.archive.index import put_aside
from muniment.archive.ledger.check import check
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.files import read_vault_id, sync_folder
from muniment.archive.ledger.merkle import EMPTY_ROOT
from muniment.archive.ledger.model import Head
from muniment.archive.ledger.scan import has_commit, last_head
from muniment.errors import LedgerDamaged, VaultError

log = logging.getLogger("muniment.vault")

LEDGER, CATALOG, INDEX = "ledger", "catalog.db", "index"
CHECKPOINTS, NOTICES, BACKUP = "checkpoints", "notify.json", "backup.json"
OF_CATALOG, OF_INDEX, OF_FILE = "the catalog", "the index", f"the file {CHECKPOINTS}"
OF_BACKUP, OF_NOTICES = f"the backup's state in {BACKUP}", f"the memory of notices in {NOTICES}"
FORMAT = 1
WITH_CHECKPOINTS = 7
"""From this version on, a catalog comes with the file `checkpoints`."""
EVERY = 30.0
"""Seconds between two notes while a vault is written; another is made when it is closed."""
DAYS = 400
"""Days of which the last checkpoint is kept."""
NONE = Head(0, EMPTY_ROOT, 1, 0)
ADVICE = (
    "nothing was changed and no run starts: keep this vault as it is, restore a backup beside it and "
    "compare; an administrator may go on without what is lost by `muniment rebuild --accept-damage`, which "
    "is recorded in the ledger"
)


@dataclass(frozen=True, slots=True)
class Note:
    """A state of the ledger that a place remembers."""

    source: str
    """Which place, such as "the catalog"."""
    vault: bytes
    """The vault's id."""
    head: Head

    @property
    def checkpoint(self) -> Checkpoint:
        """Size and root."""
        return Checkpoint(self.head.tree_size, self.head.root)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A note that the ledger does not bear out."""

    note: Note
    text: str
    """A sentence without its full stop."""


# --- the file ---------------------------------------------------------------------------------------


class Unreadable(Exception):
    """The file `checkpoints` is missing or damaged; the text says which."""


def read_file(folder: Path) -> list[Note]:
    """The checkpoints that a vault's file holds, the oldest first.

    Raises:
        Unreadable: it is missing or damaged.
        VaultError: it was written by a newer program.
    """
    path = folder / CHECKPOINTS
    try:
        value = json.loads(path.read_bytes())
        if value["format"] > FORMAT:
            raise VaultError(f"{path} was written by a newer Muniment: update Muniment to use this vault")
        vault = bytes.fromhex(value["vault"])
        notes = [Note(OF_FILE, vault, _head(one)) for one in value["checkpoints"]]
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except OSError as error:
        raise Unreadable(f"can't be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable("is damaged") from error
    return sorted(notes, key=lambda note: note.head.tree_size)


def _head(value: Any) -> Head:
    """A state as it is kept in JSON. Raises ValueError, KeyError or TypeError."""
    numbers = [value[name] for name in ("tree_size", "segment", "offset")]
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
        raise ValueError("not a state of a ledger")
    return Head(numbers[0], bytes.fromhex(value["root"]), *numbers[1:])


def as_json(head: Head) -> dict[str, Any]:
    """A state as it is kept in JSON."""
    return {
        "tree_size": head.tree_size,
        "root": head.root.hex(),
        "segment": head.segment,
        "offset": head.offset,
    }


class Checkpoints:
    """The file `checkpoints` of a vault, as its only writer keeps it: the last state of each day."""

    def __init__(self, folder: Path, vault_id: bytes) -> None:
        self._folder = folder
        self._vault_id = vault_id
        self._noted = float("-inf")
        self._last = -1

    def begin(self) -> None:
        """Make the file of a new vault. Raises OSError."""
        self._write([])

    def soon(self, head: Head) -> None:
        """Note a state that is on disk, unless another was noted within EVERY seconds."""
        if time.monotonic() - self._noted >= EVERY:
            self.now(head)

    def now(self, head: Head) -> None:
        """Note a state that is on disk. A failure is logged, no more: the mail is kept without the note."""
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
        """Keep a damaged file under another name, so that a new one is begun. Raises OSError."""
        with suppress(FileNotFoundError):
            path = self._folder / CHECKPOINTS
            path.replace(path.with_name(f"{CHECKPOINTS}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}"))

    def drop(self, refuted: Iterable[Head]) -> None:
        """Keep the checkpoints but for these: their loss was accepted, and is recorded. Raises OSError."""
        gone = {(head.tree_size, head.root.hex()) for head in refuted}
        kept = [one for one in self._entries() if (one["tree_size"], one["root"]) not in gone]
        self._write(kept)

    def _entries(self) -> list[dict[str, Any]]:
        """What is in the file, the oldest first; of another vault's, or of a damaged one, nothing."""
        try:
            notes = read_file(self._folder)
        except Unreadable:
            return []
        if any(note.vault != self._vault_id for note in notes):
            return []
        value = json.loads((self._folder / CHECKPOINTS).read_bytes())
        return sorted(value["checkpoints"], key=lambda one: int(one["tree_size"]))

    def _write(self, entries: list[dict[str, Any]]) -> None:
        lines = ",\n  ".join(json.dumps(entry) for entry in entries)
        text = f'{{"format": {FORMAT}, "vault": "{self._vault_id.hex()}", "checkpoints": [\n  {lines}\n]}}\n'
        _replace(self._folder / CHECKPOINTS, text)


def _replace(path: Path, text: str) -> None:
    """Write a file in one step, durably. Raises OSError."""
    draft = path.with_name(path.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def _thinned(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last of each day, of DAYS days."""
    days = {str(entry.get("time", ""))[:10]: entry for entry in entries}
    return sorted(days.values(), key=lambda entry: int(entry["tree_size"]))[-DAYS:]


# --- all places -------------------------------------------------------------------------------------


def notes_of(folder: Path) -> list[Note]:
    """The states of a vault's ledger that anything in its folder remembers.

    Raises:
        VaultError: the file `checkpoints` was written by a newer program.
    """
    found = [*_of_catalog(folder), *_of_index(folder)]
    with suppress(Unreadable):
        found += read_file(folder)
    found += _of_json(folder / BACKUP, OF_BACKUP, ())
    found += _of_notices(folder)
    return [note for note in found if note.head.tree_size]


def _of_catalog(folder: Path) -> Iterator[Note]:
    seen = seen_by(folder / CATALOG)
    if seen is not None:
        yield Note(OF_CATALOG, seen.vault, seen.head)


def _of_index(folder: Path) -> Iterator[Note]:
    """Of an index that is this vault's own; that of another vault is only out of place."""
    for note in _of_json(folder / INDEX / "state.json", OF_INDEX, ("mark",)):
        with suppress(VaultError):
            if note.vault == read_vault_id(folder / LEDGER):
                yield note


def _of_notices(folder: Path) -> Iterator[Note]:
    return _of_json(folder / NOTICES, OF_NOTICES, ("checkpoint",))


def _of_json(path: Path, source: str, within: tuple[str, ...]) -> Iterator[Note]:
    """A state that a JSON file holds below the names `within`; none where it can't be read."""
    try:
        value = json.loads(path.read_bytes())
        for name in within:
            value = value[name]
        if isinstance(value, str):
            value = json.loads(value)
        yield Note(source, bytes.fromhex(value["vault"]), _head(value))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def missing_file(folder: Path) -> str:
    """A sentence where the file `checkpoints` is missing or damaged though other places know the ledger."""
    try:
        if read_file(folder):
            return ""
        what = "is empty"
    except Unreadable as error:
        what = str(error)
    seen = seen_by(folder / CATALOG)
    known = [*_of_notices(folder)]
    if seen is not None and seen.schema >= WITH_CHECKPOINTS:
        known += _of_catalog(folder)
    for note in known:
        if note.head.tree_size:
            return (
                f"{OF_FILE} {what}, though {note.source} knows {note.head.tree_size} records: somebody "
                "removed or changed it; compare the ledger with a checkpoint that was noted elsewhere, by "
                "`muniment verify --was`"
            )
    return ""


def alarms(folder: Path) -> list[Alarm]:
    """The notes that the ledger does not bear out. Quick where there are none.

    Raises:
        VaultError: there is no ledger, or a file is of a newer program.
    """
    ledger = folder / LEDGER
    vault_id = read_vault_id(ledger)
    notes = _newest(notes_of(folder))
    held = last_head(ledger) or NONE  # read after the notes: beside a writer it is no shorter than they are
    found, doubted = [], []
    for note in notes:
        if note.vault != vault_id:
            found.append(Alarm(note, swapped(note, vault_id)))
        elif note.head.tree_size > held.tree_size:
            found.append(Alarm(note, cut_short(note.source, note.head.tree_size, held.tree_size)))
        elif not has_commit(ledger, vault_id, note.head):
            doubted.append(note)
    return [*found, *_rewritten(ledger, doubted)]


def swapped(note: Note, vault_id: bytes) -> str:
    """That a place remembers another vault's ledger."""
    return (
        f"{note.source} is of the vault {note.vault.hex()}, the ledger of the vault {vault_id.hex()}: it is "
        "not the one that was here"
    )


def cut_short(source: str, known: int, held: int) -> str:
    """That a place knows more records than the ledger holds."""
    return (
        f"{source} has seen {known} records, but the ledger holds {held}: the ledger was cut, damaged, or an "
        "older one restored"
    )


def _newest(notes: Iterable[Note]) -> list[Note]:
    """The newest of each source: it speaks for all before it."""
    newest: dict[str, Note] = {}
    for note in sorted(notes, key=lambda note: note.head.tree_size):
        newest[note.source] = note
    return list(newest.values())


def _rewritten(ledger: Path, doubted: list[Note]) -> list[Alarm]:
    """Which of the notes are of another ledger: the whole of it is read, since its frames may have moved."""
    if not doubted:
        return []
    report = check(ledger, deep=False, checkpoints=[note.checkpoint for note in doubted])
    states = {proof.checkpoint: proof for proof in report.proofs}
    return [
        Alarm(note, f"{note.source} has seen another ledger: {states[note.checkpoint].text}")
        for note in doubted
        if states[note.checkpoint].state in ("rewritten", "cut")
    ]


def require_whole(folder: Path) -> None:
    """See, before anything is touched, that the ledger holds all that is known of it.

    Raises:
        LedgerDamaged: it does not: an alarm, until an administrator has decided.
    """
    found = alarms(folder)
    if found:
        raise LedgerDamaged(f"{found[0].text}; {ADVICE}")


# --- accepting a loss -------------------------------------------------------------------------------


def loss(found: list[Alarm], held: Head) -> dict[str, Any]:
    """What the ledger records of a loss that an administrator accepted."""
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


def forget(folder: Path, vault_id: bytes, found: list[Alarm]) -> None:
    """Have the places forget what the ledger has recorded as an accepted loss; the catalog is built anew.

    Raises:
        OSError: one can't be written.
    """
    kept = Checkpoints(folder, vault_id)
    kept.drop(_refuted(folder, found))
    sources = {alarm.note.source for alarm in found}
    if OF_INDEX in sources:
        log.warning("the index knows what is lost: set aside in %s", put_aside(folder / INDEX))
    if OF_BACKUP in sources:
        (folder / BACKUP).replace(folder / f"{BACKUP}.before-loss")
    if OF_NOTICES in sources:
        value = json.loads((folder / NOTICES).read_bytes())
        del value["checkpoint"]
        _replace(folder / NOTICES, json.dumps(value))


def _refuted(folder: Path, found: list[Alarm]) -> list[Head]:
    """The checkpoints of the file that can hold no more."""
    try:
        notes = read_file(folder)
    except Unreadable:
        return []
    report = check(folder / LEDGER, deep=False, checkpoints=[note.checkpoint for note in notes])
    wrong = {proof.checkpoint for proof in report.proofs if not proof.holds}
    return [note.head for note in notes if note.checkpoint in wrong]
