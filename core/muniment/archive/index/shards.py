"""A shard: a Tantivy index of the messages in a range of ledger sequences."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tantivy

from muniment.archive.index.document import analyzer, encode, schema, weight
from muniment.archive.index.model import IndexDocument
from muniment.errors import MunimentError, QueryError, VaultError, VaultLocked
from muniment.system.atomic_files import sync_folder
from muniment.system.paths import as_text


class IndexBroken(Exception):
    """The index is damaged or of another format and must be rebuilt; the text says why."""


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Turn errors of the index library into errors for users; `doing` names the operation in messages.

    Raises:
        VaultLocked: Another process is writing the index.
        QueryError: The query needs more than the library allows.
        VaultError: The index can't be read or written.
    """
    try:
        yield
    except (MunimentError, IndexBroken):
        raise
    except (ValueError, OSError) as error:
        if "LockBusy" in str(error):
            raise VaultLocked(
                "Another process is writing the index; wait until it is done, or stop it."
            ) from error
        if any(word in str(error) for word in _DAMAGE):
            raise VaultError(f"{doing} failed; run `muniment rebuild --index` ({_brief(error)}).") from error
        if "size limit" in str(error):
            raise QueryError("There are too many wildcards; remove some.") from error
        if "max expansions" in str(error):
            raise QueryError("Too many words match; type more letters before the *.") from error
        raise VaultError(f"{doing} failed; check the disk and its free space ({_brief(error)}).") from error
    except BaseException as error:
        # The library's panics are BaseExceptions, so that they are not swallowed by accident.
        if type(error).__name__ != "PanicException":
            raise
        raise VaultError(f"{doing} failed; run `muniment rebuild --index` ({_brief(error)}).") from error


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


class ShardView:
    """A committed state of a shard, for searching."""

    def __init__(self, searcher: tantivy.Searcher, low: int, high: int, first: int = 0) -> None:
        self.searcher = searcher
        self.first = first
        """Lower bound of the ids in it."""
        self.low = low
        """Lower bound of the sort keys in it."""
        self.high = high
        """Upper bound of the sort keys in it."""

    def newest(
        self, query: tantivy.Query, limit: int, count: bool, oldest: bool = False
    ) -> tuple[int, list[tuple[int, int]]]:
        """Return the number of matches (0 without `count`), and sort key and id of the newest `limit` ones.

        The newest comes first; with `oldest`, the oldest are returned, and the oldest comes first.
        """
        order = tantivy.Order.Asc if oldest else tantivy.Order.Desc
        result: Any = self.searcher.search(query, limit, count, order_by_field="order", order=order)
        ids: Any = self.searcher.fast_field_values("id", [address for _, address in result.hits])
        return result.count or 0, [(hit[0], number) for hit, number in zip(result.hits, ids, strict=True)]

    def best(self, query: tantivy.Query, limit: int, count: bool) -> tuple[int, list[tuple[float, int, int]]]:
        """Return the number of matches (0 without `count`), and score, sort key and id of the best ones."""
        result: Any = self.searcher.search(query, limit, count)
        at = [address for _, address in result.hits]
        values: Any = zip(
            result.hits,
            self.searcher.fast_field_values("order", at),
            self.searcher.fast_field_values("id", at),
            strict=True,
        )
        return result.count or 0, [(hit[0], order, number) for hit, order, number in values]

    def stored(self, query: tantivy.Query, limit: int, field: str) -> list[tuple[int, bytes]]:
        """Return id and stored bytes of messages that have any in a field; at most `limit` messages."""
        result: Any = self.searcher.search(query, limit, False)
        at = [address for _, address in result.hits]
        ids: Any = self.searcher.fast_field_values("id", at)
        found = []
        for number, address in zip(ids, at, strict=True):
            values = self.searcher.doc(address).to_dict().get(field)
            if values:
                found.append((number, bytes(values[0])))
        return found


class Shard:
    """The messages of a range of ledger sequences, from `first` to the start of the next shard."""

    def __init__(self, path: Path) -> None:
        """Open the shard in the folder `path`.

        Raises:
            IndexBroken: The shard is damaged or of another schema.
            VaultError: The shard can't be read.
        """
        self.path = path
        self.first = int(path.name)
        self.pending = 0
        """Number of documents added or removed since the last commit."""
        self.pending_text = 0
        """Estimated bytes of text added since the last commit."""
        self._writer: tantivy.IndexWriter | None = None
        self._files = _read_meta(path)
        self._links = None if os.access(path, os.W_OK) else _Links(path)
        self._name = _Name(path if self._links is None else self._links.path)
        self._index = _open(path, self._name)
        self.refresh()

    @classmethod
    def create(cls, parent: Path, first: int) -> Shard:
        """Make an empty shard in the folder `parent`; its folder appears at once with all its files.

        Args:
            parent: The index's folder.
            first: The lowest sequence of the shard; it becomes the folder's name.

        Raises:
            VaultError: The shard can't be made.
        """
        path = parent / f"{first:016d}"
        draft = path.with_suffix(".new")
        with guarded("Making the index"):
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            name = _Name(draft)
            tantivy.Index(schema(), name.text)
            draft.rename(path)
            sync_folder(parent)
        return cls(path)

    @property
    def writing(self) -> bool:
        """Whether a writer is open."""
        return self._writer is not None

    def refresh(self) -> None:
        """Load the last committed state."""
        with guarded("Reading the index"):
            if self._links is not None:
                self._links.renew()
            self._index.reload()
            searcher = self._index.searcher()
            self.docs = searcher.num_docs
            everything = tantivy.Query.all_query()
            low = searcher.search(everything, 1, False, "order", order=tantivy.Order.Asc).hits
            high = searcher.search(everything, 1, False, "order").hits
            top = searcher.search(everything, 1, False, "id").hits
            self.bytes = _bytes_in(self.path)
        self.view = ShardView(searcher, low[0][0] if low else 0, high[0][0] if high else 0, self.first)
        self.top = top[0][0] if top else -1

    def clean(self) -> None:
        """Remove files that a crash has left."""
        named = {segment.replace("-", "") for segment in self._files}
        names = (path.name for path in self.path.iterdir())
        orphans = (name for name in names if _is_of_segment(name) and name.split(".")[0] not in named)
        if next(orphans, None) is not None:
            with guarded("Cleaning the index"):
                self.collect()

    def collect(self) -> None:
        """Remove the files that no committed document uses. The writer must be closed."""
        self.refresh()  # the old view holds the files that it reads
        writer = self._index.writer(16_000_000, 1)
        writer.garbage_collect_files()
        writer.wait_merging_threads()
        self.bytes = _bytes_in(self.path)

    def segments(self) -> frozenset[str]:
        """Return the names of the segments of which there is any file."""
        names = (path.name for path in self.path.iterdir())
        return frozenset(name.split(".")[0] for name in names if _is_of_segment(name))

    def start_writing(self, heap: int) -> None:
        """Open the writer, which uses up to `heap` bytes of memory."""
        self._writer = self._index.writer(heap, 1)
        # The first operation gets the number of the last commit, and a merge that is done after a crash
        # skips operations of that number. A real deletion would be lost, so this one deletes nothing.
        self._writer.delete_documents_by_query(tantivy.Query.empty_query())

    def add(self, doc: IndexDocument, replace: bool) -> None:
        """Add a document, or replace the one with its id. The writer must be open."""
        assert self._writer is not None
        if replace or doc.id <= self.top:
            self._delete(doc.id)
        if doc.id > self.top:
            self.top = doc.id
            self.docs += 1
        self.pending += 1
        self.pending_text += weight(doc)
        self._writer.add_document(encode(doc))

    def remove(self, number: int) -> None:
        """Remove the document with an id, if there is one. The writer must be open."""
        self._delete(number)
        self.pending += 1

    def _delete(self, number: int) -> None:
        assert self._writer is not None
        # A deletion by term takes the number for a signed one and deletes nothing, so this one is by query.
        self._writer.delete_documents_by_query(tantivy.Query.term_query(self._index.schema, "id", number))

    def commit(self) -> None:
        """Make all changes durable and visible."""
        if self._writer is not None and self.pending:
            self._writer.commit()
            self.pending = self.pending_text = 0
            self.refresh()

    def close(self) -> None:
        """Wait for merges, discard uncommitted changes and close the writer."""
        writer, self._writer = self._writer, None
        self.pending = self.pending_text = 0
        if writer is not None:
            writer.wait_merging_threads()


class _Name:
    """A folder's name for the library: its path, or a path by an open handle if its path is not UTF-8."""

    def __init__(self, folder: Path) -> None:
        self.text = as_text(folder)
        if self.text != str(folder):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, handle)
            self.text = f"/proc/self/fd/{handle}"


class _Links:
    """A temporary folder of links to the files of a shard whose folder is read-only.

    The library makes a lock file even for reading. The folder is removed with this object.
    """

    def __init__(self, shard: Path) -> None:
        self._shard = shard.absolute()
        self.path = Path(tempfile.mkdtemp(prefix="muniment-index-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self.renew()

    def renew(self) -> None:
        """Add links to files that another process has written since; stale links are not read."""
        for path in self._shard.iterdir():
            link = self.path / path.name
            if path.suffix != ".lock" and not link.is_symlink():
                link.symlink_to(path)


def _is_of_segment(name: str) -> bool:
    """Return whether a file of a shard belongs to a segment; hidden files, such as locks, do not."""
    return name[0] != "." and name != "meta.json"


def _bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder, in bytes; a file that is removed meanwhile counts as 0."""
    total = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            total += entry.stat().st_size
    return total


def _read_meta(path: Path) -> list[str]:
    """Read the ids of the segments from a shard's meta.json."""
    try:
        meta = json.loads((path / "meta.json").read_bytes())
        return [segment["segment_id"] for segment in meta["segments"]]
    except FileNotFoundError:
        raise IndexBroken(f"{path.name} has no meta.json") from None
    except OSError as error:
        raise VaultError(f"The index can't be read; check the disk ({_brief(error)}).") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IndexBroken(f"the meta.json of {path.name} is unreadable ({_brief(error)})") from error


_DAMAGE = (
    "Schema error",
    "Data corrupted",
    "FileDoesNotExist",
    "File corrupted",
    "InvalidData",
    "Incompatible",
)


def _open(path: Path, name: _Name) -> tantivy.Index:
    with guarded("Reading the index"):
        try:
            index = tantivy.Index(schema(), name.text)
        except ValueError as error:
            if any(word in str(error) for word in _DAMAGE):
                raise IndexBroken(
                    f"{path.name} is damaged or of another version ({_brief(error)})"
                ) from error
            raise
        index.register_tokenizer("words", analyzer())
        index.config_reader("Manual")
        return index
