"""Checks an index: each file by the checksum at its end, and the documents by the catalog's messages.

The library (Tantivy) ends each file of a segment with a footer: a JSON object with the CRC-32 of everything
before it, the length of that object, and a magic number. It does not check them when it reads, and its Python
binding has no function for it.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from zlib import crc32

import tantivy

from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.catalog.sqlite.trouble import as_vault_errors
from muniment.archive.index.document import order_of
from muniment.archive.index.index import TantivyIndex, undisturbed
from muniment.archive.index.shards import ShardView
from muniment.archive.ledger.check import Progress, unwatched
from muniment.archive.proof.compare import tables_of
from muniment.archive.vault.layout import INDEX
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError

REMEDY = "run `muniment rebuild --index`"
NAMED = 3
"""Most files that a sentence names."""
PARTS = ("store", "fast", "fieldnorm", "idx", "pos", "term")
"""Suffixes of the files that every segment has."""
TAIL = struct.Struct("<II")
MAGIC = 1337
MOST_FOOTER = 10_000
BLOCK = 1024 * 1024
TRIES, SOON = 5, 0.01
"""How often a shard is read again that was written meanwhile, and the seconds between."""


def damaged_files(
    folder: Path,
    held: Callable[[], AbstractContextManager[None]] = nullcontext,
    progress: Progress = unwatched,
) -> Iterator[str]:
    """Yield a sentence if files of an index are missing or damaged.

    Args:
        folder: The index's folder.
        held: Keeps the index from being replaced while a shard is read.
        progress: Called before each shard with the shards that are read so far, and all. An error that it
            raises ends the check.
    """
    wrong = []

    def shards() -> list[Path]:
        with held():
            return sorted(folder.glob("[0-9]*"))

    found = undisturbed(folder, shards)
    for done, shard in enumerate(found):
        progress(done, len(found))
        with held():
            wrong += [f"{shard.name}/{what}" for what in _of_shard(shard)]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        yield f"the index is damaged: {', '.join(wrong[:NAMED])}{more}: {REMEDY}"


def _of_shard(shard: Path) -> list[str]:
    """Return what is wrong in a shard.

    Meanwhile a writer may merge segments and remove the merged ones. Another process may replace the index.
    """
    wrong: list[str] = []
    for _ in range(TRIES):
        state = _state(shard)
        wrong = list(_of_segments(shard, state[1]))
        if not shard.is_dir():
            return []  # the index was replaced
        if not wrong or _state(shard) == state:
            break
        time.sleep(SOON)
    return wrong


def _state(shard: Path) -> tuple[int, bytes]:
    """Return the folder's inode, and the list of its segments; 0 or b"" where there is none."""
    inode = 0
    try:
        inode = shard.stat().st_ino
        return inode, (shard / "meta.json").read_bytes()
    except OSError:
        return inode, b""


def _of_segments(shard: Path, meta: bytes) -> Iterator[str]:
    try:
        names = [name for segment in json.loads(meta)["segments"] for name in _names(segment)]
    except (ValueError, KeyError, TypeError, AttributeError):
        yield "meta.json is damaged"
        return
    for name in names:
        try:
            if not intact(shard / name):
                yield f"{name} has a wrong checksum"
        except FileNotFoundError:
            yield f"{name} is missing"
        except OSError as error:
            yield f"{name} can't be read ({error.strerror})"


def _names(segment: dict[str, object]) -> list[str]:
    """Return the names of a segment's files, by its entry in meta.json."""
    prefix = str(segment["segment_id"]).replace("-", "")
    names = [f"{prefix}.{part}" for part in PARTS]
    deletes = segment.get("deletes")
    if isinstance(deletes, dict):
        names.append(f"{prefix}.{deletes['opstamp']}.del")
    return names


def intact(path: Path) -> bool:
    """Return whether a file of a segment has the checksum that its footer states.

    Raises:
        OSError: The file can't be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, 2)
        if end < TAIL.size:
            return False
        file.seek(end - TAIL.size)
        length, magic = TAIL.unpack(file.read(TAIL.size))
        body = end - TAIL.size - length
        if magic != MAGIC or length > MOST_FOOTER or body < 0:
            return False
        file.seek(body)
        try:
            stated = json.loads(file.read(length))["crc"]
        except (ValueError, KeyError, TypeError):
            return False
        file.seek(0)
        found = 0
        while body and (block := file.read(min(BLOCK, body))):
            found, body = crc32(block, found), body - len(block)
    return bool(stated == found)


def index_of(vault: Vault) -> TantivyIndex:
    """Open a vault's index for checks that read its shards.

    Raises:
        VaultError: The index can't be read, or is damaged.
    """
    with vault.index_place.held():
        return TantivyIndex.open(vault.folder / INDEX, read_only=True)


def wrong_documents(
    vault: Vault, index: TantivyIndex, exact: bool, progress: Progress = unwatched
) -> Iterator[str]:
    """Yield a sentence if the documents of an index differ from the catalog's messages.

    Args:
        vault: The vault.
        index: Its index.
        exact: Whether nothing is written meanwhile and the index is complete. Otherwise extra documents do
            not count.
        progress: Called as by `damaged_files`.

    Raises:
        sqlite3.Error: The catalog can't be read.
        CatalogDamaged: The catalog contradicts itself.
        VaultError: The index can't be read.
    """
    watermark = index.watermark
    views = sorted(index.views(), key=lambda view: view.first)
    missing = extra = moved = 0
    with as_vault_errors(SqliteCatalog.of(vault.catalog).path, "read"), tables_of(vault.catalog) as catalog:
        for place, view in enumerate(views):
            progress(place, len(views))
            end = views[place + 1].first if place + 1 < len(views) else 1 << 62
            found = {number: order for order, number in _documents(view)}
            rows = catalog.execute(
                "SELECT id, date, touched FROM message WHERE id >= ? AND id < ?", (view.first, end)
            )
            for number, date, touched in rows:
                order = found.pop(number, None)
                if touched < watermark:
                    missing += order is None
                    moved += order is not None and order != order_of(date, number)
            extra += len(found)
    if missing or moved or (extra and exact):
        yield (
            f"the index lacks {missing} messages, has {extra} that are not in the catalog, and {moved} with "
            f"another date: {REMEDY}"
        )


def _documents(view: ShardView) -> list[tuple[int, int]]:
    """Return sort key and number of every document of a shard; shards have a limited size."""
    count = view.searcher.num_docs
    return view.newest(tantivy.Query.all_query(), count, False)[1] if count else []


def search_works(index: TantivyIndex) -> Iterator[str]:
    """Yield a sentence if the index can't be searched."""
    try:
        for view in index.views():
            view.newest(tantivy.Query.all_query(), 1, True)
    except MunimentError as error:
        yield f"the index can't be searched ({error}): {REMEDY}"
