"""The index of a vault: shards by ledger sequence, and the watermark up to which they reflect the ledger.

It is disposable. Messages arrive in the order of the ledger; every so many a new shard begins. A message
that is added again (another envelope came for it) is replaced in the shard that holds it. `state.json` names
the format, the shards and the watermark; it is written after all shards have committed, so replaying the
ledger from the watermark gives a complete index whenever a crash came.
"""

from __future__ import annotations

import json
import os
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
from muniment.archive.index.shards import Broken, Shard, View, guarded, sync_folder
from muniment.errors import VaultError

STATE = "state.json"
ASIDE = ".old"
"""What the name of an index ends in while another takes its place."""
TRIES, SOON = 20, 0.05
"""Tries to read an index that is being replaced, and the seconds between two."""
HEAP = 64 * 1024 * 1024
OLD_HEAP = 16 * 1024 * 1024
OLD_WRITERS = 2
"""Older shards that are written to at a time."""
DOCS_PER_SHARD = 30_000
SHARD_BYTES = 96 * 1024 * 1024
"""So few of either that what a merge of segments maps into memory is bounded, and a bulk load needs no merge
at all: at eight segments of a kind the library begins to merge."""


class Index:
    """See the module. Written to by one thread of one process; searched by any."""

    def __init__(
        self, folder: Path, heap: int, docs_per_shard: int, shard_bytes: int, read_only: bool
    ) -> None:
        """Use `Index.open`."""
        self.folder = folder
        self.set_aside: Path | None = None
        """Where an unusable index was put when this one was opened; its place was taken by an empty one."""
        self.why_set_aside = ""
        self._heap = heap
        self._docs_per_shard = docs_per_shard
        self._shard_bytes = shard_bytes
        self._read_only = read_only
        self._watermark = 0
        self._mark = ""
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
        """Open the index in `folder`, or begin one; `heap` is what the writer may hold in bytes.

        A shard that has so many documents, or so many bytes on disk, gets no new ones.

        An index that is damaged or of another format is renamed to `<folder>.broken-<time>` and an empty
        one takes its place: the watermark is 0, so the ledger is replayed. With `read_only` nothing is
        written, and what another process commits is seen at the next search.

        Raises:
            VaultError: it can't be read or written, or (only with `read_only`) is damaged.
            VaultLocked: another process writes it.
        """
        try:
            return cls._opened(folder, heap, docs_per_shard, shard_bytes, read_only)
        except Broken as error:
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
        """Take up the state on disk, keeping shards that are open already.

        One that is read beside a writer may change, or be replaced, while its files are opened: it is loaded
        again then.
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
        self._watermark, self._mark, self._identity = state.watermark, state.mark, state.identity
        self._stamp = stamp
        if stamp is None and not self._read_only:
            self._identity = uuid.uuid4().hex
            self._write_state()

    @property
    def _state_file(self) -> Path:
        return self.folder / STATE

    @property
    def watermark(self) -> int:
        """The ledger's tree size up to which everything is in the index."""
        return self._watermark

    @property
    def mark(self) -> str:
        """What was said at the last commit of where all this comes from; "" before the first."""
        return self._mark

    @property
    def uncommitted(self) -> int:
        """Documents added since the last commit."""
        return sum(shard.pending for shard in self._shards)

    @property
    def uncommitted_text(self) -> int:
        """About how many bytes of text were added since the last commit."""
        return sum(shard.pending_text for shard in self._shards)

    @property
    def docs(self) -> int:
        """Documents that can be found."""
        return sum(view.searcher.num_docs for view in self.views())

    def views(self) -> list[View]:
        """The shards as they are committed now, those with the newest message first.

        Raises:
            VaultError: what another process wrote can't be read.
        """
        if self._read_only:
            self.follow()
        return sorted((shard.view for shard in self._shards), key=lambda view: view.high, reverse=True)

    def follow(self) -> None:
        """See what was committed since, by whatever process, or what took this index's place.

        For one opened with `read_only`, from any thread.

        Raises:
            VaultError: it can't be read, or is damaged.
        """
        with self._following:
            if self._stamp is not None and _stamp(self._state_file) == self._stamp:
                return
            try:
                with guarded("Reading the index"):
                    self._load()
            except Broken as error:
                raise _unusable(error) from error

    def swapped(self, swap: Callable[[], None]) -> None:
        """Have `swap` put another index in the place of this one; what is found from then on is in that."""
        with self._following:
            swap()

    def add(self, docs: Iterable[IndexDocument], *, replace: bool = False) -> None:
        """Take in documents; found only after `commit`.

        One whose id is in the index replaces it, whether or not `replace` says that this may be so: an id up
        to the highest seen is always deleted first. Ids in rising order cost no deletion.

        Raises:
            VaultError: disk full and the like. Close the index; open it again to replay from the watermark.
        """
        with guarded("Writing the index"):
            for doc in docs:
                shard = self._shard_of(doc.id)
                self._write_to(shard)
                shard.add(doc, replace)

    def remove(self, ids: Iterable[int]) -> None:
        """Take documents out; gone only after `commit`. What is not there is left out.

        Raises:
            VaultError: as `add`.
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
        """The shard that holds, or is to hold, a message."""
        newest = self._shards[-1] if self._shards else None
        if newest is None or (self._full(newest) and sequence > newest.top):
            newest = self._begin_shard(0 if newest is None else sequence)
        if sequence >= newest.first:
            return newest
        return self._holder(sequence)

    def _full(self, shard: Shard) -> bool:
        return shard.docs >= self._docs_per_shard or shard.bytes >= self._shard_bytes

    def _holder(self, sequence: int) -> Shard:
        """The shard that holds a message, if any does."""
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
        """Close older shards' writers so that few are open at a time."""
        others = [shard for shard in self._shards[:-1] if shard.writing and shard is not wanted]
        for shard in others[: max(0, len(others) + 1 - OLD_WRITERS)]:
            shard.commit()
            shard.close()

    def commit(self, watermark: int, mark: str = "") -> None:
        """Make all that was added durable and visible, then note that the ledger is reflected to `watermark`.

        `mark` says which ledger that is, for whoever opens the index next.

        Raises:
            VaultError: as `add`; the watermark is then as it was.
        """
        with guarded("Writing the index"):
            for shard in self._shards:
                shard.commit()
                if shard is not self._shards[-1]:
                    shard.close()
            before = self._watermark, self._mark
            self._watermark, self._mark = watermark, mark
            try:
                self._write_state()
            except OSError:
                self._watermark, self._mark = before
                raise

    def _write_state(self) -> None:
        shards = [shard.path.name for shard in self._shards]
        text = json.dumps(
            {
                "format": FORMAT,
                "identity": self._identity,
                "watermark": self._watermark,
                "mark": self._mark,
                "shards": shards,
            }
        )
        draft = self._state_file.with_suffix(".tmp")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._state_file)
        sync_folder(self.folder)

    def close(self) -> None:
        """Free everything, once merges have ended; what is not committed is forgotten. Safe to call twice."""
        shards, self._shards = self._shards, []
        for shard in shards:
            # All that is committed is safe; a writer that failed was told of when it did.
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
    """What `read` makes of the index in `folder`; again where it was replaced or committed meanwhile."""
    for _ in range(TRIES):
        before = _stamp(folder / STATE)
        try:
            found, error = read(), None
        except Exception as caught:  # noqa: BLE001 - raised below, unless the files were exchanged meanwhile
            found, error = None, caught
        gone = before is None and folder.with_name(folder.name + ASIDE).exists()
        if _stamp(folder / STATE) == before and not gone:
            break
        time.sleep(SOON)
    if error is not None:
        raise error
    return cast("T", found)


@dataclass(frozen=True, slots=True)
class State:
    """What state.json says."""

    watermark: int = 0
    mark: str = ""
    identity: str = ""
    """Of this very index: another that takes its place has another."""
    shards: tuple[str, ...] = ()
    """Names of the shards it speaks for."""


def peek(folder: Path) -> State:
    """What an index said of itself at its last commit, without opening it.

    Raises:
        VaultError: it can't be read, or is seen to be damaged.
    """
    try:
        with guarded("Reading the index"):
            return _undisturbed(folder, lambda: _state_of(folder)[0])
    except Broken as error:
        raise _unusable(error) from error


def _state_of(folder: Path) -> tuple[State, list[str]]:
    """The state on disk, and the names of the shards that are there; both empty where no index is begun."""
    names = sorted(entry.name for entry in folder.glob("[0-9]*") if entry.name.isdecimal())
    path = folder / STATE
    try:
        state = _read_state(path)
    except FileNotFoundError:
        if names:
            raise Broken("state.json is missing") from None
        return State(), []
    if missing := set(state.shards).difference(names):
        raise Broken(f"shards are missing: {', '.join(sorted(missing))}")
    return state, names


def _read_state(path: Path) -> State:
    try:
        state = json.loads(path.read_bytes())
        form = state["format"]
        read = State(
            watermark=int(state["watermark"]),
            mark=str(state.get("mark", "")),
            identity=str(state.get("identity", "")),
            shards=tuple(str(name) for name in state["shards"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Broken("state.json is unreadable") from error
    if form != FORMAT:
        raise Broken(f"it is of format {form}, not {FORMAT}")
    return read


def _unusable(error: Broken) -> VaultError:
    return VaultError(f"The index is unusable; run `muniment rebuild --index` ({error}).")


def put_aside(folder: Path) -> Path:
    """Rename an index that can't be used, so that another is begun in its place; returns its new name.

    Raises:
        VaultError: it can't be renamed.
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
