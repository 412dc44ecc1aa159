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
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

from muniment.archive.index.attachments import attachments_of, files_with, in_state
from muniment.archive.index.document import FORMAT
from muniment.archive.index.model import (
    AttachmentState,
    ContentsState,
    IndexDocument,
    IndexState,
    Placed,
    SearchPage,
    SearchScope,
    StoredSpan,
    Users,
    Verify,
)
from muniment.archive.index.search import LIMITS, SearchLimits, search_shards
from muniment.archive.index.shards import IndexBroken, Shard, ShardView, guarded
from muniment.archive.query import Node, Text
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
LAST = 1 << 63
"""An id that no document has, since it is too high."""
DOCS_PER_SHARD = 30_000
"""Number of documents at which a shard is full."""
SHARD_BYTES = 96 * 1024 * 1024
"""Size on disk at which a shard is full, in bytes. Both bounds limit the memory that a merge of segments
maps, and a bulk load needs no merge: the library begins to merge at eight segments of similar size."""


class TantivyIndex:
    """A `SearchIndex` in shards of Tantivy. Make it with `open`."""

    def __init__(
        self,
        folder: Path,
        heap: int,
        docs_per_shard: int,
        shard_bytes: int,
        read_only: bool,
        limits: SearchLimits,
    ) -> None:
        """Not for callers: use `TantivyIndex.open`."""
        self.folder = folder
        self.set_aside: Path | None = None
        """The folder to which an unusable index was renamed when this one was opened; None if none was."""
        self.why_set_aside = ""
        """Why that index was unusable."""
        self._heap = heap
        self._docs_per_shard = docs_per_shard
        self._shard_bytes = shard_bytes
        self._read_only = read_only
        self._limits = limits
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
        limits: SearchLimits = LIMITS,
    ) -> TantivyIndex:
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
            limits: How many candidates a scoped search verifies.

        Raises:
            VaultError: The index can't be read or written; or it is damaged and `read_only` is true.
            VaultLocked: Another process is writing it.
        """
        try:
            return cls._opened(folder, heap, docs_per_shard, shard_bytes, read_only, limits)
        except IndexBroken as error:
            if read_only:
                raise _unusable(error) from error
            aside = put_aside(folder)
            index = cls._opened(folder, heap, docs_per_shard, shard_bytes, read_only, limits)
            index.set_aside, index.why_set_aside = aside, str(error)
            return index

    @classmethod
    def _opened(
        cls,
        folder: Path,
        heap: int,
        docs_per_shard: int,
        shard_bytes: int,
        read_only: bool,
        limits: SearchLimits,
    ) -> TantivyIndex:
        index = cls(folder, heap, docs_per_shard, shard_bytes, read_only, limits)
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
        undisturbed(self.folder, self._load_once)

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
        return self._watermark

    @property
    def binding(self) -> str:
        return self._binding

    @property
    def uncommitted(self) -> int:
        return sum(shard.pending for shard in self._shards)

    @property
    def uncommitted_text(self) -> int:
        return sum(shard.pending_text for shard in self._shards)

    @property
    def docs(self) -> int:
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

    def search(
        self,
        node: Node,
        *,
        users: Users | None = None,
        placed: Placed | None = None,
        scope: SearchScope | None = None,
        limit: int = 50,
        after: str = "",
        by_relevance: bool = False,
        bcc_allowed: bool = True,
        count: bool = True,
        exact: bool = False,
        oldest_first: bool = False,
        around: int | None = None,
        only: Verify | None = None,
    ) -> SearchPage:
        return search_shards(
            self.views,
            node,
            users=users,
            placed=placed,
            scope=scope,
            limit=limit,
            after=after,
            by_relevance=by_relevance,
            bcc_allowed=bcc_allowed,
            count=count,
            exact=exact,
            oldest_first=oldest_first,
            around=around,
            only=only,
            limits=self._limits,
        )

    def with_contents(
        self, state: ContentsState, limit: int = 0, among: Sequence[int] | None = None
    ) -> tuple[int, tuple[int, ...]]:
        with guarded("Reading the index"):
            return in_state(self.views(), state, limit, among)

    def attachments(self, ids: Iterable[int]) -> dict[int, tuple[AttachmentState, ...]]:
        with guarded("Reading the index"):
            return attachments_of(self.views(), ids)

    def files_with(self, words: Text, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        with guarded("Reading the index"):
            return files_with(self.views(), words, ids)

    def add(self, docs: Iterable[IndexDocument], *, replace: bool = False) -> None:
        with guarded("Writing the index"):
            for doc in docs:
                shard = self._shard_of(doc.id)
                self._write_to(shard)
                shard.add(doc, replace)

    def remove(self, ids: Iterable[int]) -> None:
        with guarded("Writing the index"):
            for number in ids:
                if self._shards and number <= (shard := self._holder(number)).top:
                    self._write_to(shard)
                    shard.remove(number)

    def stored_with(self, ids: Iterable[int]) -> list[StoredSpan]:
        held = {self._holder(number).first for number in ids} if self._shards else set()
        ends = [*(shard.first for shard in self._shards[1:]), LAST]
        return [
            StoredSpan(shard.first, end, shard.segments())
            for shard, end in zip(self._shards, ends, strict=False)
            if shard.first in held
        ]

    def is_renewed(self, span: StoredSpan) -> bool:
        shard = self._holder(span.first)
        with guarded("Cleaning the index"):
            shard.close()
            shard.collect()
        return not span.files & shard.segments()

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


def undisturbed(folder: Path, read: Callable[[], T]) -> T:
    """Call `read`, and call it again if the index in `folder` was replaced or committed meanwhile.

    Another process replaces an index by two renames, between which there is no folder.
    """
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
class StoredState(IndexState):
    """The content of state.json."""

    identity: str = ""
    """A random id: an index that replaces this one has another."""
    shards: tuple[str, ...] = ()
    """Names of the shards' folders."""


def peek(folder: Path) -> StoredState:
    """Read the state of an index without opening it.

    Raises:
        VaultError: The index can't be read, or is damaged.
    """
    try:
        with guarded("Reading the index"):
            return undisturbed(folder, lambda: _state_of(folder)[0])
    except IndexBroken as error:
        raise _unusable(error) from error


def _state_of(folder: Path) -> tuple[StoredState, list[str]]:
    """Return the state on disk and the names of the shards in the folder; both empty for a new index."""
    names = sorted(entry.name for entry in folder.glob("[0-9]*") if entry.name.isdecimal())
    path = folder / STATE
    try:
        state = _read_state(path)
    except FileNotFoundError:
        if names:
            raise IndexBroken("state.json is missing") from None
        return StoredState(), []
    if missing := set(state.shards).difference(names):
        raise IndexBroken(f"shards are missing: {', '.join(sorted(missing))}")
    return state, names


def _read_state(path: Path) -> StoredState:
    try:
        state = json.loads(path.read_bytes())
        form = state["format"]
        read = StoredState(
            watermark=int(state["watermark"]),
            binding=str(state.get("mark", "")),
            identity=str(state.get("identity", "")),
            shards=tuple(str(name) for name in state["shards"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
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
