"""The index of a vault: shards by ledger sequence, and the watermark up to which they have everything.

Messages arrive in the order of the ledger; when a shard is full, a new one begins. A message that is added
again, since another copy of it arrived, is replaced in the shard that has it. `state.json` has the format,
the shards and the watermark. It is written after all shards have committed, so after any crash a replay of
the ledger from the watermark makes the index complete.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

from muniment.archive.index.document import FORMAT, IndexDocument
from muniment.archive.index.shards import IndexBroken, Shard, ShardView, guarded
from muniment.errors import VaultError
from muniment.system.atomic_files import sync_folder, write_file

STATE = "state.json"
ASIDE = ".old"
"""Suffix of an index's folder while another index replaces it."""
TRIES, SOON = 20, 0.05
"""How often to try to read an index that is being replaced, and the pause between, in seconds."""
HEAP = 64 * 1024 * 1024
"""Memory for writing the newest shard, in bytes."""
OLD_HEAP = 16 * 1024 * 1024
"""Memory for writing an older shard, in bytes."""
OLD_WRITERS = 2
"""Most older shards that are open for writing at a time."""
DOCS_PER_SHARD = 30_000
"""Number of documents at which a shard is full."""
SHARD_BYTES = 96 * 1024 * 1024
"""Size on disk at which a shard is full, in bytes. Both bounds limit the memory that a merge of segments
maps, and a bulk load needs no merge: the library begins to merge at eight segments of similar size."""


class Index:
    """The full-text index of a vault. One thread of one process writes it; any thread may search it.

    A document's id is the message's number, which is the sequence of its record.
    """

    def __init__(
        self, folder: Path, heap: int, docs_per_shard: int, shard_bytes: int, read_only: bool
    ) -> None:
        """Not for callers: use `Index.open`."""
        self.folder = folder
        self.set_aside: Path | None = None
        """The folder to which an unusable index was renamed when this one was opened; None if none was."""
        self.why_set_aside = ""
        """Why that index was unusable."""
        self._heap = heap
        self._docs_per_shard = docs_per_shard
        self._shard_bytes = shard_bytes
        self._read_only = read_only
        self._watermark = 0
        self._binding = ""
        self._shards: list[Shard] = []
        self._identity = ""
        self._stamp: tuple[int, int] | None = None
        self._following = threading.Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        heap: int = HEAP,
        docs_per_shard: int = DOCS_PER_SHARD,
        shard_bytes: int = SHARD_BYTES,
        read_only: bool = False,
    ) -> Index:
        """Open an index, or make a new one.

        An index that is damaged or of another format is renamed to `<folder>.broken-<time>`, and an empty
        one replaces it; its watermark is 0, so the whole ledger must be indexed.

        Args:
            folder: The index's folder; it is made if it does not exist.
            heap: Memory for the writer, in bytes.
            docs_per_shard: Number of documents at which a shard is full.
            shard_bytes: Size on disk at which a shard is full, in bytes.
            read_only: Whether to open it only for searching. Commits of another process are then seen at the
                next search.

        Raises:
            VaultError: The index can't be read or written; or it is damaged and `read_only` is true.
            VaultLocked: Another process is writing it.
        """
        try:
            return cls._opened(folder, heap, docs_per_shard, shard_bytes, read_only)
        except IndexBroken as error:
            if read_only:
                raise _unusable(error) from error
            aside = put_aside(folder)
            index = cls._opened(folder, heap, docs_per_shard, shard_bytes, read_only)
            index.set_aside, index.why_set_aside = aside, str(error)
            return index

    @classmethod
    def _opened(
        cls, folder: Path, heap: int, docs_per_shard: int, shard_bytes: int, read_only: bool
    ) -> Index:
        index = cls(folder, heap, docs_per_shard, shard_bytes, read_only)
        with guarded("Opening the index"):
            if not read_only:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for draft in folder.glob("*.new"):
                    shutil.rmtree(draft, ignore_errors=True)
            index._load()
        if not read_only:
            for shard in index._shards:
                shard.clean()
        return index

    def _load(self) -> None:
        """Load the state on disk, and keep shards that are open already.

        If another process commits or replaces the index while its files are opened, it is loaded again.
        """
        if not self._read_only:
            self._load_once()
            return
        _undisturbed(self.folder, self._load_once)

    def _load_once(self) -> None:
        stamp = _stamp(self._state_file)
        state, names = _state_of(self.folder)
        held = {shard.path.name: shard for shard in self._shards} if state.identity == self._identity else {}
        for shard in held.values():
            shard.refresh()
        self._shards = [held.get(name) or Shard(self.folder / name) for name in names]
        self._watermark, self._binding, self._identity = state.watermark, state.binding, state.identity
        self._stamp = stamp
        if stamp is None and not self._read_only:
            self._identity = uuid.uuid4().hex
            self._write_state()

    @property
    def _state_file(self) -> Path:
        return self.folder / STATE

    @property
    def watermark(self) -> int:
        """Everything in records below this sequence is in the index."""
        return self._watermark

    @property
    def binding(self) -> str:
        """The text that the last commit stored to say which ledger this index is of; "" before the first."""
        return self._binding

    @property
    def uncommitted(self) -> int:
        """Number of documents that were added or removed since the last commit."""
        return sum(shard.pending for shard in self._shards)

    @property
    def uncommitted_text(self) -> int:
        """Estimated bytes of text that were added since the last commit."""
        return sum(shard.pending_text for shard in self._shards)

    @property
    def docs(self) -> int:
        """Number of documents that can be found.

        Raises:
            VaultError: The index can't be read.
        """
        return sum(view.searcher.num_docs for view in self.views())

    def views(self) -> list[ShardView]:
        """Return the committed shards, the one with the newest message first.

        Raises:
            VaultError: The index can't be read.
        """
        if self._read_only:
            self.follow()
        return sorted((shard.view for shard in self._shards), key=lambda view: view.high, reverse=True)

    def follow(self) -> None:
        """Load what another process has committed since, or the index that has replaced this one.

        It is for an index that was opened with `read_only`. Thread-safe.

        Raises:
            VaultError: The index can't be read, or is damaged.
        """
        with self._following:
            if self._stamp is not None and _stamp(self._state_file) == self._stamp:
                return
            try:
                with guarded("Reading the index"):
                    self._load()
            except IndexBroken as error:
                raise _unusable(error) from error

    def replace_by(self, swap: Callable[[], None]) -> None:
        """Call `swap`, which puts another index in this folder; later searches use that one."""
        with self._following:
            swap()

    def add(self, docs: Iterable[IndexDocument], *, replace: bool = False) -> None:
        """Add documents, or replace those with the same id. They can be found after `commit`.

        Args:
            docs: The documents. Ids above the highest in the index need no deletion, so they are faster.
            replace: Whether to delete documents with the same ids in any case.

        Raises:
            VaultError: The index can't be written, such as on a full disk. Close it and open it again, then
                add everything from the watermark on.
            VaultLocked: Another process is writing it.
        """
        with guarded("Writing the index"):
            for doc in docs:
                shard = self._shard_of(doc.id)
                self._write_to(shard)
                shard.add(doc, replace)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove the documents with these ids, as far as they exist. They can be found until `commit`.

        Raises:
            VaultError: The index can't be written; see `add`.
            VaultLocked: Another process is writing it.
        """
        with guarded("Writing the index"):
            for number in ids:
                if self._shards and number <= (shard := self._holder(number)).top:
                    self._write_to(shard)
                    shard.remove(number)

    def _write_to(self, shard: Shard) -> None:
        if not shard.writing:
            self._spare_memory(shard)
            shard.start_writing(self._heap if shard is self._shards[-1] else OLD_HEAP)

    def _shard_of(self, sequence: int) -> Shard:
        """Return the shard that has a message, or the one for a new message."""
        newest = self._shards[-1] if self._shards else None
        if newest is None or (self._full(newest) and sequence > newest.top):
            newest = self._begin_shard(0 if newest is None else sequence)
        if sequence >= newest.first:
            return newest
        return self._holder(sequence)

    def _full(self, shard: Shard) -> bool:
        return shard.docs >= self._docs_per_shard or shard.bytes >= self._shard_bytes

    def _holder(self, sequence: int) -> Shard:
        """Return the shard that has a message if the index has it."""
        place = bisect_right(self._shards, sequence, key=lambda shard: shard.first) - 1
        return self._shards[max(place, 0)]

    def _begin_shard(self, first: int) -> Shard:
        for shard in self._shards:
            shard.commit()
            shard.close()
        shard = Shard.create(self.folder, first)
        self._shards = [*self._shards, shard]
        return shard

    def _spare_memory(self, wanted: Shard) -> None:
        """Close writers of older shards, so that at most OLD_WRITERS are open."""
        others = [shard for shard in self._shards[:-1] if shard.writing and shard is not wanted]
        for shard in others[: max(0, len(others) + 1 - OLD_WRITERS)]:
            shard.commit()
            shard.close()

    def commit(self, watermark: int, binding: str = "") -> None:
        """Make all changes durable and visible, then store the watermark.

        Args:
            watermark: Everything in records below this sequence is in the index.
            binding: Text that says which ledger the index is of, for the next opening.

        Raises:
            VaultError: The index can't be written; the watermark stays as it was.
        """
        with guarded("Writing the index"):
            for shard in self._shards:
                shard.commit()
                if shard is not self._shards[-1]:
                    shard.close()
            before = self._watermark, self._binding
            self._watermark, self._binding = watermark, binding
            try:
                self._write_state()
            except OSError:
                self._watermark, self._binding = before
                raise

    def _write_state(self) -> None:
        shards = [shard.path.name for shard in self._shards]
        text = json.dumps(
            {
                "format": FORMAT,
                "identity": self._identity,
                "watermark": self._watermark,
                "mark": self._binding,
                "shards": shards,
            }
        )
        write_file(self._state_file, text.encode(), durable=True)

    def close(self) -> None:
        """Wait for merges, discard uncommitted changes and close the index. It may be called twice."""
        shards, self._shards = self._shards, []
        for shard in shards:
            # Committed changes are safe, and a failure of the writer was raised when it happened.
            with suppress(VaultError), guarded("Closing the index"):
                shard.close()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


T = TypeVar("T")


def _undisturbed(folder: Path, read: Callable[[], T]) -> T:
    """Call `read`, and call it again if the index in `folder` was replaced or committed meanwhile."""
    for _ in range(TRIES):
        before = _stamp(folder / STATE)
        try:
            found, error = read(), None
        except Exception as caught:  # noqa: BLE001 - raised below, unless the files were replaced meanwhile
            found, error = None, caught
        gone = before is None and folder.with_name(folder.name + ASIDE).exists()
        if _stamp(folder / STATE) == before and not gone:
            break
        time.sleep(SOON)
    if error is not None:
        raise error
    return cast("T", found)


@dataclass(frozen=True, slots=True)
class IndexState:
    """The content of state.json."""

    watermark: int = 0
    """Everything in records below this sequence is in the index."""
    binding: str = ""
    """The text that says which ledger the index is of."""
    identity: str = ""
    """A random id: an index that replaces this one has another."""
    shards: tuple[str, ...] = ()
    """Names of the shards' folders."""


def peek(folder: Path) -> IndexState:
    """Read the state of an index without opening it.

    Raises:
        VaultError: The index can't be read, or is damaged.
    """
    try:
        with guarded("Reading the index"):
            return _undisturbed(folder, lambda: _state_of(folder)[0])
    except IndexBroken as error:
        raise _unusable(error) from error


def _state_of(folder: Path) -> tuple[IndexState, list[str]]:
    """Return the state on disk and the names of the shards in the folder; both empty for a new index."""
    names = sorted(entry.name for entry in folder.glob("[0-9]*") if entry.name.isdecimal())
    path = folder / STATE
    try:
        state = _read_state(path)
    except FileNotFoundError:
        if names:
            raise IndexBroken("state.json is missing") from None
        return IndexState(), []
    if missing := set(state.shards).difference(names):
        raise IndexBroken(f"shards are missing: {', '.join(sorted(missing))}")
    return state, names


def _read_state(path: Path) -> IndexState:
    try:
        state = json.loads(path.read_bytes())
        form = state["format"]
        read = IndexState(
            watermark=int(state["watermark"]),
            binding=str(state.get("mark", "")),
            identity=str(state.get("identity", "")),
            shards=tuple(str(name) for name in state["shards"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IndexBroken("state.json is unreadable") from error
    if form != FORMAT:
        raise IndexBroken(f"it has format {form}, not {FORMAT}")
    return read


def _unusable(error: IndexBroken) -> VaultError:
    return VaultError(f"The index is unusable; run `muniment rebuild --index` ({error}).")


def put_aside(folder: Path) -> Path:
    """Rename an unusable index, so that a new one can be made in its place; returns the new path.

    Raises:
        VaultError: The folder can't be renamed.
    """
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    number, aside = 0, folder.with_name(f"{folder.name}.broken-{time}")
    while aside.exists():
        number += 1
        aside = folder.with_name(f"{folder.name}.broken-{time}-{number}")
    with guarded("Setting the damaged index aside"):
        folder.rename(aside)
        sync_folder(folder.parent)
    return aside
